/** Do a good and a bad candidate end as they should with real operator, proxies and requests? More: rollouts-real.long.ts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeRoll, roll } from "./real-rollout.ts";
import { skip, stages } from "./stages.ts";

const STEPS = [
  { setShadow: 50 },
  // Ten windows, of which one has to pass: on a busy machine copies are left out, and a window of two seconds may find too few.
  { analyze: { duration: "20s" } },
  { setWeight: 50 },
  { pause: { duration: "4s" } },
  { setWeight: 100 },
];
const ANALYSIS = {
  interval: "2s",
  failureLimit: 1,
  minRequests: 30,
  metrics: [
    { name: "ErrorPercent", max: "2.0" },
    { name: "SchemaFailurePercent", max: "5.0" },
  ],
};

describe("a rollout with everything real", { skip }, () => {
  const { set } = stages();

  test("of a good candidate is promoted", async (t) => {
    const told = await roll(t, await set("real-good"), { steps: STEPS, analysis: ANALYSIS });
    t.diagnostic(describeRoll(told));
    assert.equal(told.outcome, "Promoted", describeRoll(told));
    assert.equal(told.failed, 0, describeRoll(told));
    assert.ok(told.copies > 0, "it was judged by copies first");
  });

  test("of one that breaks tool arguments goes back before a caller meets it", async (t) => {
    const faults = [{ fault: "broken-arguments", probability: 0.3 }];
    const told = await roll(t, await set("real-bad"), { steps: STEPS, analysis: ANALYSIS, faults });
    t.diagnostic(describeRoll(told));
    assert.equal(told.outcome, "RolledBack", describeRoll(told));
    assert.match(told.message, /SchemaFailurePercent/);
    assert.ok(told.met < 0.02 * told.requests, describeRoll(told));
    assert.equal(told.failed, 0, describeRoll(told));
  });
});
