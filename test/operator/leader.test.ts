/** Does another replica go on where a leader stopped, wherever that was, and is nothing written twice or lost? */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../cli/tandem.ts";
import { provider, RELEASE, route, type Stage } from "./harness.ts";
import { playProxies, putQuickstart, skip, stages } from "./stages.ts";

/** Milliseconds after a kill until another has taken over and done what was left. */
const TAKEOVER = 20_000;
/** Much sooner than a lease ends that nobody gave back, also while the other tests of this file run beside it. */
const HANDOVER = 6_000;
/** Kills at a step of a publish take no wait: the replica comes back under its own name, as a container does. */
const STEPS = ["companion", "-shard-", "-table", "airoutes/gpt-4o/status"] as const;

describe("leaders of the operator", { skip, concurrency: 2 }, () => {
  const { set } = stages();

  async function two(name: string) {
    const stage = await set(name);
    await playProxies(stage, 1);
    const leader = await stage.startOperator("operator-0");
    const other = await stage.startOperator("operator-1");
    await putQuickstart(stage);
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
    await stage.quiet();
    return { stage, leader, other };
  }

  /** All that the index names is there. */
  async function isWhole(stage: Stage): Promise<boolean> {
    const stored = (await stage.storedShards()).map(({ metadata }) => metadata.name);
    return (await stage.shardNames()).every((name) => stored.includes(name));
  }

  test("a killed leader is followed within 20 s, and what it was about to do is done", async (t) => {
    const { stage, leader } = await two("kill");
    await stage.put(route("gpt-4o", { openai: 30, other: 70 }));
    await sleep(Math.random() * 30);
    await leader.kill();
    const began = performance.now();
    await stage.putSecret("third", { "api-key": "sk-the-key-of-the-third" });
    await stage.put(provider("third"));
    await stage.put(route("gpt-4o", { openai: 20, third: 80 }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True", TAKEOVER);
    t.diagnostic(`the other had done all after ${Math.round(performance.now() - began)} ms`);
    assert.ok(await isWhole(stage));
    assert.equal((await stage.lease()).holderIdentity, "operator-1");
    assert.equal((await stage.lease()).leaseTransitions, 1);
    const keys = ["sk-the-first-key-of-openai", "sk-the-first-key-of-other", "sk-the-key-of-the-third"];
    assert.deepEqual(await stage.credentials(), keys);
  });

  test("a stopped leader hands over at once", async (t) => {
    const { stage, leader, other } = await two("stop");
    const began = performance.now();
    assert.equal(await leader.stop(), 0);
    await other.says(/this replica leads"/);
    const took = Math.round(performance.now() - began);
    t.diagnostic(`the other led after ${took} ms`);
    assert.ok(took < HANDOVER, `${took} ms`);
    const writes = await stage.writesOf(async () => {});
    assert.deepEqual(writes, [], "there was nothing to do");
    await stage.put(route("gpt-4o", { openai: 30, other: 70 }));
    await stage.until("AIRoute", "gpt-4o", "Ready", "True");
  });

  for (const step of STEPS) {
    test(`killed while it writes ${step}, it leaves nothing half done`, async () => {
      const stage = await set(`step-${STEPS.indexOf(step)}`);
      await playProxies(stage, 1);
      const first = await stage.startOperator();
      await putQuickstart(stage);
      await stage.until("AIRoute", "gpt-4o", "Ready", "True");
      await stage.quiet();
      // The write never comes to the API server.
      const swallowed = stage.network.fail(({ kind, path }) => {
        return kind === "write" && path.includes(step);
      }, "hang");
      const from = stage.network.requests.length;
      await stage.putSecret("other", { "api-key": "sk-the-second-key-of-other" });
      await stage.put(route("gpt-4o", { openai: 10, other: 90 }));
      await waitFor("it writes", 5_000, async () => {
        return stage.network.requests.slice(from).some(({ kind, path }) => kind === "write" && path.includes(step));
      });
      await first.kill();
      assert.ok(await isWhole(stage), "what proxies see is whole");
      swallowed();
      await stage.startOperator();
      await stage.until("AIRoute", "gpt-4o", "Ready", "True");
      assert.ok(await isWhole(stage));
      await waitFor("only new credentials", 10_000, async () => {
        return (await stage.credentials()).join() === "sk-the-first-key-of-openai,sk-the-second-key-of-other";
      });
      assert.equal((await stage.index())?.metadata.name, `${RELEASE}-table`);
    });
  }
});
