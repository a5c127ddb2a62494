/** What becomes of a provider's error that does not come as its documents say? */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { beforeEach, test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import OpenAI, { APIError } from "openai";
import { type Answer, chatAnswer, FakeProvider, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { RawProvider } from "../fakes/raw-provider.ts";
import { type ErrorBody, errorOf, KEY, OPENAI_KEY, objects, startHarness } from "./harness.ts";

const failing = await new FakeProvider().start();
const healthy = await new FakeProvider(chatAnswer("from the other")).start();
const harness = await startHarness({ openai: failing.url, azure: healthy.url });

const MODELS = ["gpt-4o", "tts"];
const providers = {
  openai: { models: MODELS.map((name) => ({ name })) },
  azure: { models: MODELS.map((name) => ({ name, deployment: `${name}-prod` })) },
};

beforeEach(() => {
  failing.seen.length = 0;
  healthy.seen.length = 0;
});

function apply(...names: ("openai" | "azure-sweden")[]): void {
  // Applied anew, what is known of limits and breakers is forgotten with the objects.
  harness.apply([]);
  harness.apply(over(...names));
}

/** Only the failing one, asked once for a request; or with a healthy one behind it. */
function over(...names: ("openai" | "azure-sweden")[]): object[] {
  const backends = names.map((name, i) => ({ name, providerRef: { name }, priority: i + 1 }));
  const failover = { retrySameProvider: 0, maxAttempts: names.length };
  return objects({ ...providers, route: { models: MODELS, backends, failover } });
}

function raw(status: number, body: string | Buffer, headers: Record<string, string> = {}): Answer {
  return (response) => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
}

/** The connection breaks in the middle of the body. */
function broken(status: number, part: string, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", "content-length": "5000", ...headers });
    response.write(part, () => response.destroy());
  };
}

const NO_MONEY = JSON.stringify({
  error: {
    message: "You exceeded your quota: größer.",
    type: "insufficient_quota",
    param: null,
    code: "insufficient_quota",
  },
});

const coded: readonly (readonly [coding: string, body: Buffer])[] = [
  ["gzip", gzipSync(NO_MONEY)],
  ["x-gzip", gzipSync(NO_MONEY)],
  ["GZIP", gzipSync(NO_MONEY)],
  ["deflate", deflateSync(NO_MONEY)],
  ["br", brotliCompressSync(NO_MONEY)],
  ["zstd", zstdCompressSync(NO_MONEY)],
  // Said, and not done.
  ["gzip", Buffer.from(NO_MONEY)],
  ["identity", Buffer.from(`\ufeff${NO_MONEY}`)],
];

for (const [i, [coding, body]] of coded.entries()) {
  test(`an error is read in whatever coding it comes (${coding}, ${i})`, async () => {
    apply("openai");
    failing.answer = raw(429, body, { "content-encoding": coding });
    const response = await harness.chat();
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(response.headers.get("x-should-retry"), "false");
    assert.deepEqual(await errorOf(response), (JSON.parse(NO_MONEY) as ErrorBody).error);
  });
}

test("what breaks off in its coding, grows too large or is no text becomes one clear sentence", async () => {
  const cases: readonly (readonly [body: Buffer, coding: string, sentence: RegExp])[] = [
    [gzipSync(NO_MONEY).subarray(0, -20), "gzip", /^The provider answered 503 without a JSON body: \{"error"/],
    [gzipSync(Buffer.alloc(50_000_000, " ")), "gzip", /^The provider answered 503 with a body that is no text\.$/],
    [brotliCompressSync(NO_MONEY), "unheard-of", /^The provider answered 503 with a body that is no text\.$/],
    [Buffer.from(NO_MONEY, "utf16le"), "identity", /^The provider answered 503 with a body that is no text\.$/],
  ];
  for (const [body, coding, sentence] of cases) {
    apply("openai");
    failing.answer = raw(503, body, { "content-encoding": coding });
    const response = await harness.chat();
    const { message, type, code } = await errorOf(response);
    assert.deepEqual([response.status, type, code], [503, "service_unavailable_error", null]);
    assert.match(message, sentence);
  }
});

test("an error in JSON without a message is not called an empty body, and says what it has", async () => {
  const cases = [
    '{"error":{"code":"BadRequest"}}',
    '{"error":{"message":{"why":"this"}}}',
    '{"detail":"this"}',
    '["this"]',
  ];
  for (const body of cases) {
    apply("openai");
    failing.answer = raw(422, body);
    const { message } = await errorOf(await harness.chat());
    assert.match(message, /^The provider answered 422 without a message: .*(?:this|BadRequest)/);
  }
});

test("an error that breaks off means what its status says", async () => {
  apply("openai", "azure-sweden");
  failing.answer = broken(400, '{"error":{"message":"The field');
  const wrong = await harness.chat();
  assert.deepEqual([wrong.status, wrong.headers.get("x-should-retry")], [400, "false"]);
  assert.equal((await errorOf(wrong)).type, "invalid_request_error");
  assert.equal(healthy.calls.length, 0, "the caller's own fault went on");

  apply("openai");
  failing.answer = broken(429, '{"error":', { "retry-after": "30" });
  const limited = await harness.chat();
  assert.deepEqual([limited.status, limited.headers.get("retry-after")], [429, "30"]);
  await limited.text();
});

test("an error that does not end is not waited for", async () => {
  apply("openai");
  let open: ServerResponse | undefined;
  failing.answer = (response) => {
    open = response;
    response.writeHead(400, { "content-type": "text/plain" }).write("x".repeat(300 * 1024));
  };
  const response = await harness.chat();
  assert.equal(response.status, 400);
  assert.ok((await errorOf(response)).message.length < 300);
  if (!open?.destroyed) await new Promise((resolve) => open?.once("close", resolve));
});

test("the gateway's key does not come back, however its letters are written or wherever it is cut", async () => {
  const cases: readonly Answer[] = [
    raw(
      400,
      `{"error":{"message":"${OPENAI_KEY.replace("sk-", "\\u0073k\\u002d")}","inner":["${OPENAI_KEY.replace("-", "\\u002d")}"]}}`,
    ),
    raw(503, `${"x".repeat(190)} ${OPENAI_KEY}`, { "content-type": "text/plain" }),
    raw(503, gzipSync(JSON.stringify({ error: { message: `Bearer ${OPENAI_KEY}` } })), { "content-encoding": "gzip" }),
    raw(400, JSON.stringify({ error: { message: { sent: `${"x".repeat(170)}${OPENAI_KEY}` } } })),
  ];
  for (const answer of cases) {
    apply("openai");
    failing.answer = answer;
    const text = await (await harness.chat()).text();
    assert.ok(!text.includes(OPENAI_KEY.slice(0, 6)), text);
  }
});

test("nor does it in an error event, and what came before stays as it was", async () => {
  const error = {
    message: `Incorrect API key provided: ${OPENAI_KEY}`,
    type: "x",
    param: null,
    code: "invalid_api_key",
  };
  const escaped = (text: string) => text.replace(OPENAI_KEY, OPENAI_KEY.replace("-", "\\u002d"));
  const shown = { ...error, message: "Incorrect API key provided: [redacted]" };
  for (const written of [JSON.stringify({ error }), escaped(JSON.stringify({ error }))]) {
    apply("openai");
    failing.answer = stream([WHOLE_STREAM[0] as string, `data: ${written}\n\n`]);
    const text = await (await harness.chat({ stream: true })).text();
    assert.equal(text, `${WHOLE_STREAM[0]}data: ${JSON.stringify({ error: shown })}\n\n`);
  }
  apply("openai");
  const event = { ...error, type: "error", sequence_number: 1 };
  const created = { type: "response.created", sequence_number: 0, response: { object: "response" } };
  failing.answer = stream([created, event].map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`));
  const response = await harness.post("/v1/responses", { model: "gpt-4o", input: "Hi", stream: true });
  const [, last] = (await response.text()).split("data: ").slice(1);
  assert.deepEqual(JSON.parse(last ?? ""), { ...event, message: shown.message });
});

test("no capacity as the first event of a stream is the rate limit that it is in a plain answer", async () => {
  const error = {
    message: "The system is currently experiencing high demand.",
    type: "too_many_requests",
    code: "no_capacity",
  };
  failing.answer = stream([`data: ${JSON.stringify({ error })}\n\n`]);
  apply("openai", "azure-sweden");
  const elsewhere = await harness.chat({ stream: true });
  assert.equal(elsewhere.headers.get("x-tandem-decision"), "failover:rate_limited");
  await elsewhere.text();
  apply("openai");
  const response = await harness.chat({ stream: true });
  assert.deepEqual([response.status, response.headers.get("content-type")], [429, "application/json"]);
  assert.equal(response.headers.get("x-tandem-error-origin"), "provider");
  assert.deepEqual(await errorOf(response), { ...error, param: null });
});

test("an error event of Responses comes out as an error of theirs, too", async () => {
  const says = { code: "server_error", message: "The model failed." };
  const events = [
    `event: error\ndata: ${JSON.stringify({ type: "error", ...says, param: null, sequence_number: 0 })}\n\n`,
    `event: response.failed\ndata: ${JSON.stringify({ type: "response.failed", sequence_number: 1, response: { id: "resp_1", status: "failed", error: says } })}\n\n`,
  ];
  for (const event of events) {
    apply("openai");
    failing.answer = stream([event]);
    const response = await harness.post("/v1/responses", { model: "gpt-4o", input: "Hi", stream: true });
    assert.equal(response.status, 500);
    assert.deepEqual(await errorOf(response), { ...says, type: "server_error", param: null });
  }
});

test("HTML instead of speech is no answer", async () => {
  apply("openai", "azure-sweden");
  failing.answer = raw(200, "<h1>Sign in</h1>", { "content-type": "text/html" });
  healthy.answer = raw(200, "ID3 sound", { "content-type": "audio/mpeg" });
  const response = await harness.post("/v1/audio/speech", { model: "tts", input: "Hi", voice: "alloy" });
  healthy.answer = chatAnswer("from the other");
  assert.equal(response.headers.get("x-tandem-decision"), "failover:malformed");
  assert.equal(await response.text(), "ID3 sound");
});

test("the name of a content type may be written in any case", async () => {
  apply("openai");
  failing.answer = raw(200, '{"choices":[]}', { "content-type": "Application/JSON; Charset=UTF-8" });
  assert.deepEqual(await (await harness.chat()).json(), { choices: [] });
  failing.answer = (response) =>
    void response.writeHead(200, { "content-type": "Text/Event-Stream" }).end(WHOLE_STREAM.join(""));
  assert.equal(await (await harness.chat({ stream: true })).text(), WHOLE_STREAM.join(""));
});

test("what is not HTTP is no answer, rather than nobody there", async () => {
  const rude = await new RawProvider().start();
  const other = await startHarness({ openai: rude.url, azure: healthy.url });
  const says = [
    "HELLO\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    `HTTP/1.1 200 OK\r\nx: ${"x".repeat(200_000)}\r\n\r\n`,
  ];
  for (const text of says) {
    other.apply([]);
    other.apply(over("openai"));
    rude.answer = ({ socket }) => void socket.write(text);
    const response = await other.chat();
    const { code, message } = await errorOf(response);
    assert.deepEqual([response.status, code], [502, "upstream_invalid"]);
    assert.match(message, /it (?:is not HTTP|has too large headers)\.$/);
  }
});

test("a redirect is not followed, and the key stays here", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    apply("openai");
    failing.answer = raw(status, "", { location: `${healthy.url}/v1/chat/completions` });
    const response = await harness.chat();
    assert.deepEqual([response.status, response.headers.get("location")], [502, null]);
    assert.equal((await errorOf(response)).code, "upstream_invalid");
  }
  assert.equal(healthy.seen.length, 0);
});

/** What the official client does with an answer when it is left to itself. */
async function callsOfClient(answer: Answer): Promise<number> {
  apply("openai");
  failing.seen.length = 0;
  failing.answer = answer;
  const sdk = new OpenAI({ apiKey: KEY, baseURL: `${harness.url}/v1` });
  const asked = sdk.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] });
  await assert.rejects(asked, APIError);
  return failing.calls.length;
}

test("the official client does not ask at once where the provider asked to be left alone for long", async () => {
  const ago = new Date(Date.now() + 3_600_000).toUTCString();
  for (const headers of [{ "retry-after": "3600" }, { "retry-after-ms": "90000" }, { "retry-after": ago }]) {
    for (const status of [500, 503, 408, 409, 429]) {
      assert.equal(await callsOfClient(raw(status, "{}", headers)), 1, `${status} ${JSON.stringify(headers)}`);
    }
  }
});

test("a time to come again that cannot be read is not passed on", async () => {
  for (const value of ["soon", "-5", "0", "Fri, 31 Dec 1999 23:59:59 GMT"]) {
    apply("openai");
    failing.answer = raw(503, "{}", { "retry-after": value });
    const response = await harness.chat();
    const wait = Number(response.headers.get("retry-after-ms"));
    assert.ok(wait >= 1000 && wait <= 2000, String(wait));
    assert.equal(response.headers.get("retry-after"), "2");
    await response.text();
  }
});
