/** What does a client with a budget get from one gateway: at the turn of a month, alone, in a realtime session? */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { UsageFile } from "../../cli/usage-file.ts";
import { temporaryFolder } from "../cli/tandem.ts";
import { gatewayOver, MODEL, openai as openaiObject, Peer, realtimeSimulators, route } from "../e2e/realtime-world.ts";
import { PRICE, pricedAnswer } from "../fakes/priced.ts";
import { FakeProvider } from "../fakes/provider.ts";
import { errorOf, type Harness, object, objects, startHarness } from "./harness.ts";

const fake = await new FakeProvider(pricedAnswer).start();

function clientWith(usdPerMonth: string): object {
  const keys = [{ name: "current", secretRef: { name: "keys", key: "client" } }];
  return object("AIClient", "app", { keys, budget: { usdPerMonth } });
}

async function over(usdPerMonth: string, clock?: () => number): Promise<Harness> {
  const models = [{ name: "gpt-4o", price: PRICE }];
  const { spec } = clientWith(usdPerMonth) as { spec: Record<string, unknown> };
  const { openai, azure, list } = {
    openai: fake.url,
    azure: fake.url,
    list: objects({
      openai: { models },
      azure: { models: [{ ...models[0], deployment: "d" }] },
      route: { models: ["gpt-4o"] },
      client: spec,
    }),
  };
  return await startHarness({ openai, azure, objects: list, ...(clock && { clock }) });
}

/** Hands out budgets as on a laptop. */
async function keepUsage({ gateway }: Harness, usdPerMonth: string, clock: () => number): Promise<void> {
  const file = new UsageFile({
    folder: await temporaryFolder(),
    manifests: ["."],
    budgets: gateway.budgets,
    clock,
    onProblem: (problem) => assert.fail(problem),
  });
  await file.start();
  file.follow([{ key: "ai/app", namespace: "ai", name: "app", keys: [], budget: { usdPerMonth } }]);
  after(() => file.close());
}

async function statuses({ chat }: Harness, count: number): Promise<number[]> {
  const seen: number[] = [];
  for (let n = 0; n < count; n++) {
    const response = await chat();
    await response.text();
    seen.push(response.status);
  }
  return seen;
}

test("a budget begins anew with the month, and says when that is", async () => {
  let now = Date.UTC(2026, 11, 31, 23, 59, 0);
  const harness = await over("0.03", () => now);
  await keepUsage(harness, "0.03", () => now);
  assert.deepEqual(await statuses(harness, 4), [200, 200, 200, 429]);
  const { message: text } = await errorOf(await harness.chat());
  assert.match(text, /0\.03 USD a month/);
  assert.match(text, /2027-01-01 at 00:00 UTC/);
  now = Date.UTC(2027, 0, 1, 0, 0, 1);
  assert.deepEqual(await statuses(harness, 4), [200, 200, 200, 429]);
});

test("a proxy that has not heard of the operator yet spends a little, then asks for patience", async () => {
  // A half percent of it is three answers.
  const harness = await over("6.00");
  assert.deepEqual(await statuses(harness, 4), [200, 200, 200, 503]);
  const response = await harness.chat();
  assert.equal(response.headers.get("x-should-retry"), "true");
  assert.equal((await errorOf(response)).code, "budget_unavailable");
});

test("what costs nothing can still be asked for when all is spent", async () => {
  const harness = await over("0");
  await keepUsage(harness, "0", Date.now);
  assert.deepEqual(await statuses(harness, 1), [429]);
  const headers = { authorization: "Bearer tdm-harness-client-key" };
  assert.equal((await fetch(`${harness.url}/v1/models`, { headers })).status, 200);
});

test("a realtime session ends with the budget, and the next is not opened", async () => {
  const simulators = await realtimeSimulators();
  const price = { input: "100", output: "100", audioInput: "100", audioOutput: "100" };
  const priced = openaiObject("openai", { models: [{ name: MODEL, price }] });
  // A response costs more, and opening one is taken to cost 250 tokens.
  const budget = "0.03";
  const harness = await gatewayOver(simulators, [priced, route(["openai"], { models: [MODEL] }), clientWith(budget)]);
  await keepUsage(harness, budget, Date.now);
  const url = `${harness.url}/v1/realtime?model=${MODEL}`;
  const peer = await Peer.open(url);
  await peer.until("session.created");
  let isOpen = true;
  const closed = peer.closed.then((end) => {
    isOpen = false;
    return end;
  });
  for (let n = 1; isOpen && n <= 200; n++) {
    peer.say("word ".repeat(50));
    await Promise.race([closed, peer.until("response.done", n)]);
  }
  assert.ok(!isOpen, "200 responses were given");
  const { code, reason } = await closed;
  assert.equal(code, 1008);
  assert.match(reason, /insufficient_quota/);
  await assert.rejects(Peer.open(url), /refused: 429/);
});
