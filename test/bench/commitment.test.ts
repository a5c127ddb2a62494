/**
 * Is the bill with a commitment near the best, and the commitment not exceeded? Six minutes of the trace, in virtual time.
 *
 * In the first of them nothing is learned yet: of the whole hour a sixth as much is exceeded (commitment.long.ts).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  belowPercent,
  excessPercent,
  measure,
  overPercent,
  WRITTEN_USD_PER_HOUR,
} from "../../bench/commitment/study.ts";
import { beginningAtWindow, readTrace } from "../../bench/commitment/trace.ts";

const MINUTES = 6;
const whole = beginningAtWindow(readTrace(undefined));
const end = (whole[0]?.at ?? 0) + MINUTES * 60_000;
const trace = whole.filter(({ at }) => at < end);

test("manifest 06 as written: 20 % below list, near the optimum, not exceeded", async () => {
  const point = await measure({ usdPerHour: WRITTEN_USD_PER_HOUR, trace, proxies: 1, burstPercent: 100 });
  assert.ok(belowPercent(point) >= 20, `${belowPercent(point)} % below list`);
  assert.ok(overPercent(point) <= 2, `${overPercent(point)} % over the optimum`);
  assert.ok(excessPercent(point) <= 0.5, `${excessPercent(point)} % above the commitment`);
});

for (const usdPerHour of [24, 96]) {
  test(`a commitment of ${usdPerHour} an hour: near the optimum, not exceeded`, async () => {
    const point = await measure({ usdPerHour, trace, proxies: 1, burstPercent: 100 });
    assert.ok(overPercent(point) <= 2, `${overPercent(point)} % over the optimum`);
    assert.ok(excessPercent(point) <= 1.5, `${excessPercent(point)} % above the commitment`);
  });
}

test("three proxies, and a burst that is cheaper: near the optimum, hardly exceeded", async () => {
  const point = await measure({ usdPerHour: WRITTEN_USD_PER_HOUR, trace, proxies: 3, burstPercent: 80 });
  assert.ok(overPercent(point) <= 2, `${overPercent(point)} % over the optimum`);
  assert.ok(excessPercent(point) <= 1, `${excessPercent(point)} % above the commitment`);
});
