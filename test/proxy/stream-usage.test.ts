/** What a stream cost is known, whether or not its caller asked, its provider said, or its end came. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { LogDestination } from "../../proxy/telemetry/log.ts";
import {
  type Answer,
  chatAnswer,
  errorAnswer,
  event,
  FakeProvider,
  type SeenRequest,
  stream,
  WHOLE_STREAM,
} from "../fakes/provider.ts";
import { KEY, objects, startHarness } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-usage-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const logFile = join(folder, "access.log");
const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({
  openai: openai.url,
  azure: azure.url,
  accessLog: new LogDestination(logFile),
});

beforeEach(() => {
  for (const one of [openai, azure]) {
    one.seen.length = 0;
    one.answer = telling;
  }
  harness.apply([]);
  harness.apply(objects());
});

const USAGE = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
const USAGE_EVENT = `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [], usage: USAGE })}\n\n`;
const WHOLE = WHOLE_STREAM.join("");
const TOLD = [...WHOLE_STREAM.slice(0, -1), USAGE_EVENT, "data: [DONE]\n\n"];

/** As providers do: usage to who asks for it. */
const telling: Answer = (response, request) =>
  stream(optionsOf(request)?.include_usage === true ? TOLD : WHOLE_STREAM)(response, request);

function optionsOf(request: SeenRequest | undefined): { include_usage?: unknown } | undefined {
  return (JSON.parse(request?.body ?? "{}") as { stream_options?: object }).stream_options;
}

type Line = Record<string, unknown>;

function linesNow(): Line[] {
  // The last piece is empty, or a line that is being written.
  const lines = readFileSync(logFile, "utf8").split("\n").slice(0, -1);
  return lines.map((text) => JSON.parse(text) as Line);
}

/** The access log's line of the answer, when it has come. */
async function lineOf(response: Response): Promise<Line> {
  const id = response.headers.get("x-request-id");
  for (let i = 0; i < 1000; i++) {
    const line = linesNow().find(({ request_id }) => request_id === id);
    if (line) return line;
    await sleep(10);
  }
  throw new Error(`no line of ${id}`);
}

const counted = ({ input_tokens, output_tokens, usage_estimated }: Line) => [
  input_tokens,
  output_tokens,
  usage_estimated,
];

test("usage is asked for where the caller did not, and the chunk with it withheld", async () => {
  const asked: readonly (readonly [object, unknown])[] = [
    [{}, { include_usage: true }],
    [{ stream_options: null }, { include_usage: true }],
    [{ stream_options: {} }, { include_usage: true }],
    [{ stream_options: { include_obfuscation: false } }, { include_usage: true, include_obfuscation: false }],
    [{ stream_options: { include_usage: false, x: [1] } }, { include_usage: true, x: [1] }],
    [{ stream_options: { include_usage: null } }, { include_usage: true }],
  ];
  for (const [body, sent] of asked) {
    openai.seen.length = 0;
    const response = await harness.chat({ stream: true, ...body });
    assert.equal(await response.text(), WHOLE, JSON.stringify(body));
    assert.deepEqual(optionsOf(openai.calls[0]), sent);
    assert.deepEqual(counted(await lineOf(response)), [7, 2, undefined]);
  }
});

test("nothing else of the body changes", async () => {
  const body = '{ "messages" : [ ] ,\n "stream" : true, "temperature":0.10, "model":"gpt-4o" }';
  await (await harness.post("/v1/chat/completions", body)).text();
  assert.equal(openai.calls[0]?.body, `{"stream_options":{"include_usage":true},${body.slice(1)}`);
});

test("who asks for usage gets it, and a body that asks goes as it came", async () => {
  const body = '{"model":"gpt-4o","messages":[],"stream":true,"stream_options":{"include_usage": true}}';
  const response = await harness.post("/v1/chat/completions", body);
  assert.equal(await response.text(), TOLD.join(""));
  assert.equal(openai.calls[0]?.body, body);
  assert.deepEqual(counted(await lineOf(response)), [7, 2, undefined]);
});

test("a plain answer that is too large to be held tells its usage too", async () => {
  openai.answer = chatAnswer("x".repeat(3 * 1024 * 1024));
  const response = await harness.chat({});
  const { usage } = (await response.json()) as { usage: { prompt_tokens: number; completion_tokens: number } };
  assert.deepEqual(counted(await lineOf(response)), [usage.prompt_tokens, usage.completion_tokens, undefined]);
});

