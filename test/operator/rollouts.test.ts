/** Do rollouts go on, back, and on again in a cluster, whatever is killed meanwhile? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../cli/tandem.ts";
import { route } from "./harness.ts";
import {
  ANALYSIS,
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

// Two API servers: the first has another schema.
describe("rollouts", { skip, concurrency: true }, () => {
  describe("a rollout whose spec is broken", { skip }, () => {
    const { set, server } = stages();

    test("goes back all the same when its candidate fails, after a restart of the operator too", async (t) => {
      // A schema that lets through what today's does not, as another version's may.
      const crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/airoutes.tandem.dev";
      const loose = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-preserve-unknown-fields";
      const contentType = "application/json-patch+json";
      const answer = await server().call("PATCH", crd, [{ op: "add", path: loose, value: true }], { contentType });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const stage = await set("broken");
      const traffic = new Traffic(stage, await playProxies(stage, 1), GOOD);
      t.after(() => traffic.stop());
      const operator = await stage.startOperator();
      await putQuickstart(stage);
      const good = rollout([{ setWeight: 50 }, { pause: {} }]);
      await stage.put(good);
      const { startedAt } = await untilRollout(stage, "a wait", ({ phase }) => phase === "Waiting");
      const put = () => stage.put({ ...good, spec: { ...good.spec, unheardOf: 1 } });
      await waitFor("the schema is loose", IN_TIME, async () =>
        put().then(
          () => true,
          () => false,
        ),
      );
      await stage.until("AIRoute", "gpt-4o", "Accepted", "False");
      await operator.kill();
      await stage.startOperator();
      await stage.quiet();
      const still = await memoryOf(stage);
      assert.deepEqual([still?.startedAt, still?.weight], [startedAt, 50]);
      traffic.candidate = BAD;
      await untilRollout(stage, "back", ({ outcome }) => outcome === "RolledBack");
      await stage.until("AIRoute", "gpt-4o", "Progressing", "RolledBack");
    });
  });

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
      const { stepIndex, weight, message } = await untilRollout(
        stage,
        "back",
        ({ outcome }) => outcome === "RolledBack",
      );
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
      const analysis = { ...ANALYSIS, interval: "4s" };
      await stage.put(rollout([{ setWeight: 50 }, { pause: { duration: "1m" } }, { setWeight: 100 }], { analysis }));
      await untilRollout(stage, "given out", ({ weight, phase }) => weight === 50 && phase === "Spreading");
      await stage.quiet(2_000);
      const still = await memoryOf(stage);
      assert.deepEqual([still?.phase, still?.failedWindows, still?.windowSince], ["Spreading", 0, undefined]);
      played[1]?.follow();
      await untilRollout(stage, "back", ({ outcome }) => outcome === "RolledBack");
    });

    test("goes back by what the others measured when a proxy lags for long", async (t) => {
      const { stage, played, traffic } = await running("late", BAD);
      t.after(() => traffic.stop());
      await played[1]?.hold();
      await stage.put(rollout([{ setWeight: 50 }, { pause: { duration: "1m" } }, { setWeight: 100 }]));
      const { stepIndex, message } = await untilRollout(stage, "back", ({ outcome }) => outcome === "RolledBack");
      assert.equal(stepIndex, 0, "it never spread");
      assert.match(message, /ErrorPercent.*openai has all traffic/);
    });

    test("stands still while its route is held by a rollback, and goes on then", async (t) => {
      const { stage, traffic } = await running("held", GOOD);
      t.after(() => traffic.stop());
      const former = await stage.hash();
      const steps = [{ setWeight: 10 }, { pause: { duration: "8s" } }, { setWeight: 100 }];
      await stage.put(rollout(steps, { analysis: undefined }));
      await untilRollout(stage, "10 %", ({ weight, phase }) => weight === 10 && phase === "Running");
      await annotate(stage, former, "pinned-table");
      await stage.until("AIRoute", "gpt-4o", "Pinned", "Held");
      await stage.until("AIRoute", "gpt-4o", "Progressing", "RouteHeld");
      assert.equal(await weightsOf(stage), "openai 90%, other 10%", "as the former table has it");
      const { sequence } = await untilRollout(
        stage,
        "its clock stopped",
        ({ runningSince }) => runningSince === undefined,
      );
      await sleep(8_000);
      const still = await memoryOf(stage);
      assert.deepEqual([still?.sequence, still?.stepIndex], [sequence, 1]);
      await annotate(stage, null, "pinned-table");
      await stage.until("AIRoute", "gpt-4o", "Progressing", "StepRunning");
      await untilRollout(stage, "promoted", ({ outcome }) => outcome === "Promoted");
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
});
