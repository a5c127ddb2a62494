/** Is what proxies measure of a rollout's two sides what happened at them? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { MeasuredBackend } from "../../../proxy/measures/measuring.ts";
import { percentile } from "../../../routing/rollout/measures.ts";
import { type Answer, FakeProvider, json, USAGE } from "../../fakes/provider.ts";
import { type Harness, objects, startHarness } from "../harness.ts";

const BACKENDS = [
  { name: "openai", providerRef: { name: "openai" } },
  { name: "azure", providerRef: { name: "azure-sweden" }, failover: "Allowed" },
];
const ROLLOUT = { stable: "openai", candidate: "azure", steps: [{ setShadow: 100 }, { setWeight: 100 }] };
/** Milliseconds. */
const WITHIN = 10_000;
const PRICE = { input: "1", output: "10" };
const TOOLS = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }];

interface World {
  readonly harness: Harness;
  readonly openai: FakeProvider;
  readonly azure: FakeProvider;
  /** Waits until so many attempts were counted. */
  candidate(requests: number, arm?: string): Promise<MeasuredBackend>;
  rows(): readonly MeasuredBackend[];
}

/** Everything goes to the candidate, or is copied to it. */
async function world(
  position = { weight: 100, shadowPercent: 0 },
  route: object = { rollout: ROLLOUT },
): Promise<World> {
  const openai = await new FakeProvider().start();
  const azure = await new FakeProvider().start();
  const harness = await startHarness({ openai: openai.url, azure: azure.url });
  const list = objects({
    azure: { models: [{ name: "gpt-4o", deployment: "gpt-4o-prod", price: PRICE }] },
    route: { models: ["gpt-4o"], backends: BACKENDS, ...route },
  });
  harness.apply(list, undefined, new Map([["ai/chat", position]]));
  const rows = () => harness.gateway.measures();
  const candidate = async (requests: number, arm = "live") => {
    const end = Date.now() + WITHIN;
    for (;;) {
      if (Date.now() > end) throw new Error(`the candidate has not ${requests} requests within ${WITHIN} ms`);
      const row = rows().find((one) => one.backend === "azure" && one.arm === arm);
      if (row && row.requests >= requests) return row;
      await sleep(5);
    }
  };
  return { harness, openai, azure, candidate, rows };
}

function choice(message: object, finish = "stop"): Answer {
  return json(200, {
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }],
    usage: USAGE,
  });
}

const calling = (args: string) =>
  choice(
    { content: null, tool_calls: [{ id: "1", type: "function", function: { name: "look", arguments: args } }] },
    "tool_calls",
  );

/** A chat stream of these deltas, the last with its end. */
function stream(deltas: readonly object[], finish: string): Answer {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const delta of deltas) response.write(event({ choices: [{ index: 0, delta, finish_reason: null }] }));
    response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: finish }] }));
    response.end(`${event({ choices: [], usage: USAGE })}data: [DONE]\n\n`);
  };
}

const event = (data: object) => `data: ${JSON.stringify(data)}\n\n`;
const argumentPieces = (pieces: readonly string[]) =>
  pieces.map((piece) => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));

async function ask(harness: Harness, body: object): Promise<number> {
  const response = await harness.chat(body);
  await response.text();
  return response.status;
}

