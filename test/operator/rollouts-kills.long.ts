/**
 * Does a rollout lose anything, whatever ends at whichever of its steps?
 *
 * At each step of one like manifest 05 the same thing happens once. Afterwards it goes on where it was: no step is left
 * out, none is begun again, weights never fall, and it ends promoted.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../cli/tandem.ts";
import type { SeenRequest } from "../kube/faulty-api.ts";
import { RELEASE, type Replica, type Stage } from "./harness.ts";
import { PlayedProxy } from "./played-proxy.ts";
import { annotate, GOOD, memoryOf, rollout, type Shown, Traffic, untilRollout } from "./rollout-stage.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

/** Milliseconds. */
const LOOK = 50;
const JUDGED = 4_000;
const OUTAGE = 4_000;
/** A Lease that somebody else took is free again after 15 s. */
const TAKEOVER = 40_000;

const FIRST = "operator-0";

const TIMED = { duration: `${JUDGED}ms` };
const STEPS = [
  { setShadow: 20 },
  { analyze: TIMED },
  { setWeight: 5 },
  { pause: TIMED },
  { setWeight: 25 },
  { pause: {} },
  { setWeight: 100 },
];
const WAITS_AT = STEPS.findIndex((step) => "pause" in step && !("duration" in (step.pause ?? {})));

interface Ride {
  readonly stage: Stage;
  readonly traffic: Traffic;
  /** By identity. */
  readonly replicas: Map<string, Replica>;
}

type Disturb = (ride: Ride, happens: () => Promise<void>) => Promise<void>;

describe("a rollout loses nothing when at each of its steps", { skip, concurrency: true }, () => {
  const { set } = stages();

  async function ride(name: string, disturb: Disturb, replicas = 1): Promise<void> {
    const stage = await set(name);
    const traffic = new Traffic(stage, await playProxies(stage, 2), GOOD);
    const operators = new Map<string, Replica>();
    for (let n = 0; n < replicas; n++) operators.set(`operator-${n}`, await stage.startOperator(`operator-${n}`));
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Programmed", "True");
    const seen: Shown[] = [];
    const eyes = watch(stage, seen);
    try {
      await proxyOf(traffic).hold();
      await stage.put(rollout(STEPS));
      for (let step = 0; step < STEPS.length; step++) {
        await untilRollout(
          stage,
          `step ${step}`,
          ({ stepIndex, outcome }) => stepIndex >= step || outcome !== undefined,
        );
        const before = await memoryOf(stage);
        await disturb({ stage, traffic, replicas: operators }, async () => {
          // What is said while nobody leads counts all the same.
          if (step === WAITS_AT) await annotate(stage, String(step));
        });
        const after = await memoryOf(stage);
        assert.ok((after?.sequence ?? 0) >= (before?.sequence ?? 0), "it forgot");
        for (const proxy of traffic.proxies) proxy.follow();
        await untilRollout(
          stage,
          `step ${step} runs`,
          ({ stepIndex, phase }) => stepIndex > step || phase !== "Spreading",
        );
        // So that the next weights spread slowly enough for something to happen meanwhile.
        await proxyOf(traffic).hold();
      }
      for (const proxy of traffic.proxies) proxy.follow();
      await untilRollout(stage, "promoted", ({ outcome }) => outcome !== undefined);
    } finally {
      await eyes.close();
      traffic.stop();
    }
    judge(seen);
  }

  test("the operator is killed and comes back", async () => {
    await ride("kill", async ({ stage, replicas }, happens) => {
      await replicas.get(FIRST)?.kill();
      await happens();
      replicas.set(FIRST, await stage.startOperator(FIRST));
    });
  });

  test("the operator is killed when it remembers a move whose weights are not out", async () => {
    await ride("kill-write", async ({ stage, replicas }, happens) => {
      const from = stage.network.requests.length;
      const isIndex = ({ kind, path }: SeenRequest) => kind === "write" && path.endsWith(`/${RELEASE}-table`);
      const lift = stage.network.fail(isIndex, "hang");
      await happens();
      await waitFor("it writes", OUTAGE + JUDGED, async () => stage.network.requests.slice(from).some(isIndex)).catch(
        () => {}, // Where the next move waits for proxies there is nothing to write.
      );
      await replicas.get(FIRST)?.kill();
      lift();
      replicas.set(FIRST, await stage.startOperator(FIRST));
    });
  });

  test("the leader goes and another leads", async () => {
    await ride(
      "handover",
      async ({ stage, replicas }, happens) => {
        const { holderIdentity: leader = "" } = await stage.lease();
        assert.equal(await replicas.get(leader)?.stop(), 0);
        await happens();
        await waitFor("another leads", TAKEOVER, async () => {
          const { holderIdentity = "" } = await stage.lease();
          return holderIdentity !== "" && holderIdentity !== leader;
        });
        replicas.set(leader, await stage.startOperator(leader));
      },
      2,
    );
  });

  test("the Lease is lost to a stranger who does nothing", async () => {
    await ride("lost", async ({ stage }, happens) => {
      await takeLease(stage, "stranger");
      await happens();
      await waitFor("it leads again", TAKEOVER, async () => (await stage.lease()).holderIdentity === FIRST);
    });
  });

  test("a proxy ends and another takes its place", async () => {
    let started = 1;
    await ride("proxy", async ({ stage, traffic }, happens) => {
      await traffic.proxies.shift()?.end();
      await happens();
      traffic.proxies.push(await PlayedProxy.start(stage, ++started));
    });
  });

  test("the API server is away for some seconds", async () => {
    await ride("outage", async ({ stage }, happens) => {
      await stage.network.goAway();
      await happens();
      await sleep(OUTAGE);
      await stage.network.comeBack();
    });
  });
});

