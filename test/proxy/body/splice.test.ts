/**
 * Edits must change what they name and nothing else, however the body is written and cut into chunks.
 *
 * The plain implementation works on a list of fields and joins it. Space between tokens is tabs here, which stand
 * nowhere else in JSON text: without them both must write the same. Texts are compared, as in scan.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { edited } from "../../../proxy/body/edits.ts";
import { BodyScan } from "../../../proxy/body/scan.ts";
import { type FieldEdit, type Payload, placed, withModel } from "../../../proxy/body/splice.ts";

const NAMES = ["model", "max_tokens", "user", "é", "store"];
const READ = new Set(NAMES);

interface Written {
  readonly name: string;
  /** With quotes, perhaps spelled in escapes. */
  readonly key: string;
  readonly value: string;
}

const text = fc
  .array(fc.constantFrom('"', "\\", "a", "é", "\n", "{", "}", "[", "]", ",", ":", "😀", "model", " "), {
    maxLength: 40,
  })
  .map((parts) => parts.join(""));
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(true, false, null),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(text, tie("any"), { maxKeys: 3 }),
  ),
})).any;
const field = fc
  .record({ name: fc.oneof(fc.constantFrom(...NAMES), text), value, escaped: fc.boolean() })
  .map(({ name, value: written, escaped }): Written => {
    const key = escaped ? `"${[...name].map(asEscape).join("")}"` : JSON.stringify(name);
    return { name, key, value: JSON.stringify(written) };
  });
const fields = fc.uniqueArray(field, { selector: ({ name }) => name, maxLength: 8 });
const gap = fc.constantFrom("", "\t", "\t\t");
const gaps = fc.array(gap, { minLength: 1, maxLength: 7 });
const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 9 });
const edit = fc
  .constantFrom(...NAMES)
  .chain((name) =>
    fc.constantFrom<FieldEdit>(
      { field: name, action: "remove" },
      { field: name, action: "rename", to: Buffer.from('"renamed"') },
      { field: name, action: "set", value: Buffer.from('{"set":true}') },
    ),
  );
const edits = fc.uniqueArray(edit, { selector: (one) => one.field, maxLength: 5 });

function asEscape(character: string): string {
  return [
    ...Buffer.from(character, "utf16le")
      .toString("hex")
      .matchAll(/(..)(..)/g),
  ]
    .map(([, low, high]) => `\\u${high}${low}`)
    .join("");
}

function written(list: readonly Written[], spaces: readonly string[]): string {
  let n = 0;
  const space = () => spaces[n++ % spaces.length] as string;
  const members = list.map((one) => `${space()}${one.key}${space()}:${space()}${one.value}${space()}`);
  return `${space()}{${members.join(",")}${space()}}${space()}`;
}

function scanned(body: string, sizes: readonly number[]): BodyScan {
  const bytes = Buffer.from(body);
  const scan = new BodyScan(READ);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number;
    scan.push(bytes.subarray(at, at + size));
    at += size;
  }
  assert.equal(scan.complete, true, body);
  return scan;
}

function spliced(body: BodyScan, all: readonly FieldEdit[]): Payload {
  return edited(body.chunks, placed(body, all));
}

/** The same edits on a list of fields. */
function plainly(list: readonly Written[], all: readonly FieldEdit[]): string {
  const front: string[] = [];
  let kept = [...list];
  for (const one of all) {
    if (one.action === "remove") kept = kept.filter(({ name }) => name !== one.field);
    else if (one.action === "rename")
      kept = kept.map((each) => (each.name === one.field ? { ...each, key: one.to.toString() } : each));
    else if (kept.some(({ name }) => name === one.field))
      kept = kept.map((each) => (each.name === one.field ? { ...each, value: one.value.toString() } : each));
    else front.push(`${JSON.stringify(one.field)}:${one.value}`);
  }
  return `{${[...front, ...kept.map((each) => `${each.key}:${each.value}`)].join(",")}}`;
}

test("edits do what a plain implementation does, and nothing else", () => {
  fc.assert(
    fc.property(fields, edits, gaps, cuts, (list, all, spaces, sizes) => {
      const payload = spliced(scanned(written(list, spaces), sizes), all);
      const sent = Buffer.concat(payload.chunks);
      assert.equal(sent.length, payload.length);
      assert.equal(sent.toString().replaceAll("\t", ""), plainly(list, all));
    }),
    { numRuns: 20_000 },
  );
});

test("without edits the bytes are the same, space included", () => {
  fc.assert(
    fc.property(fields, gaps, cuts, (list, spaces, sizes) => {
      const body = written(list, spaces);
      assert.equal(Buffer.concat(spliced(scanned(body, sizes), []).chunks).toString(), body);
    }),
  );
});

test("setting the model is the same by either way", () => {
  fc.assert(
    fc.property(fields, gaps, cuts, (list, spaces, sizes) => {
      const model = Buffer.from('"my-deployment"');
      const body = written(list, spaces);
      const one = Buffer.concat(withModel(scanned(body, sizes), model).chunks);
      const other = Buffer.concat(
        spliced(scanned(body, sizes), [{ field: "model", action: "set", value: model }]).chunks,
      );
      assert.ok(one.equals(other));
    }),
  );
});

test("the commas of fields that go side by side", () => {
  const remove = (...names: string[]): FieldEdit[] => names.map((name) => ({ field: name, action: "remove" }));
  const cases: readonly [body: string, edits: FieldEdit[], sent: string][] = [
    ['{"user":1}', remove("user"), "{}"],
    ['{"user":1,"store":2,"x":3}', remove("user", "store"), '{"x":3}'],
    ['{"user":1,"x":3,"store":2}', remove("store", "user"), '{"x":3}'],
    ['{"x":0,"user":1,"store":2}', remove("store", "user"), '{"x":0}'],
    ['{"user":1,"store":2}', remove("store", "user"), "{}"],
    [
      '{"user":1}',
      [...remove("user"), { field: "store", action: "set", value: Buffer.from("false") }],
      '{"store":false}',
    ],
  ];
  for (const [body, all, sent] of cases) {
    for (const size of [1, 2, 1000]) {
      assert.equal(Buffer.concat(spliced(scanned(body, [size]), all).chunks).toString(), sent, body);
    }
  }
});
