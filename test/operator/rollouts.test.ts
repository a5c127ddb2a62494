/** Do rollouts go on, back, and on again in a cluster, whatever is killed meanwhile? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { waitFor } from "../cli/tandem.ts";
import { route } from "./harness.ts";
import {
  annotate,
  BAD,
  GOOD,
  IN_TIME,
  memoryOf,
  type Rates,
  rollout,
  Traffic,
  untilRollout,
  weightsOf,
} from "./rollout-stage.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

describe("a rollout in a cluster", { skip, concurrency: true }, () => {
  const { set } = stages();

  async function running(name: string, candidate: Rates, proxies = 2) {
    const stage = await set(name);
    const played = await playProxies(stage, proxies);
    const traffic = new Traffic(stage, played, candidate);
    const operator = await stage.startOperator();
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    return { stage, operator, played, traffic };
  }

  test("of a good candidate is judged, waits, and is promoted; the spec stays as written", async (t) => {
    const { stage, operator, traffic } = await running("good", GOOD);
    t.after(() => traffic.stop());
    const steps = [
      { setWeight: 5 },
      { pause: { duration: "3s" } },
      { setWeight: 25 },
      { pause: {} },
      { setWeight: 100 },
    ];
    const { spec } = await stage.put(rollout(steps));
    await untilRollout(stage, "5 %", ({ weight, phase }) => weight === 5 && phase === "Running");
    assert.equal(await weightsOf(stage), "openai 95%, other 5%");
    const waits = await untilRollout(stage, "a wait at 25 %", ({ phase }) => phase === "Waiting");
    assert.deepEqual([waits.step, waits.stepIndex, waits.weight], ["4/5", 3, 25]);
    assert.equal((await stage.condition("AIRoute", "gpt-4o", "Progressing"))?.reason, "WaitingForPromotion");
    assert.equal(
      (await stage.condition("AIRoute", "gpt-4o", "Ready"))?.status,
      "True",
      "a rollout does not make it unready",
    );
    await waitFor("metrics", IN_TIME, async () => {
      const key = `tandem_rollout_weight{route="${stage.namespace}/gpt-4o",backend="other"}`;
      return (await operator.metrics()).get(key) === 25;
    });
    await annotate(stage, "3");
    const { weight } = await untilRollout(stage, "promoted", ({ outcome }) => outcome === "Promoted");
    assert.equal(weight, 100);
    await stage.until("AIRoute", "gpt-4o", "Promoted", "True");
    await waitFor("weights", IN_TIME, async () => (await weightsOf(stage)) === "openai 0%, other 100%");
    for (const reason of ["RolloutStarted", "WeightAdvanced", "AnalysisPassed", "RolloutPaused", "RolloutPromoted"]) {
      await stage.untilEvent(reason, "gpt-4o");
    }
    assert.deepEqual((await stage.get("AIRoute", "gpt-4o")).spec, spec);
  });

  test("of a bad candidate goes back, with the numbers that decided", async (t) => {
    const { stage, traffic } = await running("bad", BAD);
    t.after(() => traffic.stop());
    await stage.put(
      rollout([{ setShadow: 20 }, { analyze: { duration: "1m" } }, { setWeight: 50 }, { setWeight: 100 }]),
    );
    const { stepIndex, weight, message } = await untilRollout(stage, "back", ({ outcome }) => outcome === "RolledBack");
    assert.deepEqual([stepIndex, weight], [1, 0], "no request ever met it");
    assert.match(message, /2 windows failed, the last by ErrorPercent.*openai has all traffic/);
    assert.equal((await stage.until("AIRoute", "gpt-4o", "Progressing", "False")).reason, "RolledBack");
    assert.match((await stage.untilEvent("AnalysisFailed", "gpt-4o")).note, /ErrorPercent/);
    assert.equal((await stage.untilEvent("RolloutRolledBack", "gpt-4o")).type, "Warning");
    assert.equal(await weightsOf(stage), "openai 100%, other 0%");
  });

  test("begins no window before every serving proxy runs the weights", async (t) => {
    const { stage, played, traffic } = await running("lagging", BAD);
    t.after(() => traffic.stop());
    await played[1]?.hold();
    await stage.put(rollout([{ setWeight: 50 }, { pause: { duration: "1m" } }, { setWeight: 100 }]));
    await untilRollout(stage, "given out", ({ weight, phase }) => weight === 50 && phase === "Spreading");
    await stage.quiet(3_000);
    const still = await memoryOf(stage);
    assert.deepEqual([still?.phase, still?.failedWindows, still?.windowSince], ["Spreading", 0, undefined]);
    played[1]?.follow();
    await untilRollout(stage, "back", ({ outcome }) => outcome === "RolledBack");
  });

  test("goes on where it was: operator killed, route made anew, status lost", async (t) => {
    const { stage, operator, traffic } = await running("killed", GOOD);
    t.after(() => traffic.stop());
    const steps = [
      { setWeight: 10 },
      { pause: {} },
      { setWeight: 40 },
      { pause: { duration: "4s" } },
      { setWeight: 60 },
      { pause: {} },
    ];
    await stage.put(rollout(steps));
    await untilRollout(stage, "the first wait", ({ phase }) => phase === "Waiting");
    await operator.kill();
    await annotate(stage, "1");
    const second = await stage.startOperator("operator-1");
    await untilRollout(stage, "40 %", ({ weight, phase }) => weight === 40 && phase === "Running");
    assert.equal(await second.stop(), 0);
    await stage.startOperator("operator-2");
    const { startedAt } = await untilRollout(
      stage,
      "the last wait",
      ({ phase, weight }) => phase === "Waiting" && weight === 60,
    );
    await stage.removeObject("AIRoute", "gpt-4o");
    await waitFor(
      "it is gone",
      IN_TIME,
      async () =>
        (await stage.get("AIRoute", "gpt-4o")).metadata.name === undefined ||
        (await stage.condition("AIRoute", "gpt-4o", "Ready")) === undefined,
    );
    await stage.put(rollout(steps));
    const again = await untilRollout(stage, "where it was", () => true);
    assert.deepEqual([again.weight, again.phase, again.startedAt], [60, "Waiting", startedAt]);
  });

  test("is paused, aborted and tried again by its state", async (t) => {
    const { stage, traffic } = await running("states", GOOD);
    t.after(() => traffic.stop());
    const steps = [{ setWeight: 10 }, { pause: { duration: "2s" } }, { setWeight: 100 }];
    await stage.put(rollout(steps, { state: "Pause" }));
    await untilRollout(stage, "held", ({ phase, weight }) => phase === "Held" && weight === 0);
    await stage.put(rollout(steps, { state: "Abort" }));
    await untilRollout(stage, "aborted", ({ outcome }) => outcome === "Aborted");
    await stage.put(rollout(steps));
    await untilRollout(stage, "promoted", ({ outcome }) => outcome === "Promoted");
    await stage.put(route("gpt-4o", { openai: 1, other: 1 }));
    await waitFor("forgotten", IN_TIME, async () => (await memoryOf(stage)) === undefined);
    await stage.put(rollout(steps));
    await untilRollout(stage, "begun again", ({ outcome }) => outcome === undefined);
  });
});