async function takeLease(stage: Stage, holderIdentity: string): Promise<void> {
  const path = `/apis/coordination.k8s.io/v1/namespaces/${stage.home}/leases/${RELEASE}-operator`;
  const renewTime = new Date().toISOString().replace("Z", "000Z");
  const body = { spec: { holderIdentity, renewTime } };
  const answer = await stage.server.call("PATCH", path, body, { contentType: "application/merge-patch+json" });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

/** The one that stays longest. */
function proxyOf({ proxies }: Traffic): PlayedProxy {
  const last = proxies.at(-1);
  assert.ok(last !== undefined);
  return last;
}

function watch(stage: Stage, seen: Shown[]): { close(): Promise<void> } {
  let isOver = false;
  const look = async () => {
    const now = await memoryOf(stage);
    if (now !== undefined && now.sequence !== seen.at(-1)?.sequence) seen.push(now);
  };
  const looking = (async () => {
    while (!isOver) {
      await look();
      await sleep(LOOK);
    }
    await look();
  })();
  return {
    close: async () => {
      isOver = true;
      await looking;
    },
  };
}

function judge(seen: readonly Shown[]): void {
  const story = seen.map(({ stepIndex, phase, weight }) => `${stepIndex} ${phase} ${weight}`).join(", ");
  assert.equal(seen.at(-1)?.outcome, "Promoted", story);
  for (const [n, now] of seen.entries()) {
    const before = seen[n - 1];
    if (before === undefined) continue;
    assert.equal(now.startedAt, before.startedAt, `begun anew: ${story}`);
    assert.ok(now.sequence > before.sequence, `an older memory: ${story}`);
    assert.ok(now.stepIndex >= before.stepIndex, `a step again: ${story}`);
    assert.ok(now.weight >= before.weight, `weights fell: ${story}`);
  }
  for (const [index, step] of STEPS.entries()) {
    const during = seen.filter(({ stepIndex, phase }) => stepIndex === index && phase === "Running");
    if (!("analyze" in step) && index !== WAITS_AT - 2) continue;
    assert.ok(during.length > 0, `step ${index} was left out: ${story}`);
    const began = new Set(during.map(({ stepStartedAt }) => stepStartedAt));
    assert.equal(began.size, 1, `step ${index} began twice: ${story}`);
    assert.ok(
      during.some(({ passedWindows }) => passedWindows > 0),
      `step ${index} was not judged: ${story}`,
    );
    const ran = Math.max(...during.map(({ runMilliseconds }) => runMilliseconds));
    assert.ok(ran >= JUDGED / 2, `step ${index} ran for ${ran} ms only: ${story}`);
  }
  assert.ok(
    seen.some(({ stepIndex, phase }) => stepIndex === WAITS_AT && phase === "Waiting"),
    story,
  );
  assert.equal(
    seen.some(({ failedWindows }) => failedWindows > 0),
    false,
    story,
  );
}
