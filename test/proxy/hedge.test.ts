/** What happens when a second backend is asked beside a silent one, and what does it cost? */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LogDestination } from "../../proxy/telemetry/log.ts";
import {
  type Answer,
  chatAnswer,
  delayed,
  errorAnswer,
  FakeProvider,
  stream,
  USAGE,
  WHOLE_STREAM,
} from "../fakes/provider.ts";
import { errorOf, KEY, OPENAI_KEY, objects, startHarness } from "./harness.ts";
import { parsePrometheus } from "./telemetry/prometheus-text.ts";

const folder = await mkdtemp(join(tmpdir(), "tandem-hedge-"));
after(() => rm(folder, { recursive: true, force: true }));
const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const accessLog = new LogDestination(join(folder, "access.log"));
const harness = await startHarness({ openai: openai.url, azure: azure.url, accessLog });

const HEDGE_AFTER = "150ms";
/** What answers at once has answered by then, also on a busy machine. */
const PATIENT = "1s";
/** Milliseconds after which a second backend has long been asked. */
const LATER = 600;
const silent: Answer = () => undefined;

const hedging = (failover: object = {}, change: Parameters<typeof objects>[0] = {}) => {
  harness.apply([]);
  harness.apply(
    objects({ ...change, route: { failover: { retrySameProvider: 0, hedgeAfter: HEDGE_AFTER, ...failover } } }),
  );
};

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  openai.answer = silent;
  azure.answer = chatAnswer("from azure");
  hedging();
});

async function content(response: Response): Promise<unknown> {
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]?.message.content;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await isSo()); i++) {
    assert.ok(i < 500, `${isSo} has not come true`);
    await sleep(10);
  }
}

async function inFlight(): Promise<number> {
  const { providers } = (await harness.status()) as { providers: { calls: { inFlight: number } }[] };
  return providers.reduce((sum, { calls }) => sum + calls.inFlight, 0);
}

async function values(name: string): Promise<{ labels: Record<string, string>; value: number }[]> {
  const text = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  return [...(parsePrometheus(text).get(name)?.samples ?? [])];
}

async function sum(name: string, labels: Record<string, string>): Promise<number> {
  const fits = (one: Record<string, string>) => Object.entries(labels).every(([label, text]) => one[label] === text);
  return (await values(name)).filter((one) => fits(one.labels)).reduce((total, { value }) => total + value, 0);
}

interface Line {
  readonly request_id: string;
  readonly hedge?: string;
  readonly attempts: {
    backend: string;
    outcome: string;
    input_tokens?: number;
    output_tokens?: number;
    cost_usd?: number;
  }[];
  readonly cost_usd?: number;
}

async function lineOf(response: Response): Promise<Line> {
  const id = response.headers.get("x-request-id");
  let line: Line | undefined;
  await until(async () => {
    const lines = (await readFile(join(folder, "access.log"), "utf8")).trim().split("\n").filter(Boolean);
    line = lines.map((one) => JSON.parse(one) as Line).find(({ request_id }) => request_id === id);
    return line !== undefined;
  });
  return line as Line;
}

function assertFrom(response: Response, backend: string, decision: string, attempts = "2"): void {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-tandem-backend"), backend);
  assert.equal(response.headers.get("x-tandem-decision"), decision);
  assert.equal(response.headers.get("x-tandem-attempts"), attempts);
}

test("a silent backend is joined by the next one, whose answer counts", async () => {
  const response = await harness.chat();
  assertFrom(response, "azure", "hedged");
  assert.equal(response.headers.get("x-tandem-model"), "gpt-4o-prod");
  assert.equal(await content(response), "from azure");
  await until(() => openai.calls[0]?.aborted === true);
  await until(async () => (await inFlight()) === 0);
});

test("a backend that answers in time is alone", async () => {
  hedging({ hedgeAfter: PATIENT });
  openai.answer = chatAnswer("from openai");
  assertFrom(await harness.chat(), "openai", "priority", "1");
  openai.answer = stream(WHOLE_STREAM);
  assert.equal(await (await harness.chat({ stream: true })).text(), WHOLE_STREAM.join(""));
  await sleep(1200);
  assert.equal(azure.calls.length, 0);
});

test("the first may still win, and then the answer is its own in every way", async () => {
  azure.answer = silent;
  openai.answer = delayed(LATER, chatAnswer("from openai"));
  const response = await harness.chat();
  assertFrom(response, "openai", "priority");
  assert.equal(response.headers.get("x-tandem-model"), "gpt-4o");
  assert.equal(await content(response), "from openai");
  await until(() => azure.calls[0]?.aborted === true);
  await until(async () => (await inFlight()) === 0);
  const line = await lineOf(response);
  assert.equal(line.hedge, "lost");
  assert.deepEqual(
    line.attempts.map(({ backend, outcome }) => [backend, outcome]),
    [
      ["azure", "superseded"],
      ["openai", "ok"],
    ],
  );
});