describe("what an answer shows of the candidate", () => {
  const JSON_ASKED = { response_format: { type: "json_object" } };
  const cases: readonly [string, Answer, object, Partial<MeasuredBackend>][] = [
    ["nothing amiss", choice({ content: "Hi" }), {}, { truncated: 0, refusals: 0, schemaChecked: 0, errors: 0 }],
    ["its length reached", choice({ content: "Hi" }, "length"), {}, { truncated: 1 }],
    ["a refusal", choice({ content: null, refusal: "No." }), JSON_ASKED, { refusals: 1, schemaChecked: 0 }],
    ["a filter", choice({ content: "" }, "content_filter"), {}, { refusals: 1 }],
    ["JSON", choice({ content: '{"a":1}' }), JSON_ASKED, { schemaChecked: 1, schemaFailed: 0 }],
    ["no JSON", choice({ content: '{"a":' }), JSON_ASKED, { schemaChecked: 1, schemaFailed: 1 }],
    ["arguments", calling('{"a":1}'), { tools: TOOLS }, { schemaChecked: 1, schemaFailed: 0 }],
    ["broken arguments", calling('{"a":1'), { tools: TOOLS }, { schemaChecked: 1, schemaFailed: 1 }],
    ["an answer without a call", choice({ content: "Hi" }), { tools: TOOLS }, { schemaChecked: 1, schemaFailed: 0 }],
    ["the word in a prompt", choice({ content: "Hi" }), { user: '"response_format"' }, { schemaChecked: 0 }],
    [
      "a refused request",
      json(400, { error: { code: "content_filter", message: "no" } }),
      {},
      { refusals: 1, errors: 0 },
    ],
  ];
  for (const [name, answer, asked, shown] of cases) {
    test(name, async () => {
      const { harness, azure, candidate } = await world();
      azure.answer = answer;
      await ask(harness, asked);
      const row = await candidate(1);
      assert.deepEqual(pick(row, shown), shown);
    });
  }

  const streams: readonly [string, Answer, object, Partial<MeasuredBackend>][] = [
    ["nothing amiss", stream([{ content: "Hi" }], "stop"), {}, { truncated: 0, refusals: 0, schemaChecked: 0 }],
    ["its length reached", stream([{ content: "Hi" }], "length"), {}, { truncated: 1 }],
    ["a refusal", stream([{ refusal: "No" }, { refusal: "." }], "stop"), {}, { refusals: 1 }],
    ["a filter", stream([{ content: "Hi" }], "content_filter"), {}, { refusals: 1 }],
    [
      "JSON",
      stream([{ content: '{"a"' }, { content: ":1}" }], "stop"),
      JSON_ASKED,
      { schemaChecked: 1, schemaFailed: 0 },
    ],
    ["no JSON", stream([{ content: '{"a"' }, { content: ":" }], "stop"), JSON_ASKED, { schemaFailed: 1 }],
    [
      "arguments",
      stream(argumentPieces(['{"a"', ":1}", '{"b":2}']), "tool_calls"),
      { tools: TOOLS },
      { schemaChecked: 1, schemaFailed: 0 },
    ],
    ["broken arguments", stream(argumentPieces(['{"a"', ":1"]), "tool_calls"), { tools: TOOLS }, { schemaFailed: 1 }],
  ];
  for (const [name, answer, asked, shown] of streams) {
    test(`in a stream: ${name}`, async () => {
      const { harness, azure, candidate } = await world();
      azure.answer = answer;
      await ask(harness, { stream: true, ...asked });
      const row = await candidate(1);
      assert.deepEqual(pick(row, shown), shown);
      assert.equal(Object.keys(row.firstToken).length, 1);
    });
  }

  test("of responses: a refusal, a length, broken arguments, in streams and whole", async () => {
    const { harness, azure, candidate } = await world();
    const output = [{ type: "function_call", name: "look", arguments: "{" }];
    azure.answer = json(200, {
      object: "response",
      status: "completed",
      output,
      usage: { input_tokens: 1, output_tokens: 1 },
    });
    const body = { model: "gpt-4o", input: "Hi", tools: [{ type: "function", name: "look" }] };
    await (await harness.post("/v1/responses", body)).text();
    assert.equal((await candidate(1)).schemaFailed, 1);
    azure.answer = (response) => {
      const typed = (data: { type: string }) => `event: ${data.type}\n${event(data)}`;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(typed({ type: "response.function_call_arguments.delta", delta: '{"a"' } as { type: string }));
      const early = { status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output: [] };
      response.end(typed({ type: "response.incomplete", response: early } as { type: string }));
    };
    await (await harness.post("/v1/responses", { ...body, stream: true })).text();
    const row = await candidate(2);
    assert.deepEqual(pick(row, { truncated: 1, schemaFailed: 2 }), { truncated: 1, schemaFailed: 2 });
  });
});

