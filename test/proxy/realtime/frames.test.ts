/** Is what is looked at in a frame read as a JSON parser reads it, and is nothing else touched? */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { typeOf } from "../../../proxy/realtime/frames.ts";
import { JsonProblem, placeAt, setting, withEdits } from "../../../proxy/realtime/json-places.ts";
import { keyFrom, signerOf } from "../../../proxy/realtime/sealing.ts";
import { Redacted } from "../../../routing/secrets.ts";

test("an event's type is found wherever it stands, and only at the top", () => {
  for (const [frame, type] of [
    ['{"type":"a.b"}', "a.b"],
    [' {\n"type" : "a" , "x":1}', "a"],
    ['{"event_id":"e","type":"a"}', "a"],
    ['{"session":{"type":"realtime"},"type":"session.created"}', "session.created"],
    [`{"delta":"${"A".repeat(5000)}","type":"late"}`, "late"],
    ['{"\\u0074ype":"escaped"}', "escaped"],
    ['{"session":{"type":"inner"}}', undefined],
    ['{"type":1}', undefined],
    ['["type","a"]', undefined],
    ["", undefined],
    ['{"type":', undefined],
  ] as const) {
    assert.equal(typeOf(Buffer.from(frame)), type, frame);
  }
});

const name = fc.constantFrom("session", "model", "audio", "x", 'é"\\z');
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.string(),
    fc.integer(),
    fc.constantFrom(null, true, false),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 4 }),
  ),
}));

test("a place found and set anew is what a parser would have changed", () => {
  const path = fc.array(name, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.dictionary(name, value), path, fc.constantFrom(undefined, 1), (object, names, indent) => {
      const json = Buffer.from(JSON.stringify(object, undefined, indent));
      let at: unknown = object;
      for (const one of names) {
        const isObject = typeof at === "object" && at !== null && !Array.isArray(at);
        at = isObject && Object.hasOwn(at as object, one) ? (at as Record<string, unknown>)[one] : undefined;
      }
      const place = placeAt(json, names);
      assert.equal(place !== undefined, at !== undefined);
      if (!place) return;
      assert.deepEqual(JSON.parse(json.toString("utf8", place.start, place.end)), JSON.parse(JSON.stringify(at)));
      const changed = withEdits(json, [setting(place, "new")]);
      const before = json.subarray(0, place.start);
      const after = json.subarray(place.end);
      assert.deepEqual(changed, Buffer.concat([before, Buffer.from('"new"'), after]));
    }),
    { numRuns: 500 },
  );
});

test("a name that stands twice on the way is no place", () => {
  for (const json of ['{"a":{"b":1},"a":{"b":2}}', '{"a":{"b":1,"\\u0062":2}}']) {
    assert.throws(() => placeAt(Buffer.from(json), ["a", "b"]), JsonProblem);
  }
  assert.throws(() => placeAt(Buffer.from('{"a":{"b":1}'), ["a", "b"]), JsonProblem);
});

test("what is sealed opens with any of the keys, and not when one bit was changed", () => {
  const [old, now, foreign] = ["old", "now", "foreign"].map((text) => keyFrom(new Redacted(text), "test")) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const payload = randomBytes(100);
  const sealed = signerOf([old]).seal(payload);
  assert.match(sealed, /^[\w-]+$/);
  assert.deepEqual(signerOf([now, old]).open(sealed), payload);
  assert.equal(signerOf([foreign, now]).open(sealed), undefined);
  assert.notEqual(signerOf([old]).seal(payload), sealed);
  const bytes = Buffer.from(sealed, "base64url");
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i] = (changed[i] as number) ^ 1;
    assert.equal(signerOf([old]).open(changed.toString("base64url")), undefined, `byte ${i}`);
  }
  for (const text of ["", "x", sealed.slice(1), `${sealed}AAAA`, `${sealed}.`, "A".repeat(10_000)]) {
    assert.equal(signerOf([old]).open(text), undefined);
  }
});
