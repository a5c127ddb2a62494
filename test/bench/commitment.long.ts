/** The whole hour of the trace: commitments from nothing to twice manifest 06's, one proxy, three and ten. */
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

const POINTS = 11;
/** Per cent of the cover. Each of ten proxies sees so few requests that it can only guess what the others leave: bench/README.md. */
const MOST_EXCESS = { 1: 0.6, 3: 1, 10: 1.5 } as const;
const PROXIES = [1, 3, 10] as const;
const trace = beginningAtWindow(readTrace(undefined));

for (const proxies of PROXIES) {
  for (let i = 0; i < POINTS; i++) {
    const usdPerHour = (2 * WRITTEN_USD_PER_HOUR * i) / (POINTS - 1);
    test(`${usdPerHour} an hour, ${proxies} proxies`, async () => {
      const point = await measure({ usdPerHour, trace, proxies, burstPercent: 100 });
      assert.ok(overPercent(point) <= (proxies === 10 ? 2.5 : 2), `${overPercent(point)} % over the optimum`);
      assert.ok(excessPercent(point) <= MOST_EXCESS[proxies], `${excessPercent(point)} % above the commitment`);
      if (usdPerHour === WRITTEN_USD_PER_HOUR) assert.ok(belowPercent(point) >= 20, `${belowPercent(point)} % below`);
    });
  }
}