test("what is wrong in stream_options is for the provider to refuse", async () => {
  for (const options of ['"yes"', "[]", "7", '{"include_usage":"yes"}', '{"include_usage":{}}']) {
    const body = `{"model":"gpt-4o","messages":[],"stream":true,"stream_options":${options}}`;
    await (await harness.post("/v1/chat/completions", body)).text();
    assert.equal(openai.calls.at(-1)?.body, body);
  }
});

test("plain answers, Azure's older versions and its data sources are not asked", async () => {
  const ask = async (apiVersion: string, body: object) => {
    harness.apply(
      objects({
        azure: { apiVersion },
        route: { backends: [{ name: "azure", providerRef: { name: "azure-sweden" } }] },
      }),
    );
    await (await harness.chat(body)).text();
    return optionsOf(azure.calls.at(-1));
  };
  const asked = { include_usage: true };
  assert.equal(await ask("v1", {}), undefined);
  assert.equal(await ask("2024-06-01", { stream: true }), undefined);
  assert.equal(await ask("2024-08-01-preview", { stream: true }), undefined);
  assert.deepEqual(await ask("2024-09-01-preview", { stream: true }), asked);
  assert.deepEqual(await ask("2024-10-21", { stream: true }), asked);
  assert.deepEqual(await ask("v1", { stream: true }), asked);
  assert.equal(await ask("v1", { stream: true, data_sources: [] }), undefined);
});

test("a target that refuses what only Tandem asked for is asked without it, from then on at once", async () => {
  openai.answer = (response, request) =>
    optionsOf(request)
      ? errorAnswer(400, "Unrecognized request argument supplied: stream_options")(response, request)
      : stream(WHOLE_STREAM)(response, request);
  for (const attempts of ["2", "1"]) {
    const response = await harness.chat({ stream: true });
    assert.equal(await response.text(), WHOLE);
    assert.equal(response.headers.get("x-tandem-attempts"), attempts);
    assert.equal(response.headers.get("x-tandem-provider"), "openai");
  }
  const own = await harness.chat({ stream: true, stream_options: { include_usage: true } });
  assert.equal(own.status, 400, "what the caller asked for is refused to the caller");
  await own.text();
});

test("completions are asked as well", async () => {
  const response = await harness.post("/v1/completions", { model: "gpt-4o", prompt: "Hi", stream: true });
  await response.text();
  assert.deepEqual(optionsOf(openai.calls[0]), { include_usage: true });
});

test("completions of Azure's dated form know no such option: none is put in where one is left out", async () => {
  const backends = [{ name: "azure", providerRef: { name: "azure-sweden" } }];
  harness.apply(objects({ azure: { apiVersion: "2025-04-01-preview" }, route: { backends } }));
  for (const options of [
    "",
    ',"stream_options":null',
    ',"stream_options":{"include_usage":false}',
    ',"stream_options":{}',
  ]) {
    const body = (written: string) => `{"model":"gpt-4o","prompt":"Hi","stream":true${written},"seed":1}`;
    await (await harness.post("/v1/completions", body(options))).text();
    assert.equal(azure.calls.at(-1)?.body, body(""));
  }
});

const PROMPT = "Tell me in a few words what the weather in Zürich is like in November.";
const ANSWER = 'Foggy, mostly "grey",\nand cold: 例 😀. ';

test("a stream that breaks off is counted, and says that it is", async () => {
  openai.answer = stream(
    [event({ role: "assistant", content: "" }), event({ content: ANSWER }), event({ content: ANSWER })],
    (response) => response.destroy(),
  );
  const response = await harness.chat({ stream: true, messages: [{ role: "user", content: PROMPT }] });
  assert.match(await response.text(), /stream_interrupted/);
  const [input, output, marked] = counted(await lineOf(response));
  assert.equal(output, countTokens(ANSWER + ANSWER));
  assert.ok(Math.abs(Number(input) - countTokens(PROMPT)) < 10, `${input}`);
  assert.equal(marked, true);
  // One thread counts in order, so all before this one stand in the log.
  const lines = linesNow().filter(({ usage_estimated }) => usage_estimated);
  const sum = (field: string) => lines.reduce((total, line) => total + Number(line[field]), 0);
  assert.deepEqual(await estimated(), { input: sum("input_tokens"), output: sum("output_tokens") });
});

