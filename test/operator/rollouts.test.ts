/** Do rollouts go on, back, and on again in a cluster, whatever is killed meanwhile? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { bucketOf } from "../../routing/rollout/histogram.ts";
import { NOTHING_MEASURED } from "../../routing/rollout/measures.ts";
import type { Memory } from "../../routing/rollout/memory.ts";
import { waitFor } from "../cli/tandem.ts";
import { pathOf } from "../control-plane/tandem-api.ts";
import { route, type Stage } from "./harness.ts";
import type { PlayedProxy } from "./played-proxy.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

/** Milliseconds: several windows, on a loaded machine. */
const IN_TIME = 60_000;

interface Rates {
  readonly errors: number;
}

/** A proxy that measures: so much with every look. */
class Traffic {
  readonly #proxies: readonly PlayedProxy[];
  readonly #route: string;
  readonly #timer: NodeJS.Timeout;
  #rounds = 0;
  candidate: Rates;

  constructor(stage: Stage, proxies: readonly PlayedProxy[], candidate: Rates) {
    this.#proxies = proxies;
    this.#route = `${stage.namespace}/gpt-4o`;
    this.candidate = candidate;
    for (const [n, proxy] of proxies.entries()) proxy.instance ||= `instance-${n}`;
    let errors = 0;
    const tick = () => {
      this.#rounds++;
      errors += this.candidate.errors;
      for (const proxy of this.#proxies) {
        proxy.measures = [
          this.#row("openai", "live", this.#rounds * 200, 0),
          this.#row("other", "live", this.#rounds * 100, errors),
          this.#row("other", "shadow", this.#rounds * 100, errors),
        ];
      }
    };
    tick();
    this.#timer = setInterval(tick, 200).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #row(backend: string, arm: string, requests: number, errors: number): object {
    const latency = { [bucketOf(800)]: requests - errors };
    return { route: this.#route, backend, arm, ...NOTHING_MEASURED, requests, errors, latency };
  }
}

const GOOD: Rates = { errors: 0 };
/** Of 100. */
const BAD: Rates = { errors: 10 };

const ANALYSIS = {
  interval: "1s",
  failureLimit: 1,
  minRequests: 20,
  metrics: [{ name: "ErrorPercent", max: "2.0" }],
};

function rollout(steps: readonly object[], changes: object = {}) {
  const written = { stable: "openai", candidate: "other", steps, analysis: ANALYSIS, ...changes };
  return route("gpt-4o", { openai: 1, other: 1 }, { rollout: written });
}

async function memoryOf(stage: Stage): Promise<(Memory & { step: string }) | undefined> {
  const { status } = (await stage.get("AIRoute", "gpt-4o")) as { status?: { rollout?: Memory & { step: string } } };
  return status?.rollout;
}

async function untilRollout(stage: Stage, what: string, is: (memory: Memory & { step: string }) => boolean) {
  let seen: (Memory & { step: string }) | undefined;
  await waitFor(what, IN_TIME, async () => {
    seen = await memoryOf(stage);
    return seen !== undefined && is(seen);
  }).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(seen)}`);
  });
  return seen as Memory & { step: string };
}

async function annotate(stage: Stage, value: string | null): Promise<void> {
  const body = { metadata: { annotations: { "tandem.dev/promoted-step": value } } };
  const path = pathOf("AIRoute", stage.namespace, "gpt-4o");
  const answer = await stage.server.call("PATCH", path, body, { contentType: "application/merge-patch+json" });
  assert.equal(answer.status, 200);
}

async function weightsOf(stage: Stage): Promise<string> {
  const { status } = (await stage.get("AIRoute", "gpt-4o")) as { status?: { weights?: string } };
  return status?.weights ?? "";
}

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
