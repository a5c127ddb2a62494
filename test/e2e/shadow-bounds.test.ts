/** Do copies stay within their bounds, and away from all that is counted of callers? */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { LogDestination } from "../../proxy/telemetry/log.ts";
import { KEY } from "../proxy/harness.ts";
import { ask, compared, outcome, until, type World, world } from "./shadow-world.ts";

interface Status {
  readonly providers: readonly {
    readonly provider: string;
    readonly circuit: unknown;
    readonly models: readonly { readonly model: string; readonly circuit: { readonly state?: string } | string }[];
    readonly calls: { readonly inFlight: number };
  }[];
  readonly latencies: readonly { readonly backend: string }[];
  readonly transitions: readonly { readonly kind: string }[];
  readonly shadows: readonly { readonly inFlight: number; readonly records: readonly ShownRecord[] }[];
}

interface ShownRecord {
  readonly requestID: string;
  readonly side: string;
  readonly differs: readonly string[];
  readonly live: { readonly hash?: string };
  readonly copy: { readonly hash?: string; readonly backend: string };
}

async function status({ harness }: World): Promise<Status> {
  return (await harness.status()) as unknown as Status;
}

describe("the bounds of copies", () => {
  test("no more in flight than maxInFlight: the next are dropped", async () => {
    const one = await world({ shadow: { maxInFlight: 2 } });
    one.running.azure.fault({ match: { operation: "chat.completions" }, fault: "silence" });
    for (let n = 0; n < 5; n++) await ask(one);
    await until("three are dropped", async () => (await one.count(outcome("dropped_busy"))) === 3);
    assert.equal((await one.day())?.dropped, 3);
    assert.equal(one.copies().length, 2);
    assert.equal((await status(one)).shadows[0]?.inFlight, 2);
  });

  test("a day's tokens are this proxy's share of the budget, and a new day begins anew", async () => {
    let now = Date.UTC(2026, 10, 26, 12);
    const one = await world({ shadow: { dailyTokenBudget: 1_000 }, gateway: { clock: () => now } });
    await ask(one);
    await one.settled(1);
    const tokens = (await one.day())?.tokens ?? 0;
    assert.ok(tokens > 0);
    // So that three requests fit into all of the budget, and one and a half into each half.
    const budget = tokens * 3;
    const other = await world({ shadow: { dailyTokenBudget: budget }, gateway: { clock: () => now } });
    other.harness.gateway.shareAmong(2);
    for (let n = 1; n <= 3; n++) {
      await ask(other);
      await other.settled(n);
    }
    assert.equal(await other.count(outcome("copied")), 1);
    assert.equal(await other.count(outcome("dropped_budget")), 2);
    now += 86_400_000;
    await ask(other);
    await other.settled(4);
    assert.equal(await other.count(outcome("copied")), 2);
    assert.equal((await other.day())?.date, "2026-11-27");
    assert.equal((await other.day())?.copied, 1);
  });

  test("none are sent while the proxy has more than half of what it takes", async () => {
    const one = await world({ gateway: { load: { most: 3, fewest: 3, every: 3_600_000 } } });
    const leaving = new AbortController();
    one.running.openai.fault({ match: { operation: "chat.completions" }, fault: "silence", times: 2 });
    const held = Array.from({ length: 2 }, () =>
      fetch(`${one.harness.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
        body: JSON.stringify({ model: "gpt-4o", messages: [] }),
        signal: leaving.signal,
      }).catch(() => undefined),
    );
    await until("both are held", async () => one.live().length === 2);
    await ask(one);
    await one.settled(1);
    assert.equal(await one.count(outcome("dropped_busy")), 1);
    leaving.abort();
    await Promise.all(held);
    await one.settled(3);
    await ask(one);
    await one.settled(4);
    assert.equal(await one.count(outcome("copied")), 1);
  });

  test("a backend that is at its limit is left alone for as long as it says", async () => {
    let now = Date.UTC(2026, 10, 26, 12);
    const one = await world({ gateway: { clock: () => now } });
    one.running.azure.fault({ match: { operation: "chat.completions" }, fault: "429;retry-after=30", times: 1 });
    for (let n = 1; n <= 3; n++) {
      await ask(one);
      await one.settled(n);
    }
    assert.equal(one.copies().length, 1);
    assert.equal(await one.count(outcome("dropped_unavailable")), 2);
    assert.equal((await one.day())?.compared, 0, "a rate limit is no difference");
    now += 31_000;
    await ask(one);
    await one.settled(4);
    assert.equal(one.copies().length, 2);
  });

  test("a copy that fails ten times over opens no breaker", async () => {
    const breaker = { failureThreshold: 2, failurePercent: 50, minRequests: 5, recoveryTimeout: "1h" };
    const one = await world({ azure: { circuitBreaker: breaker } });
    one.running.azure.fault({ match: { operation: "chat.completions" }, fault: "500", times: 5 });
    one.running.azure.fault({ match: { operation: "chat.completions" }, fault: "reset", times: 5 });
    for (let n = 1; n <= 11; n++) {
      await ask(one);
      await one.settled(n);
    }
    assert.equal(one.copies().length, 11);
    assert.equal(await one.count(outcome("failed")), 5);
    assert.equal(await one.count(outcome("copied")), 6);
    const after = await status(one);
    const learned = after.transitions.filter(({ kind }) => kind !== "health");
    assert.deepEqual(learned, []);
    assert.ok(after.latencies.every(({ backend }) => backend === "live"));
    assert.equal((await one.day())?.different, 10);
    assert.equal(await one.count(compared("different", "status")), 10);
  });

  test("is counted under its own kinds, in nobody's name, and has a line of its own", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "tandem-shadow-")), "access.log");
    const log = new LogDestination(path);
    const price = { input: "2.5", output: "10" };
    const models = [{ name: "gpt-4o", deployment: "chat-prod", price }];
    const one = await world({ azure: { models }, gateway: { accessLog: log }, route: { models: ["gpt-4o"] } });
    await ask(one);
    await one.settled(1);
    const place = 'provider="azure",backend="copy",model="gpt-4o",client=""';
    const input = await one.count(`tandem_tokens_total{${place},kind="shadow_input"}`);
    const output = await one.count(`tandem_tokens_total{${place},kind="shadow_output"}`);
    assert.ok(input > 0 && output > 0);
    const cost = await one.count(
      'tandem_cost_usd_total{provider="azure",backend="copy",model="gpt-4o",route="ai/chat",client="",kind="shadow"}',
    );
    assert.ok(Math.abs(cost - (input * 2.5 + output * 10) / 1e6) < 1e-9, String(cost));
    assert.equal((await one.day())?.tokens, input + output);
    const text = await (await fetch(`${one.harness.gateway.adminUrl}/metrics`)).text();
    const azure = text.split("\n").filter((line) => line.includes('provider="azure"') && !line.includes("shadow"));
    assert.deepEqual(
      azure.filter((line) => /^tandem_(requests|tokens|cost|attempts|request_duration)/.test(line)),
      [],
    );
    await log.close(2_000);
    const lines = readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [request, copy] = lines;
    assert.deepEqual([request?.msg, copy?.msg, copy?.kind, lines.length], ["request", "shadow", "shadow", 2]);
    assert.equal(copy?.request_id, request?.request_id);
    assert.deepEqual([copy?.backend, copy?.status, copy?.differs], ["copy", 200, []]);
  });

  test("the last comparisons are shown without a word of them", async () => {
    const one = await world({ simulators: { says: "a very secret answer" } });
    for (let n = 1; n <= 60; n++) await ask(one, { temperature: 0 });
    await one.settled(60);
    const [shadow] = (await status(one)).shadows;
    assert.equal(shadow?.records.length, 50);
    const [record] = shadow?.records ?? [];
    assert.ok(record?.live.hash !== undefined);
    assert.equal(record.live.hash, record.copy.hash, "equal answers have equal hashes");
    assert.doesNotMatch(JSON.stringify(shadow), /secret/);
  });

  test("commitments count what copies use: it is used up all the same", async () => {
    const models = [
      { name: "gpt-4o", deployment: "chat-prod", commitment: { tokensPerMinute: 1_000_000, window: "1h" } },
    ];
    const one = await world({ azure: { models }, route: { models: ["gpt-4o"] } });
    await ask(one);
    await one.settled(1);
    const { commitments } = (await one.harness.status()) as { commitments: { used: number }[] };
    assert.ok((commitments[0]?.used ?? 0) > 0);
  });

  test("a copy without a price is unpriced, never free", async () => {
    const models = [{ name: "gpt-4o", deployment: "chat-prod", baseModel: "a-model-of-ours" }];
    const unpriced = 'tandem_unpriced_requests_total{provider="azure",model="gpt-4o"}';
    const one = await world({ azure: { models }, route: { models: ["gpt-4o"] } });
    await ask(one);
    await one.settled(1);
    assert.equal(await one.count(unpriced), 1);
  });
});
