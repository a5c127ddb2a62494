/** Streams of Responses through the gateway: whole, cut, failing; what the caller asked for and what it cost. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { beforeEach, test } from "node:test";
import { FakeProvider, json, stream } from "../fakes/provider.ts";
import { objects, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url });

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  azure.answer = stream(WHOLE_STREAM);
  harness.apply([]);
  harness.apply(objects({ openai: { timeouts: { idle: "200ms" } } }));
});

const RESPONSE = { object: "response", status: "in_progress", usage: null, output: [] };
const USAGE = { input_tokens: 11, output_tokens: 5, total_tokens: 16 };

function event(type: string, number: number, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields, sequence_number: number })}\n\n`;
}

const CREATED = event("response.created", 0, { response: RESPONSE });
const WHOLE_STREAM = [
  CREATED,
  event("response.output_text.delta", 1, { item_id: "msg_1", delta: "Hello" }),
  event("response.output_text.delta", 2, { item_id: "msg_1", delta: " world" }),
  event("response.completed", 3, { response: { ...RESPONSE, status: "completed", usage: USAGE } }),
];
const WHOLE = WHOLE_STREAM.join("");

const ask = () => harness.post("/v1/responses", { model: "gpt-4o", input: "Hi", stream: true });

function assertCut(text: string, before: string, number: number): void {
  assert.ok(text.startsWith(before), text);
  const [name, data = "", ...rest] = text.slice(before.length).split("\n");
  assert.equal(name, "event: error");
  const { message, ...fields } = JSON.parse(data.slice("data: ".length)) as Record<string, unknown>;
  assert.deepEqual(fields, { type: "error", code: "stream_interrupted", param: null, sequence_number: number });
  assert.deepEqual(rest, ["", ""], "nothing follows");
}

test("a whole stream passes byte for byte and no [DONE] is added", async () => {
  openai.answer = stream(WHOLE_STREAM);
  assert.equal(await (await ask()).text(), WHOLE);
  const sent = JSON.parse(openai.calls[0]?.body ?? "") as object;
  assert.deepEqual(sent, { model: "gpt-4o", input: "Hi", stream: true });
});

test("a [DONE] of the provider's is passed on", async () => {
  openai.answer = stream([...WHOLE_STREAM, "data: [DONE]\n\n"]);
  assert.equal(await (await ask()).text(), `${WHOLE}data: [DONE]\n\n`);
});

for (const [what, after] of [
  ["breaks", (response: ServerResponse) => response.destroy()],
  ["stays open", () => undefined],
] as const) {
  test(`a connection that ${what} after the last event takes nothing from the answer`, async () => {
    openai.answer = stream(WHOLE_STREAM, after);
    assert.equal(await (await ask()).text(), WHOLE);
  });
}

test("a body that ends cleanly before the last event is a cut", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, 3));
  assertCut(await (await ask()).text(), WHOLE_STREAM.slice(0, 3).join(""), 3);
});

test("a connection that breaks is a cut, half an event is not passed on", async () => {
  openai.answer = stream([CREATED, `${WHOLE_STREAM[1]}event: response.output_te`], (response) => response.destroy());
  assertCut(await (await ask()).text(), WHOLE_STREAM.slice(0, 2).join(""), 2);
  assert.equal(azure.calls.length, 0, "fell over after bytes had been passed on");
});

test("a stream that stalls longer than timeouts.idle is a cut", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, 2), () => undefined);
  assertCut(await (await ask()).text(), WHOLE_STREAM.slice(0, 2).join(""), 2);
});

test("an error event first falls over, later it is passed on and ends the stream", async () => {
  const error = event("error", 1, { code: "server_error", message: "no", param: null });
  openai.answer = stream([error]);
  assert.equal(await (await ask()).text(), WHOLE);
  openai.answer = stream([CREATED, error]);
  assert.equal(await (await ask()).text(), CREATED + error);
});

test("a failed response is passed on once it was created, and falls over where it comes first", async () => {
  const response = { ...RESPONSE, status: "failed", error: { code: "server_error", message: "no" } };
  const failed = event("response.failed", 1, { response });
  openai.answer = stream([failed]);
  assert.equal(await (await ask()).text(), WHOLE);
  openai.answer = stream([CREATED, failed]);
  assert.equal(await (await ask()).text(), CREATED + failed);
});

test("what is the caller's own fault does not fall over and opens no breaker", async () => {
  const response = { ...RESPONSE, status: "failed", error: { code: "invalid_prompt", message: "no" } };
  const failed = event("response.failed", 0, { response });
  openai.answer = stream([failed]);
  harness.apply(objects({ openai: { circuitBreaker: { failureThreshold: 2, recoveryTimeout: "60s" } } }));
  for (let i = 0; i < 4; i++) assert.equal(await (await ask()).text(), failed);
  assert.equal(azure.calls.length, 0);
});

test("timeouts.firstToken waits for a delta, not for the events before it", async () => {
  openai.answer = stream([CREATED], () => undefined);
  harness.apply(objects({ openai: { timeouts: { firstToken: "150ms", idle: "5s" } } }));
  const response = await ask();
  assert.equal(await response.text(), WHOLE);
  assert.equal(response.headers.get("x-tandem-decision"), "failover:timeout");
});

test("CRLF and a chunk that ends inside a character", async () => {
  const text = event("response.output_text.delta", 1, { item_id: "msg_1", delta: "😀é" });
  const whole = [CREATED, text, WHOLE_STREAM[3]].join("").replaceAll("\n", "\r\n");
  const bytes = Buffer.from(whole);
  const middle = bytes.indexOf(Buffer.from("😀")) + 2;
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(bytes.subarray(0, middle));
    await new Promise((resolve) => setTimeout(resolve, 20));
    response.end(bytes.subarray(middle));
  };
  assert.equal(await (await ask()).text(), whole);
});

test("usage is counted, of streams and of plain answers", async () => {
  const counted = async () => {
    const text = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
    const of = (kind: string) =>
      Number(new RegExp(`^tandem_tokens_total\\{.*kind="${kind}".*\\} (\\d+)`, "m").exec(text)?.[1] ?? 0);
    return { input: of("input"), cached: of("cached_input"), output: of("output"), reasoning: of("reasoning") };
  };
  const before = await counted();
  openai.answer = stream(WHOLE_STREAM);
  await (await ask()).text();
  const usage = {
    ...USAGE,
    input_tokens_details: { cached_tokens: 4 },
    output_tokens_details: { reasoning_tokens: 2 },
  };
  const after = { usage, user: "usage", metadata: { usage: 'of the "usage" kind', more: "x".repeat(9000) } };
  openai.answer = json(200, { ...RESPONSE, status: "completed", ...after });
  await (await harness.post("/v1/responses", { model: "gpt-4o", input: "Hi" })).text();
  const now = await counted();
  assert.deepEqual(now, {
    input: before.input + 22,
    cached: before.cached + 4,
    output: before.output + 10,
    reasoning: before.reasoning + 2,
  });
});
