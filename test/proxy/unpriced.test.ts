/** Is an answer whose price nobody knows told as unpriced: another tier, tools that the provider runs, jobs? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, chatAnswer, event, FakeProvider, json, stream, USAGE } from "../fakes/provider.ts";
import { KEY, objects, startHarness } from "./harness.ts";
import { parsePrometheus } from "./telemetry/prometheus-text.ts";

const openai = await new FakeProvider().start();
const harness = await startHarness({
  openai: openai.url,
  azure: openai.url,
  objects: objects({
    openai: { models: [{ name: "gpt-4o", price: { input: "1", output: "1" } }] },
    route: { backends: [{ name: "openai", providerRef: { name: "openai" } }] },
  }),
});

async function told(): Promise<{ requests: number; unpriced: number; nano: number }> {
  const families = parsePrometheus(await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text());
  const sum = (name: string) => (families.get(name)?.samples ?? []).reduce((total, { value }) => total + value, 0);
  return {
    requests: sum("tandem_requests_total"),
    unpriced: sum("tandem_unpriced_requests_total"),
    nano: Math.round(sum("tandem_cost_usd_total") * 1e9),
  };
}

/** Asks once; whether it was unpriced, and its cost in nano-dollars. */
async function ask(answer: Answer, path = "/v1/chat/completions", body: object = {}): Promise<[boolean, number]> {
  const before = await told();
  openai.answer = answer;
  const input = path === "/v1/responses" ? { input: "Hi" } : { messages: [{ role: "user", content: "Hi" }] };
  const asked = path === "/v1/batches" ? body : { model: "gpt-4o", ...input, ...body };
  const response = await harness.post(path, asked, { "x-tandem-route": "chat" });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  let now = await told();
  while (now.requests === before.requests) {
    await sleep(10);
    now = await told();
  }
  return [now.unpriced > before.unpriced, now.nano - before.nano];
}

const LISTED = (USAGE.prompt_tokens + USAGE.completion_tokens) * 1000;

const inTier = (service_tier: unknown): Answer => {
  const message = { role: "assistant", content: 'it said "service_tier": "flex"', refusal: null };
  const choices = [{ index: 0, message, finish_reason: "stop" }];
  return json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices, usage: USAGE, service_tier });
};

test("an answer of a tier at list price is priced, one of another tier is marked and counts its list price", async () => {
  assert.deepEqual(await ask(chatAnswer("Hi")), [false, LISTED]);
  for (const tier of ["default", null]) assert.deepEqual(await ask(inTier(tier)), [false, LISTED], `${tier}`);
  for (const tier of ["flex", "priority", "new"]) assert.deepEqual(await ask(inTier(tier)), [true, LISTED], tier);
});

test("a stream tells its tier where it tells its usage", async () => {
  const last = (service_tier: string) => {
    const chunk = { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], service_tier };
    return `data: ${JSON.stringify({ ...chunk, usage: USAGE })}\n\n`;
  };
  const answer = (tier: string) =>
    stream([event({ content: "Hi" }), event({}, "stop"), last(tier), "data: [DONE]\n\n"]);
  const asked = { stream: true, stream_options: { include_usage: true } };
  assert.deepEqual(await ask(answer("default"), undefined, asked), [false, LISTED]);
  assert.deepEqual(await ask(answer("priority"), undefined, asked), [true, LISTED]);
});

test("what the provider's own tools cost is not known, streamed or not", async () => {
  const usage = { input_tokens: 9, output_tokens: 4, total_tokens: 13 };
  const responded = (...types: string[]) => ({
    id: "resp_1",
    object: "response",
    created_at: 1,
    status: "completed",
    model: "m",
    output: [
      ...types.map((type) => ({ id: "x_1", type, status: "completed" })),
      {
        id: "msg_1",
        type: "message",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: 'a "web_search_call"', annotations: [] }],
      },
    ],
    service_tier: "default",
    usage,
  });
  const streamed = (...types: string[]): Answer => {
    const completed = { type: "response.completed", sequence_number: 1, response: responded(...types) };
    return stream([`event: response.completed\ndata: ${JSON.stringify(completed)}\n\n`]);
  };
  assert.deepEqual(await ask(json(200, responded("function_call")), "/v1/responses"), [false, LISTED]);
  assert.deepEqual(await ask(streamed("function_call"), "/v1/responses", { stream: true }), [false, LISTED]);
  for (const type of ["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"]) {
    assert.deepEqual(await ask(json(200, responded(type)), "/v1/responses"), [true, LISTED], type);
    assert.deepEqual(await ask(streamed(type), "/v1/responses", { stream: true }), [true, LISTED], type);
  }
});

test("jobs are unpriced when they begin", async () => {
  const lines = {
    custom_id: "1",
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "gpt-4o", messages: [] },
  };
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new Blob([`${JSON.stringify(lines)}\n`]), "batch.jsonl");
  openai.answer = json(200, { id: "file-1", object: "file", bytes: 1, created_at: 1, filename: "b", purpose: "batch" });
  const headers = { authorization: `Bearer ${KEY}`, "x-tandem-route": "chat" };
  const kept = await fetch(`${harness.url}/v1/files`, { method: "POST", headers, body: form });
  const { id } = (await kept.json()) as { id: string };
  const job = { input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" };
  const begun = { id: "batch_1", object: "batch", status: "validating" };
  assert.deepEqual(await ask(json(200, begun), "/v1/batches", job), [true, 0]);
});
