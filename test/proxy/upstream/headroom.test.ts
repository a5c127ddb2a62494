/** Is what a provider says of its limits understood, and until when? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Headroom } from "../../../proxy/upstream/headroom.ts";

const NOW = 5_000_000;

function headers(limit: "requests" | "tokens", most: string, remaining: string, reset: string): Record<string, string> {
  return {
    [`x-ratelimit-limit-${limit}`]: most,
    [`x-ratelimit-remaining-${limit}`]: remaining,
    [`x-ratelimit-reset-${limit}`]: reset,
  };
}

function after(...answers: readonly Record<string, string>[]): Headroom {
  const headroom = new Headroom();
  for (const [n, answer] of answers.entries()) headroom.told(answer, n + 1, NOW);
  return headroom;
}

test("nothing said, plenty left, or a number that says nothing: everything fits", () => {
  for (const said of [
    {},
    { ...headers("requests", "10000", "9999", "6ms"), ...headers("tokens", "30000000", "29999900", "0s") },
    { ...headers("requests", "-1", "-1", "0"), ...headers("tokens", "-1", "-1", "0") },
    headers("requests", "60", "0", "soon"),
    headers("tokens", "60", "-0", "1s"),
  ]) {
    const headroom = after(said);
    assert.equal(headroom.scarce, false, JSON.stringify(said));
    assert.equal(headroom.fits(1_000_000, NOW), true);
  }
});

test("no request left: OpenAI's limit refills evenly until its reset, Azure's comes back at once", () => {
  const openai = after(headers("requests", "500", "0", "1m0s"));
  assert.equal(openai.scarce, true);
  assert.equal(openai.fits(1, NOW + 119), false);
  assert.equal(openai.fits(1, NOW + 121), true, "one of 500 a minute comes back each 120 ms");
  const azure = after(headers("requests", "500", "0", "10"));
  assert.equal(azure.fits(1, NOW + 9_999), false);
  assert.equal(azure.fits(1, NOW + 10_000), true);
  assert.equal(azure.scarce, false);
});

test("too few tokens for this request, enough for another", () => {
  for (const reset of ["30s", "30"]) {
    const headroom = after(headers("tokens", "100000", "4000", reset));
    assert.equal(headroom.fits(4_000, NOW), true);
    assert.equal(headroom.fits(4_001, NOW), false);
    assert.equal(headroom.fits(100_000, NOW + 30_000), true);
  }
  const openai = after(headers("tokens", "100000", "4000", "30s"));
  assert.equal(openai.fits(52_000, NOW + 14_900), false);
  assert.equal(openai.fits(52_000, NOW + 15_000), true);
});

test("a reset of which no limit is told is waited for whole", () => {
  const headroom = after({ "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s" });
  assert.equal(headroom.fits(1, NOW + 1_999), false);
  assert.equal(headroom.fits(1, NOW + 2_000), true);
});

test("both limits count, and the newest word does", () => {
  const both = after({ ...headers("requests", "60", "0", "1"), ...headers("tokens", "60000", "10", "60") });
  assert.equal(both.fits(100, NOW + 1_000), false);
  assert.equal(both.fits(5, NOW + 1_000), true);
  assert.deepEqual(both.show(NOW + 1_000), { tokens: { remaining: 10, resetInMs: 59_000 } });
  const better = after(headers("tokens", "60000", "10", "60"), headers("tokens", "60000", "59000", "1"));
  assert.equal(better.fits(50_000, NOW), true);
  const late = new Headroom();
  late.told(headers("tokens", "60000", "10", "60"), 7, NOW);
  late.told(headers("tokens", "60000", "60000", "0"), 6, NOW + 5);
  assert.equal(late.fits(50_000, NOW + 5), false, "an earlier attempt's answer came later");
});

test("an answer without these headers says nothing", () => {
  const headroom = after(headers("requests", "60", "0", "30"), {});
  assert.equal(headroom.fits(1, NOW), false);
});

test("a reset that nobody waits for is not believed", () => {
  assert.equal(after(headers("requests", "60", "0", "86400")).fits(1, NOW + 3_600_000), true);
});
