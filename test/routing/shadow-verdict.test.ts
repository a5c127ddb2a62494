/** Does a verdict on a shadow wait for enough comparisons, and leave out what differs anyway? */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { describeShadow, judgeShadow, wilson } from "../../routing/shadow-verdict.ts";

const counts = (compared: number, different: number, noiseCompared = 0, noiseDifferent = 0) => {
  return { compared, different, noiseCompared, noiseDifferent };
};

test("few comparisons are inconclusive, however they came out", () => {
  assert.equal(judgeShadow(counts(0, 0)).verdict, "Inconclusive");
  assert.equal(judgeShadow(counts(49, 49)).verdict, "Inconclusive");
  assert.equal(judgeShadow(counts(49, 0)).verdict, "Inconclusive");
});

test("many are not", () => {
  assert.equal(judgeShadow(counts(50, 20)).verdict, "Different");
  assert.equal(judgeShadow(counts(200, 2)).verdict, "Alike");
  assert.equal(judgeShadow(counts(200, 10)).verdict, "Inconclusive");
});

test("noise takes back what it explains, and no more", () => {
  assert.equal(judgeShadow(counts(1_000, 300)).verdict, "Different");
  assert.notEqual(judgeShadow(counts(1_000, 300, 100, 30)).verdict, "Different");
  assert.equal(judgeShadow(counts(5_000, 1_500, 5_000, 1_500)).verdict, "Alike");
  assert.equal(judgeShadow(counts(1_000, 500, 500, 100)).verdict, "Different");
  assert.equal(judgeShadow(counts(1_000, 300, 3, 0)).verdict, "Inconclusive", "three words of noise say little");
});

test("the bounds hold the share between them", () => {
  fc.assert(
    fc.property(fc.nat(5_000), fc.nat(5_000), fc.nat(5_000), fc.nat(5_000), (a, b, c, d) => {
      const { disagreement, lower, upper } = judgeShadow(counts(a + b, a, c + d, c));
      assert.ok(lower <= disagreement + 1e-12 && disagreement <= upper + 1e-12);
      assert.ok(lower >= 0 && upper <= 1 + 1e-12);
    }),
  );
});

test("Wilson's interval, as the textbook has it", () => {
  const { lower, upper } = wilson(10, 100);
  assert.ok(Math.abs(lower - 0.0552) < 5e-4 && Math.abs(upper - 0.1744) < 5e-4, `${lower} ${upper}`);
});

test("95 % bounds miss the truth about as often as they say", () => {
  let seed = 11;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const hits = (n: number, p: number) => Array.from({ length: n }, random).filter((x) => x < p).length;
  let missed = 0;
  for (let run = 0; run < 1_000; run++) {
    const { lower, upper } = judgeShadow(counts(300, hits(300, 0.3), 200, hits(200, 0.2)));
    if (lower > 0.1 || upper < 0.1) missed++;
  }
  assert.ok(missed >= 20 && missed <= 80, String(missed));
});

test("the sentence names numbers and what is missing", () => {
  assert.match(describeShadow(counts(0, 0)), /Nothing has been compared/);
  assert.match(describeShadow(counts(100, 40)), /40 % of 100 .*noisePercent.*more than 5 %/);
  assert.match(describeShadow(counts(10, 1, 5, 1)), /too few/);
});
