/** What does an answer cost, to the nano-dollar? */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Consumed, costOf, ratesOf } from "../../routing/cost.ts";
import type { Price } from "../../routing/table.ts";

const GPT_4O: Price = { input: "2.50", cachedInput: "1.25", output: "10.00" };

function cost(price: Price, consumed: Consumed | undefined) {
  return costOf(ratesOf(price), consumed);
}

const text = (input: number, output: number, cachedInput = 0): Consumed => ({ input, cachedInput, output });

test("text: what was cached costs less, and the kinds add up", () => {
  assert.deepEqual(cost(GPT_4O, text(1000, 200, 400)), {
    total: 600 * 2500 + 400 * 1250 + 200 * 10_000,
    kinds: { input: 600 * 2500, cached_input: 400 * 1250, output: 200 * 10_000 },
  });
});

test("without a price of its own, what was cached costs as input", () => {
  assert.equal(cost({ input: "2", output: "8" }, text(1000, 0, 1000))?.total, 1000 * 2000);
});

test("above a step the whole request costs more, and what the step leaves out costs as below it", () => {
  const price: Price = {
    input: "1",
    cachedInput: "0.1",
    output: "5",
    steps: [
      { aboveContextTokens: 1000, input: "2" },
      { aboveContextTokens: 2000, output: "7" },
    ],
  };
  const totals = [1000, 1001, 2001].map((input) => cost(price, text(input, 10, 100))?.total);
  assert.deepEqual(totals, [
    900 * 1000 + 100 * 100 + 10 * 5000,
    901 * 2000 + 100 * 100 + 10 * 5000,
    1901 * 2000 + 100 * 100 + 10 * 7000,
  ]);
});

test("sound is apart from text; without a price for it nothing is known", () => {
  const heard = { ...text(100, 50), audioInput: 80, audioOutput: 40 };
  const price = { ...GPT_4O, audioInput: "40", audioOutput: "80" };
  assert.deepEqual(cost(price, heard)?.kinds, {
    input: 20 * 2500,
    output: 10 * 10_000,
    audio_input: 80 * 40_000,
    audio_output: 40 * 80_000,
  });
  assert.equal(cost(GPT_4O, heard), undefined);
});

test("pictures that a model looks at are text, unless they have a price", () => {
  const seen = { ...text(100, 0), imageInput: 60 };
  assert.deepEqual(cost(GPT_4O, seen)?.kinds, { input: 100 * 2500 });
  assert.deepEqual(cost({ ...GPT_4O, imageInput: "8" }, seen)?.kinds, { input: 40 * 2500, image_input: 60 * 8000 });
});

test("pictures, seconds and letters have prices of their own", () => {
  assert.equal(cost({ perImage: "0.04" }, { ...text(0, 0), images: 3 })?.total, 120_000_000);
  assert.equal(cost({ perMinute: "0.006" }, { ...text(0, 0), seconds: 90 })?.total, 9_000_000);
  assert.equal(cost({ perMillionCharacters: "15" }, { ...text(0, 0), characters: 11 })?.total, 165_000);
});

test("nothing unpriced is free: tokens without a price, an answer that tells nothing", () => {
  assert.equal(cost({ input: "1" }, text(10, 10)), undefined);
  assert.equal(cost({ output: "1" }, text(10, 10)), undefined);
  assert.equal(cost(GPT_4O, undefined), undefined);
  assert.equal(cost(GPT_4O, { ...text(0, 0), images: 2 }), undefined);
  assert.equal(cost(GPT_4O, { ...text(0, 0), seconds: 3 }), undefined);
});

test("what has no price needs none where none of it was used", () => {
  assert.equal(cost({ input: "0.02" }, text(10, 0))?.total, 200);
});

test("a model that is free is free, also when nobody tells what it used", () => {
  assert.deepEqual(cost({ input: "0", output: "0.00" }, undefined), { total: 0, kinds: {} });
  assert.equal(cost({ input: "0" }, text(7, 0))?.total, 0);
});

/** Nano-dollars per million tokens, exactly. */
function nanoPerMillion(decimal: string): bigint {
  const [whole = "0", rest = ""] = decimal.split(".");
  return BigInt(whole + rest.padEnd(9, "0"));
}

test("each kind is exact to the nano-dollar, whatever the price and the count", () => {
  const decimal = fc
    .tuple(fc.nat(999), fc.nat(999_999_999))
    .map(([whole, rest]) => `${whole}.${String(rest).padStart(9, "0")}`);
  fc.assert(
    fc.property(decimal, fc.integer({ min: 1, max: 10_000_000 }), (input, tokens) => {
      const exact = BigInt(tokens) * nanoPerMillion(input);
      const told = BigInt(cost({ input }, text(tokens, 0))?.total ?? -1);
      const off = told * 1_000_000n - exact;
      assert.ok(off >= -500_001n && off <= 500_001n, `${tokens} at ${input}: ${told}`);
    }),
  );
});