test("a stream that says nothing is joined, one that has begun is not", async () => {
  azure.answer = stream(WHOLE_STREAM);
  const joined = await harness.chat({ stream: true });
  assertFrom(joined, "azure", "hedged");
  assert.equal(await joined.text(), WHOLE_STREAM.join(""));
  await until(() => openai.calls[0]?.aborted === true);
  azure.seen.length = 0;
  hedging({ hedgeAfter: PATIENT });
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    await sleep(1500);
    response.end(WHOLE_STREAM.join(""));
  };
  const alone = await harness.chat({ stream: true });
  assertFrom(alone, "openai", "priority", "1");
  assert.equal(await alone.text(), WHOLE_STREAM.join(""));
  assert.equal(azure.calls.length, 0);
});

test("a failure of one while the other goes on ends only its own side", async () => {
  openai.answer = delayed(LATER, errorAnswer(500, "server_error"));
  azure.answer = delayed(2 * LATER, chatAnswer("from azure"));
  const first = await harness.chat();
  assertFrom(first, "azure", "hedged");
  assert.deepEqual(
    (await lineOf(first)).attempts.map(({ outcome }) => outcome),
    ["server_error", "ok"],
  );
  openai.answer = delayed(2 * LATER, chatAnswer("from openai"));
  azure.answer = errorAnswer(429, "429", { "retry-after-ms": "60000" });
  const second = await harness.chat();
  assertFrom(second, "openai", "priority");
  assert.equal(await content(second), "from openai");
});

test("when both fail the next is asked, or the caller told", async () => {
  openai.answer = delayed(2 * LATER, errorAnswer(500, "server_error"));
  azure.answer = errorAnswer(503, "overloaded");
  const told = await harness.chat();
  assert.equal(told.status, 500);
  assert.equal((await errorOf(told)).code, "server_error");
  assert.equal((await lineOf(told)).hedge, "failed");
  hedging({ retrySameProvider: 1, backoff: { base: "1ms", max: "2ms" } });
  let asked = 0;
  openai.answer = (response, request) =>
    asked++ === 0
      ? delayed(2 * LATER, errorAnswer(500, "server_error"))(response, request)
      : chatAnswer("again")(response, request);
  assertFrom(await harness.chat(), "openai", "priority", "3");
});

test("the caller's own fault is told at once, whoever found it", async () => {
  openai.answer = delayed(LATER, errorAnswer(400, "invalid_value"));
  azure.answer = silent;
  const response = await harness.chat();
  assert.equal(response.status, 400);
  assert.equal((await errorOf(response)).code, "invalid_value");
  await until(() => azure.calls[0]?.aborted === true);
  await until(async () => (await inFlight()) === 0);
});

test("a caller who goes away ends both", async () => {
  azure.answer = silent;
  const abort = new AbortController();
  const asked = fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", messages: [] }),
    signal: abort.signal,
  }).catch(() => undefined);
  await until(() => openai.calls.length === 1 && azure.calls.length === 1);
  abort.abort();
  await asked;
  await until(() => openai.calls[0]?.aborted === true && azure.calls[0]?.aborted === true);
  await until(async () => (await inFlight()) === 0);
});

test("nobody is asked beside who may not be, cannot be at once, or is beyond the bounds", async () => {
  const cases: [string, () => void][] = [
    ["fallbackToNext", () => hedging({ fallbackToNext: false })],
    ["maxAttempts", () => hedging({ maxAttempts: 1 })],
    ["maxDuration", () => hedging({ hedgeAfter: "600ms", maxDuration: "500ms" })],
  ];
  for (const [what, apply] of cases) {
    apply();
    openai.answer = delayed(800, chatAnswer("from openai"));
    assertFrom(await harness.chat(), "openai", "priority", "1");
    assert.equal(azure.calls.length, 0, what);
  }
  hedging({}, { azure: { concurrency: { max: 1, queue: 5 } } });
  azure.answer = silent;
  openai.answer = errorAnswer(500, "server_error");
  const abort = new AbortController();
  const occupying = fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o", messages: [] }),
    signal: abort.signal,
  }).catch(() => undefined);
  await until(() => azure.calls.length === 1);
  openai.answer = delayed(LATER, chatAnswer("from openai"));
  assertFrom(await harness.chat(), "openai", "priority", "1");
  assert.equal(azure.calls.length, 1);
  abort.abort();
  await occupying;
  hedging();
  openai.answer = errorAnswer(500, "server_error");
  azure.answer = errorAnswer(429, "429", { "retry-after-ms": "60000" });
  await harness.chat();
  azure.seen.length = 0;
  openai.answer = delayed(LATER, chatAnswer("from openai"));
  assertFrom(await harness.chat(), "openai", "priority", "1");
  assert.equal(azure.calls.length, 0);
});

