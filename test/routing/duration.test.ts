import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, milliseconds, parseDuration } from "../../routing/duration.ts";

test("reads durations as Gateway API writes them", () => {
  assert.equal(parseDuration("10s"), 10_000);
  assert.equal(parseDuration("1h30m"), 5_400_000);
  assert.equal(parseDuration("250ms"), 250);
  assert.equal(parseDuration("1s500ms"), 1500);
  assert.equal(parseDuration("0s"), 0);
  assert.equal(milliseconds("1m"), 60_000);
});

test("refuses what is not one", () => {
  for (const text of [
    "",
    "10",
    "s",
    "1.5s",
    "-1s",
    "1d",
    "100000s",
    "1h1m1s1ms1h",
    " 1s",
    "1s\n",
    10,
    null,
    undefined,
  ]) {
    assert.equal(parseDuration(text), undefined, JSON.stringify(text));
  }
  assert.throws(() => milliseconds("soon"), RangeError);
});

test("what it writes, it reads back", () => {
  assert.equal(formatDuration(90_000), "1m30s");
  assert.equal(formatDuration(0), "0s");
  fc.assert(fc.property(fc.integer({ min: 0, max: 86_400_000 }), (ms) => parseDuration(formatDuration(ms)) === ms));
});
