import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, sha256Hex } from "../../routing/canonical.ts";

test("keys are sorted at every depth, undefined is left out, lists keep their order", () => {
  assert.equal(
    canonicalJson({ b: [2, { d: 1, c: null }], a: undefined, A: "x" }),
    '{"A":"x","b":[2,{"c":null,"d":1}]}',
  );
});

test("any JSON comes back as it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      assert.deepEqual(JSON.parse(canonicalJson(plain)), plain);
    }),
  );
});

test("the order in which members were set does not show", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.integer()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse());
      assert.equal(canonicalJson(turned), canonicalJson(value));
    }),
  );
});

test("sha256Hex is SHA-256 of the UTF-8 bytes", () => {
  // https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values
  assert.equal(sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
