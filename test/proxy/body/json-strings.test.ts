/** The strings at a path are exactly those that a parsed value has there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { edited } from "../../../proxy/body/edits.ts";
import { jsonPaths, stringsAt } from "../../../proxy/body/json-strings.ts";
import { textOf } from "../../../proxy/body/json-values.ts";

const PATHS = ["id", "data.*.id", "input.*.content.*.file_id", "tools.*.container", "a.b", "*.id"];
/** No key ends in an escape: V8 14.6 may read such a key wrongly. */
const key = fc.constantFrom("id", "data", "input", "content", "file_id", "tools", "container", "a", "b", 'q"x', "é");
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom("file-1", "", 'a"b', "\\", "ünï", "{", "]", "id"),
    fc.integer(),
    fc.constantFrom(true, false, null),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(key, tie("any"), { maxKeys: 5 }),
  ),
})).any;

/** In the order in which they are written. */
function expected(at: unknown, paths: readonly (readonly string[])[]): string[] {
  const ends = paths.some((path) => path.length === 0);
  if (typeof at === "string") return ends ? [at] : [];
  if (Array.isArray(at)) {
    const below = paths.filter(([step]) => step === "*").map((path) => path.slice(1));
    return below.length === 0 ? [] : at.flatMap((item) => expected(item, below));
  }
  if (typeof at !== "object" || at === null) return [];
  return Object.entries(at).flatMap(([name, item]) => {
    const named = paths.filter(([step]) => step === name);
    const below = (named.length > 0 ? named : paths.filter(([step]) => step === "*")).map((path) => path.slice(1));
    return below.length === 0 ? [] : expected(item, below);
  });
}

test("finds what stands at the paths, however it is written", () => {
  const compiled = jsonPaths(PATHS);
  const split = PATHS.map((path) => path.split("."));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1, "\t"), (body, space) => {
      const bytes = Buffer.from(JSON.stringify(body, null, space));
      const found = stringsAt(bytes, compiled)?.map(({ start, end }) => textOf(bytes.toString("utf8", start, end)));
      assert.deepEqual(found, expected(body, split));
    }),
    { numRuns: 2000 },
  );
});

test("a key in another spelling, or twice, hides nothing", () => {
  const text = '{"\\u0069d":"one","id":"two","data":[{"i\\u0064":"three"}],"data":[{"id":"four"}]}';
  const bytes = Buffer.from(text);
  const found = stringsAt(bytes, jsonPaths(PATHS)) ?? [];
  assert.deepEqual(
    found.map(({ start, end }) => bytes.toString("utf8", start, end)),
    ["one", "two", "three", "four"],
  );
});

test("what is not whole is refused and not read wrongly", () => {
  const whole = '{"data":[{"id":"x"},{"id":"y"}],"a":{"b":"z"}}';
  for (let end = 0; end < whole.length; end++) {
    assert.equal(stringsAt(Buffer.from(whole.slice(0, end)), jsonPaths(PATHS)), undefined, whole.slice(0, end));
  }
  for (const text of ['{"id" "x"}', '{"id":}', '{"data":[1 2]}', "{id:1}", '{"a":]}']) {
    assert.equal(stringsAt(Buffer.from(text), jsonPaths(PATHS)), undefined, text);
  }
});

test("several edits change their places and nothing else, whatever the chunks", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }),
      fc.array(fc.tuple(fc.nat(80), fc.nat(10), fc.string({ maxLength: 8 })), { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 }),
      (text, wanted, sizes) => {
        const bytes = Buffer.from(text);
        const edits: { start: number; end: number; replacement: Buffer }[] = [];
        let free = 0;
        for (const [gap, length, replacement] of wanted) {
          const start = free + (gap % 7);
          if (start + length > bytes.length) break;
          edits.push({ start, end: start + length, replacement: Buffer.from(replacement) });
          free = start + length;
        }
        let plain = bytes;
        for (const { start, end, replacement } of [...edits].reverse()) {
          plain = Buffer.concat([plain.subarray(0, start), replacement, plain.subarray(end)]);
        }
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] as number;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const payload = edited(chunks, edits);
        const sent = Buffer.concat(payload.chunks);
        assert.equal(payload.length, sent.length);
        // Two edits at one place come in the order in which they were given, which reversing keeps.
        assert.equal(sent.toString("latin1"), (chunks.length === 0 ? Buffer.alloc(0) : plain).toString("latin1"));
      },
    ),
    { numRuns: 2000 },
  );
});
