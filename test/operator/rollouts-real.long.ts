/**
 * Does every kind of bad candidate go back, and none that is as good as stable, with real operator, proxies and requests?
 *
 * rollouts-real.test.ts is the short form. Thousands of rollouts in virtual time: test/routing/rollout/seeded.long.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeRoll, type PlannedFault, roll } from "./real-rollout.ts";
import { skip, stages } from "./stages.ts";

const STEPS = [
  { setShadow: 50 },
  { analyze: { duration: "16s" } },
  { setWeight: 20 },
  { pause: { duration: "14s" } },
  { setWeight: 50 },
  { pause: { duration: "8s" } },
  { setWeight: 100 },
];
const ANALYSIS = {
  interval: "2s",
  failureLimit: 2,
  minRequests: 50,
  metrics: [
    { name: "ErrorPercent", max: "1.5" },
    { name: "P95LatencyMilliseconds", maxIncreasePercent: 20 },
    { name: "TruncationPercent", max: "5.0" },
    { name: "SchemaFailurePercent", max: "5.0" },
  ],
};
/** So large a share of all requests may have met a bad candidate. */
const MOST_MET = 0.02;

interface BadCandidate {
  readonly name: string;
  readonly faults: readonly PlannedFault[];
  /** The metric that decides. */
  readonly by: RegExp;
}

const BAD: readonly BadCandidate[] = [
  { name: "has 3 % more errors", faults: [{ fault: "500", probability: 0.03 }], by: /ErrorPercent/ },
  // 40 % of the 100 ms that each answer takes.
  { name: "is 40 % slower", faults: [{ fault: "slow-first-byte;ms=40" }], by: /P95LatencyMilliseconds/ },
  { name: "truncates 12 %", faults: [{ fault: "truncated", probability: 0.12 }], by: /TruncationPercent/ },
  {
    name: "breaks 15 % of tool arguments",
    faults: [{ fault: "broken-arguments", probability: 0.15 }],
    by: /SchemaFailurePercent/,
  },
];

const NOISE: readonly PlannedFault[] = [
  { fault: "500", probability: 0.002 },
  { fault: "truncated", probability: 0.01 },
  { fault: "broken-arguments", probability: 0.01 },
  { fault: "slow-first-byte;ms=60", probability: 0.3 },
];

describe("a rollout with everything real", { skip }, () => {
  const { set } = stages();

  test("of a candidate as good as stable is promoted", async (t) => {
    const told = await roll(t, await set("real-good"), { steps: STEPS, analysis: ANALYSIS });
    t.diagnostic(describeRoll(told));
    assert.equal(told.outcome, "Promoted", describeRoll(told));
    assert.equal(told.failed, 0, describeRoll(told));
  });

  test("of one that is identical but noisy is promoted", async (t) => {
    const told = await roll(t, await set("real-noisy"), { steps: STEPS, analysis: ANALYSIS, noise: NOISE });
    t.diagnostic(describeRoll(told));
    assert.equal(told.outcome, "Promoted", describeRoll(told));
  });

  for (const [n, { name, faults, by }] of BAD.entries()) {
    test(`of one that ${name} goes back, met by fewer than 2 % of the requests`, async (t) => {
      const told = await roll(t, await set(`real-bad-${n}`), { steps: STEPS, analysis: ANALYSIS, faults });
      t.diagnostic(describeRoll(told));
      assert.equal(told.outcome, "RolledBack", describeRoll(told));
      assert.match(told.message, by);
      assert.ok(told.met < MOST_MET * told.requests, describeRoll(told));
      assert.equal(told.failed, 0, "stable answers meanwhile");
    });
  }

  test("of one that fails every second request goes back from 1 % of live traffic, and no caller notices", async (t) => {
    const steps = [{ setWeight: 1 }, { pause: { duration: "1m" } }, { setWeight: 100 }];
    const analysis = { ...ANALYSIS, failureLimit: 1, minRequests: 10 };
    const faults = [{ fault: "500", probability: 0.5 }];
    const told = await roll(t, await set("real-live"), { steps, analysis, faults });
    t.diagnostic(describeRoll(told));
    assert.equal(told.outcome, "RolledBack", describeRoll(told));
    assert.ok(told.met > 0 && told.met < MOST_MET * told.requests, describeRoll(told));
    assert.equal(told.failed, 0, "stable answers meanwhile");
  });
});