test("a caller who goes away is counted for what came", async () => {
  openai.answer = stream([event({ content: ANSWER })], () => undefined);
  const abort = new AbortController();
  const response = await fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ model: "gpt-4o", stream: true, messages: [{ role: "user", content: PROMPT }] }),
    signal: abort.signal,
  });
  await response.body?.getReader().read();
  abort.abort();
  const line = await lineOf(response);
  assert.equal(line.outcome, "client_closed");
  assert.deepEqual(counted(line).slice(1), [countTokens(ANSWER), true]);
});

test("tool calls and reasoning count, a stream whose API version cannot tell is counted whole", async () => {
  const azureOnly = { backends: [{ name: "azure", providerRef: { name: "azure-sweden" } }] };
  harness.apply(objects({ azure: { apiVersion: "2024-06-01" }, route: azureOnly }));
  const call = (text: string) => event({ tool_calls: [{ index: 0, function: { arguments: text } }] });
  azure.answer = stream([
    event({ reasoning_content: "Hmm, " }),
    call('{"city":'),
    call('"Zürich"}'),
    event({}, "tool_calls"),
    "data: [DONE]\n\n",
  ]);
  const response = await harness.chat({ stream: true });
  await response.text();
  const [, output, marked] = counted(await lineOf(response));
  assert.equal(output, countTokens('Hmm, {"city":"Zürich"}'));
  assert.equal(marked, true);
});

test("pictures in a prompt are not counted as text", async () => {
  openai.answer = stream([event({ content: "A" })], (response) => response.destroy());
  const url = `data:image/png;base64,${"iVBORw0KGgo".repeat(20_000)}`;
  const content = [
    { type: "text", text: PROMPT },
    { type: "image_url", image_url: { url } },
  ];
  const response = await harness.chat({ stream: true, messages: [{ role: "user", content }] });
  await response.text();
  const [input] = counted(await lineOf(response));
  assert.ok(Number(input) > 100 && Number(input) < 1500, `${input}`);
});

test("tools are counted by what the model reads of them, names of fields too", async () => {
  openai.answer = stream([event({ content: "A" })], (response) => response.destroy());
  const properties = {
    id: { type: "string", description: "the customer's id" },
    status: { type: "string", enum: ["open", "shipped", "cancelled"], description: "only orders of this status" },
    limit: { type: "integer", description: "how many at most" },
  };
  const parameters = { type: "object", additionalProperties: false, properties, required: Object.keys(properties) };
  const tools = Array.from({ length: 20 }, (_, number) => {
    const description = `Looks up the orders of a customer and returns them by date, number ${number}`;
    return { type: "function", function: { name: `tool_${number}`, strict: true, description, parameters } };
  });
  const response = await harness.chat({ stream: true, tools });
  await response.text();
  const [input] = counted(await lineOf(response));
  // By the formula of OpenAI's cookbook, "How to count tokens with tiktoken".
  assert.ok(Math.abs(Number(input) / 1452 - 1) < 0.15, `${input}`);
});

test("a long answer and a long prompt are extrapolated", async () => {
  const words = "one two three four five six seven eight nine ten ".repeat(40);
  openai.answer = stream(
    Array.from({ length: 100 }, () => event({ content: words })),
    (response) => response.destroy(),
  );
  const prompt = words.repeat(200);
  const response = await harness.chat({ stream: true, messages: [{ role: "user", content: prompt }] });
  await response.text();
  const [input, output] = counted(await lineOf(response));
  const near = (value: unknown, tokens: number) =>
    assert.ok(Math.abs(Number(value) / tokens - 1) < 0.05, `${value}, ${tokens}`);
  near(output, 100 * countTokens(words));
  near(input, 200 * countTokens(words));
});

async function estimated(): Promise<{ input: number; output: number }> {
  const text = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
  const of = (kind: string) =>
    Number(new RegExp(`^tandem_tokens_estimated_total\\{kind="${kind}"\\} (\\d+)`, "m").exec(text)?.[1]);
  return { input: of("input"), output: of("output") };
}