function pick(row: MeasuredBackend, shown: Partial<MeasuredBackend>): Partial<MeasuredBackend> {
  return Object.fromEntries(Object.keys(shown).map((name) => [name, row[name as keyof MeasuredBackend]]));
}

test("the candidate's failure is its own, although stable saved the caller", async () => {
  const { harness, azure, candidate, rows } = await world();
  azure.answer = json(500, { error: { message: "broken" } });
  assert.equal(await ask(harness, {}), 200);
  const row = await candidate(1);
  assert.equal(row.errors, 1);
  assert.deepEqual(row.latency, {});
  const stable = rows().find(({ backend }) => backend === "openai");
  assert.deepEqual([stable?.requests, stable?.errors], [1, 0]);
});

test("a rate limit is an error, a caller's mistake is nothing", async () => {
  const { harness, azure, candidate } = await world();
  azure.answer = json(400, { error: { code: "invalid_value", message: "no" } });
  assert.equal(await ask(harness, {}), 400);
  azure.answer = json(429, { error: { message: "slow down" } });
  await ask(harness, {});
  const { requests, errors, rateLimited } = await candidate(1);
  assert.deepEqual({ requests, errors, rateLimited }, { requests: 1, errors: 1, rateLimited: 1 });
});

test("what an answer took and cost", async () => {
  const { harness, azure, candidate } = await world();
  const answer = choice({ content: "Hi" });
  azure.answer = async (response, request) => {
    await sleep(60);
    await answer(response, request);
  };
  await ask(harness, {});
  const row = await candidate(1);
  assert.equal(row.priced, 1);
  assert.equal(row.nanoUsd, USAGE.prompt_tokens * 1_000 + USAGE.completion_tokens * 10_000);
  assert.equal(row.nanoUsdSquared, row.nanoUsd ** 2);
  assert.ok((percentile(row.latency, 0.5) ?? 0) >= 55);
});

test("a caller who goes away says nothing of the candidate", async () => {
  const { harness, azure, candidate, rows } = await world();
  azure.answer = (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event({ choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: null }] }));
  };
  const leave = new AbortController();
  const response = await fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer tdm-harness-client-key" },
    body: JSON.stringify({ model: "gpt-4o", stream: true, messages: [] }),
    signal: leave.signal,
  });
  await response.body?.getReader().read();
  leave.abort();
  azure.answer = choice({ content: "Hi" });
  await ask(harness, {});
  assert.equal((await candidate(1)).errors, 0);
  assert.equal(rows().find(({ backend }) => backend === "azure")?.requests, 1);
});

test("copies are measured apart", async () => {
  const { harness, azure, candidate, rows } = await world({ weight: 0, shadowPercent: 100 });
  azure.answer = stream([{ content: "H" }, { content: "i" }], "length");
  await ask(harness, {});
  const row = await candidate(1, "shadow");
  assert.deepEqual([row.truncated, row.errors], [1, 0]);
  assert.equal(Object.keys(row.latency).length, 1);
  assert.ok(!rows().some(({ backend, arm }) => backend === "azure" && arm === "live"));
});

test("without a rollout nothing is measured, and the summary holds what is", async () => {
  const without = await world({ weight: 0, shadowPercent: 0 }, {});
  await ask(without.harness, {});
  assert.deepEqual(without.rows(), []);
  const { harness, azure, candidate } = await world();
  azure.answer = choice({ content: "Hi" });
  await ask(harness, {});
  await candidate(1);
  const summary = (await (await fetch(`${harness.gateway.adminUrl}/status/summary`)).json()) as { measures: object[] };
  assert.deepEqual(summary.measures, JSON.parse(JSON.stringify(harness.gateway.measures())));
  assert.deepEqual((await harness.status()).measures, summary.measures);
});
