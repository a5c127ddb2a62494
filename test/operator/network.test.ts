/** Does the operator live through whatever the API server and the network do, and do its work afterwards? */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, Match } from "../kube/faulty-api.ts";
import { isWrite, type Replica, route, type Stage } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

/** Milliseconds in which a fault lasts. */
const LASTING = 3_000;
/** Milliseconds after it until what changed meanwhile is done: retries are up to half a minute apart. */
const AFTERWARDS = 35_000;
/** Milliseconds. Longer than a leader believes in its Lease. */
const AWAY = 60_000;
/** Watches that fall silent are given up after 75 s. */
const SILENCE = 100_000;

describe("the operator behind a bad network", { skip, concurrency: 4 }, () => {
  const { set } = stages();

  async function running(name: string) {
    const stage = await set(name);
    await playProxies(stage, 1);
    const operator = await stage.startOperator();
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    return { stage, operator };
  }

  async function lives(stage: Stage, { child, adminUrl }: Replica, within = AFTERWARDS): Promise<void> {
    const weight = 1 + Math.floor(Math.random() * 89);
    await stage.put(route("gpt-4o", { openai: weight, other: 100 - weight }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True", within);
    assert.equal(child.exitCode, null);
    assert.equal((await fetch(`${adminUrl}/healthz`)).status, 200);
  }

  // The longest first: they wait for deadlines of the operator, while the others run beside them.
  test("watches that fall silent are noticed, and nothing is lost", async (t) => {
    const { stage, operator } = await running("silence");
    stage.network.silenceWatches();
    const began = performance.now();
    await lives(stage, operator, SILENCE);
    t.diagnostic(`an edit in the silence was done after ${Math.round((performance.now() - began) / 1000)} s`);
  });

  test("an API server that is away for a minute: it lives, and leads again", async (t) => {
    const { stage, operator } = await running("away");
    await stage.network.goAway();
    await stage.put(route("gpt-4o", { openai: 5, other: 95 }));
    await sleep(AWAY);
    assert.equal(operator.child.exitCode, null);
    assert.equal((await operator.metrics()).get("tandem_operator_leader"), 0, "it does not believe in its Lease");
    assert.equal((await fetch(`${operator.adminUrl}/healthz`)).status, 200);
    await stage.network.comeBack();
    const began = performance.now();
    await stage.until("AIRoute", "gpt-4o", "Ready", "True", AFTERWARDS);
    t.diagnostic(`an edit made meanwhile was done ${Math.round(performance.now() - began)} ms after it was back`);
    await lives(stage, operator);
  });

  const everything: Match = () => true;
  const reads: Match = ({ kind }) => kind !== "write";
  const watches: Match = ({ kind }) => kind === "watch";
  const faults: Readonly<Record<string, readonly [Fault, Match]>> = {
    "no answer to anything": ["hang", everything],
    "a reset of everything": ["reset", everything],
    "403 to everything": [{ status: 403 }, everything],
    "410 to every list and watch": [{ status: 410 }, reads],
    "410 in every watch": [{ status: 410 }, watches],
    "429 to everything": [{ status: 429, retryAfterSeconds: 1 }, everything],
    "500 to everything": [{ status: 500 }, everything],
    "500 to every write": [{ status: 500 }, isWrite],
    "409 to every write": [{ status: 409 }, isWrite],
  };
  for (const [index, [name, [fault, when]]] of Object.entries(faults).entries()) {
    test(`${name}: it lives, and later edits arrive`, async () => {
      const { stage, operator } = await running(`fault-${index}`);
      const over = stage.network.fail(when, fault);
      stage.network.endWatches();
      await stage.put(route("gpt-4o", { openai: 100, other: 0 }));
      await sleep(LASTING);
      over();
      await stage.until("AIRoute", "gpt-4o", "Ready", "True", AFTERWARDS);
      await lives(stage, operator);
    });
  }

  test("started before there is an API server, it waits for it", async () => {
    const stage = await set("late");
    await stage.network.goAway();
    const starting = stage.startOperator();
    await sleep(2_000);
    await stage.network.comeBack();
    const operator = await starting;
    await playProxies(stage, 1);
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    assert.equal(await operator.stop(), 0);
  });
});
