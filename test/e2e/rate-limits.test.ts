/** Is a model left alone before it says 429, by what its own headers say of its limits? */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningSimulator, SimulatorOptions } from "../../simulators/main.ts";
import { type Harness, object } from "../proxy/harness.ts";
import { azureProvider, client, gatewayOver, openaiProvider, simulators } from "./over-simulators.ts";

type Name = "openai" | "azure";
type Limits = NonNullable<SimulatorOptions["limits"]>;

const PLENTY = 100_000_000;

async function world(order: readonly string[], limits: Partial<Limits>, more: readonly object[] = []) {
  const limited = { limits: { tokensPerMinute: PLENTY, requestsPerMinute: PLENTY, ...limits } };
  const both = await simulators({}, { [order[0] as Name]: limited });
  const backends = order.map((name, i) => ({ name, providerRef: { name }, priority: i + 1 }));
  const failover = { retrySameProvider: 0, fallbackToNext: true };
  const route = object("AIRoute", "chat", { models: ["gpt-4o"], backends, failover });
  const gateway = await gatewayOver(both, [openaiProvider(), azureProvider("2024-10-21"), ...more, route, client()]);
  return { both, gateway };
}

async function chat(gateway: Harness, body: object = {}): Promise<readonly (string | null)[]> {
  const response = await gateway.chat(body);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return ["x-tandem-provider", "x-tandem-decision"].map((name) => response.headers.get(name));
}

const refused = (simulator: RunningSimulator) => simulator.requests().filter(({ status }) => status === 429).length;
const NEAR = "failover:near_rate_limit";

for (const [first, second] of [
  ["openai", "azure"],
  ["azure", "openai"],
] as const satisfies readonly (readonly [Name, Name])[]) {
  test(`${first} has no request left, by its headers: ${second} is asked, and nobody said 429`, async () => {
    // Azure's simulator lets a sixth of the minute's requests through at once.
    const { both, gateway } = await world([first, second], { requestsPerMinute: first === "azure" ? 12 : 2 });
    for (let i = 0; i < 2; i++) assert.deepEqual(await chat(gateway), [first, "priority"]);
    assert.deepEqual(await chat(gateway), [second, NEAR]);
    assert.deepEqual(await chat(gateway, { stream: true }), [second, NEAR]);
    assert.equal(refused(both[first]) + refused(both[second]), 0);
    assert.deepEqual(await excluded(gateway), [`${first} near_rate_limit 2`]);
  });

  test(`${first} has tokens left for small requests, by its headers`, async () => {
    const { both, gateway } = await world([first, second], { tokensPerMinute: 6_000 });
    const large = { max_tokens: 4_000 };
    assert.deepEqual(await chat(gateway, large), [first, "priority"]);
    assert.deepEqual(await chat(gateway, large), [second, NEAR]);
    assert.deepEqual(await chat(gateway, { max_tokens: 100 }), [first, "priority"]);
    assert.equal(refused(both[first]), 0);
  });
}

test("providers of one rate limit group know it together", async () => {
  const twin = { ...(openaiProvider() as { metadata: object }), metadata: { name: "twin", namespace: "ai" } };
  const { both, gateway } = await world(["openai", "twin", "azure"], { requestsPerMinute: 2 }, [twin]);
  for (let i = 0; i < 2; i++) assert.deepEqual(await chat(gateway), ["openai", "priority"]);
  assert.deepEqual(await chat(gateway), ["azure", NEAR]);
  assert.equal(chats(both.openai), 2);
});

test("with nobody else the provider is asked all the same: it alone knows", async () => {
  const { both, gateway } = await world(["openai"], { requestsPerMinute: 1 });
  await chat(gateway);
  const response = await gateway.chat();
  assert.equal(response.status, 429);
  assert.equal(response.headers.get("x-tandem-error-origin"), "provider");
  await response.text();
  assert.equal(refused(both.openai), 1);
});

test("what is left stands in /status", async () => {
  const { gateway } = await world(["openai"], { requestsPerMinute: 2, tokensPerMinute: 9_000 });
  await chat(gateway, { max_tokens: 3_000 });
  await chat(gateway, { max_tokens: 3_000 });
  const { providers } = (await gateway.status()) as {
    providers: { models: { left?: Record<string, { remaining: number; resetInMs: number }> }[] }[];
  };
  const left = providers.flatMap(({ models }) => models).find((model) => model.left)?.left;
  assert.equal(left?.requests?.remaining, 0);
  assert.ok((left?.tokens?.remaining ?? 0) < 9_000);
  assert.ok((left?.requests?.resetInMs ?? 0) > 20_000);
});

/** Without the health probes, which come when they come. */
function chats(simulator: RunningSimulator): number {
  return simulator.requests().filter(({ operation }) => operation === "chat.completions").length;
}

async function excluded({ gateway }: Harness): Promise<string[]> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const lines = text.matchAll(/^tandem_exclusions_total\{.*backend="(\w+)",reason="(\w+)"\} (\d+)$/gm);
  return Array.from(lines, ([, backend, reason, count]) => `${backend} ${reason} ${count}`);
}