test("a route hedges ten requests at once and then one of ten, and the breaker learns from the others", async () => {
  hedging({}, { openai: { circuitBreaker: { failureThreshold: 1000, minRequests: 10_000 } } });
  openai.answer = delayed(3 * LATER, chatAnswer("from openai"));
  const before = await sum("tandem_hedges_total", { outcome: "capped" });
  const backends = async (requests: number) => {
    const responses = await Promise.all(Array.from({ length: requests }, () => harness.chat()));
    return responses.map((response) => response.headers.get("x-tandem-backend"));
  };
  const first = await backends(30);
  // Ten were saved; those that come after a hedge earn the next.
  const hedged = first.filter((name) => name === "azure").length;
  assert.ok(hedged >= 10 && hedged <= 13, `${hedged}`);
  assert.equal(azure.calls.length, hedged);
  assert.equal(await sum("tandem_hedges_total", { outcome: "capped" }), before + 30 - hedged);
  hedging({}, { openai: { circuitBreaker: { failureThreshold: 3 }, timeouts: { request: "1s" } } });
  openai.answer = silent;
  assert.deepEqual(new Set(await backends(30)), new Set(["azure"]));
  openai.seen.length = 0;
  assert.deepEqual(await backends(1), ["azure"]);
  assert.equal(openai.calls.length, 0, "its breaker is open");
});

test("what makes a thing is never asked for twice", async () => {
  openai.answer = delayed(LATER, chatAnswer("made"));
  await harness.post("/v1/vector_stores", { name: "x" }, { "x-tandem-route": "chat" });
  assert.equal(openai.calls.length, 1);
  assert.equal(azure.calls.length, 0);
});

test("both are paid, each at the price of its own backend", async () => {
  const price = (output: string) => ({ input: "0", output });
  hedging(
    {},
    {
      openai: { models: [{ name: "gpt-4o", price: price("1000") }] },
      azure: { models: [{ name: "gpt-4o", deployment: "gpt-4o-prod", price: price("3000") }] },
    },
  );
  const cost = (backend: string) => sum("tandem_cost_usd_total", { backend });
  const before = { openai: await cost("openai"), azure: await cost("azure") };
  const { attempts, cost_usd } = await lineOf(await harness.chat());
  const tokens = USAGE.completion_tokens;
  assert.deepEqual(
    [attempts.map((attempt) => attempt.cost_usd), cost_usd],
    [[tokens / 1000, undefined], (tokens * 3) / 1000],
  );
  const near = (value: number) => Math.round(value * 1e9);
  assert.equal(near((await cost("openai")) - before.openai), tokens * 1e6);
  assert.equal(near((await cost("azure")) - before.azure), tokens * 3e6);
});

test("the tokens of both are counted, each where it was paid, and those for nothing by themselves", async () => {
  const at = (backend: string, kind: string) => ({ backend, kind });
  const before = {
    won: await sum("tandem_hedges_total", { outcome: "won" }),
    openai: await sum("tandem_tokens_total", at("openai", "output")),
    azure: await sum("tandem_tokens_total", at("azure", "output")),
    hedgedInput: await sum("tandem_hedged_tokens_total", at("openai", "input")),
    hedged: await sum("tandem_hedged_tokens_total", at("openai", "output")),
    failovers: await sum("tandem_failovers_total", {}),
  };
  const response = await harness.chat();
  assertFrom(response, "azure", "hedged");
  const { attempts, hedge } = await lineOf(response);
  assert.equal(hedge, "won");
  assert.deepEqual(
    attempts.map(({ outcome, input_tokens, output_tokens }) => [outcome, input_tokens, output_tokens]),
    [
      ["superseded", USAGE.prompt_tokens, USAGE.completion_tokens],
      ["ok", undefined, undefined],
    ],
  );
  assert.equal(await sum("tandem_hedges_total", { outcome: "won" }), before.won + 1);
  const tokens = USAGE.completion_tokens;
  assert.equal(await sum("tandem_tokens_total", at("openai", "output")), before.openai + tokens);
  assert.equal(await sum("tandem_tokens_total", at("azure", "output")), before.azure + tokens);
  assert.equal(await sum("tandem_hedged_tokens_total", at("openai", "output")), before.hedged + tokens);
  assert.equal(
    await sum("tandem_hedged_tokens_total", at("openai", "input")),
    before.hedgedInput + USAGE.prompt_tokens,
  );
  assert.equal(await sum("tandem_failovers_total", {}), before.failovers, "nothing had failed");
});

test("the first provider's refusal does not bring its key back, though another key was sent after it", async () => {
  openai.answer = delayed(LATER, errorAnswer(500, "broken", { "x-echo": `Bearer ${OPENAI_KEY}` }));
  azure.answer = errorAnswer(500, "broken");
  const response = await harness.chat();
  assert.deepEqual([response.status, response.headers.get("x-tandem-attempts")], [500, "2"]);
  assert.equal(response.headers.get("x-tandem-error-origin"), "provider");
  assert.equal(response.headers.get("x-echo"), null);
  await response.text();
});
