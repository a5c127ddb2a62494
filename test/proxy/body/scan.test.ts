/**
 * The byte scan must see exactly the fields that were written, however the body is cut into chunks.
 *
 * Texts are compared, never what JSON.parse makes of them: V8 14.6 reads a key that ends in a simple escape (`"\n"`) as
 * the key that it saw in that place before without it (`"n"`).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BodyScan } from "../../../proxy/body/scan.ts";
import { scalarOf, withModel } from "../../../proxy/body/splice.ts";
import { watchedKeys } from "../../../proxy/body/watched-keys.ts";

const READ = new Set(["model", "stream", "user"]);

/** Texts full of what a scan trips over. */
const trickyText = fc
  .array(fc.constantFrom('"', "\\", "a", "é", "\n", "{", "}", "[", "]", ",", ":", "😀", "model", " "), {
    maxLength: 200,
  })
  .map((parts) => parts.join(""));
const key = fc.oneof(fc.constantFrom("model", "stream", "user", "messages", "mo\\del"), trickyText);
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    trickyText,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(true, false, null),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(trickyText, tie("any"), { maxKeys: 4 }),
  ),
})).any;
const object = fc.dictionary(key, value, { maxKeys: 7 });
const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 12 });

/** The text of a top-level field's value in a body that `JSON.stringify` wrote with `space`. */
function writtenAtTop(value: unknown, space: string | number | undefined): string {
  const indent = typeof space === "number" ? " ".repeat(space) : (space ?? "");
  return JSON.stringify(value, null, space).replaceAll("\n", `\n${indent}`);
}

function scanned(bytes: Buffer, sizes: readonly number[], passFrom = Number.POSITIVE_INFINITY): BodyScan {
  const scan = new BodyScan(READ);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] as number;
    const chunk = bytes.subarray(at, at + size);
    if (n > passFrom) scan.pass(chunk);
    else scan.push(chunk);
    at += size;
  }
  return scan;
}

test("finds the fields that were written, with the same values", () => {
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 2, "\t"), cuts, (body, space, sizes) => {
      const bytes = Buffer.from(JSON.stringify(body, null, space));
      const scan = scanned(bytes, sizes);
      assert.equal(scan.problem, undefined);
      assert.equal(scan.complete, true);
      for (const name of READ) {
        const field = scan.fields.get(name);
        assert.equal(field !== undefined, Object.hasOwn(body, name), name);
        if (!field) continue;
        assert.equal(bytes.subarray(field.start, field.end).toString(), writtenAtTop(body[name], space));
        assert.ok(scan.slice(field.start, field.end).equals(bytes.subarray(field.start, field.end)));
      }
    }),
    { numRuns: 3000 },
  );
});

test("a spliced model changes the model and nothing else", () => {
  fc.assert(
    fc.property(object, cuts, (body, sizes) => {
      const bytes = Buffer.from(JSON.stringify(body));
      const payload = withModel(scanned(bytes, sizes), Buffer.from('"my-deployment"'));
      const sent = Buffer.concat(payload.chunks);
      assert.equal(sent.length, payload.length);
      const expected = Object.hasOwn(body, "model")
        ? { ...body, model: "my-deployment" }
        : { model: "my-deployment", ...body };
      assert.equal(sent.toString(), JSON.stringify(expected));
    }),
    { numRuns: 2000 },
  );
});

test("a body that is cut short is never complete", () => {
  fc.assert(
    fc.property(object, fc.nat(), cuts, (body, cut, sizes) => {
      const bytes = Buffer.from(JSON.stringify(body));
      assert.equal(scanned(bytes.subarray(0, cut % bytes.length), sizes).complete, false);
    }),
  );
});

test("a field that is read and stands twice is seen, escaped spellings included", () => {
  const twice = [
    '{"model":"a","model":"b"}',
    '{"model":"a","m\\u006fdel":"b"}',
    '{"\\u006dodel":1,"x":{"model":2},"model":3}',
  ];
  for (const text of twice) {
    for (const size of [1, 3, 1000]) {
      assert.deepEqual(scanned(Buffer.from(text), [size]).problem, { code: "duplicate_field", field: "model" }, text);
    }
  }
  const once = '{"x":{"model":1,"model":2},"model":"a","y":"\\"model\\":1","temperature":1,"temperature":2}';
  assert.equal(scanned(Buffer.from(once), [5]).problem, undefined);
});

test("a second model is seen in what is passed on without being kept", () => {
  const text = Buffer.from(`{"model":"a","messages":["${"x".repeat(5000)}"],"mo\\u0064el":"b"}`);
  for (const size of [1, 7, 400]) {
    assert.deepEqual(scanned(text, [size], 20).problem, { code: "duplicate_field", field: "model" });
  }
});

test("what is not one JSON object is refused", () => {
  for (const text of [
    "[]",
    '"a"',
    "nul",
    "{,}",
    '{"a" 1}',
    '{"a":1,}',
    '{"a":1}}',
    "{a:1}",
    '{"a":}',
    '{"a":1 2}',
    "\u0000{}",
  ]) {
    assert.equal(scanned(Buffer.from(text), [2]).problem?.code, "invalid_json", text);
  }
});

test("a byte order mark is not part of the body", () => {
  const scan = scanned(Buffer.from('\ufeff{"model":"a"}'), [100]);
  assert.equal(scan.complete, true);
  assert.equal(Buffer.concat(scan.chunks).toString(), '{"model":"a"}');
});

test("values that are nested or too long are not read", () => {
  const scan = scanned(Buffer.from(`{"model":{"a":1},"user":"${"x".repeat(100)}"}`), [9]);
  assert.equal(scalarOf(scan, scan.fields.get("model"), 1000), undefined);
  assert.equal(scalarOf(scan, scan.fields.get("user"), 50), undefined);
  assert.equal(scalarOf(scan, scan.fields.get("user"), 200), "x".repeat(100));
});

test("a watched key is noticed at any depth, in any spelling and however it is cut, and texts are not keys", () => {
  const watched = watchedKeys(["file_id", "container"]);
  const mentions = (text: string, size: number) => {
    const scan = new BodyScan(READ, watched);
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) scan.push(bytes.subarray(at, at + size));
    return scan.mentions;
  };
  const naming = [
    '{"messages":[{"content":[{"file":{"file_id":"x"}}]}]}',
    '{"messages":[{"file_id" : "x"}]}',
    '{"a":{"f\\u0069le_id":1}}',
    '{"container":"x"}',
    '{"a":[{"file\\u005fid"\n:1}]}',
  ];
  for (const text of naming)
    for (const size of [1, 2, 3, 5, 7, 1000]) assert.ok(mentions(text, size), `${size} ${text}`);
  const others = [
    '{"messages":[{"content":"file_id: \\"file_id\\": x"}],"user":"container"}',
    '{"a":["file_id","container"],"b":{"content":"file_id","xfile_id":1,"file_idx":2}}',
  ];
  for (const text of others) assert.equal(mentions(text, 1000), false, text);
});

test("a key that says something below the top alone is not noticed at the top", () => {
  const watched = watchedKeys(["audio", "container"], ["container"]);
  const mentions = (text: string) => {
    const scan = new BodyScan(READ, watched);
    scan.push(Buffer.from(text));
    return scan.mentions;
  };
  for (const text of ['{"audio":{"voice":"x"}}', '{"aud\\u0069o":{}}', '{"a":{"description":"audio","items":1}}']) {
    assert.equal(mentions(text), false, text);
  }
  for (const text of [
    '{"container":"x"}',
    '{"a":[{"audio":{"id":"x"}}]}',
    '{"a":[{"aud\\u0069o":{}}]}',
    '{"a":{"\\u0061\\u0075\\u0064\\u0069\\u006f":{}}}',
  ]) {
    assert.ok(mentions(text), text);
  }
});
