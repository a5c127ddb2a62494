/** How much may a client ask for (AIClient.spec.limits), and what is it told? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { chatAnswer, errorAnswer, FakeProvider, json, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { errorOf, KEY, object, objects, startHarness } from "./harness.ts";
import { parsePrometheus } from "./telemetry/prometheus-text.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
/** Unix milliseconds, on a boundary of a slot. */
const BEGIN = Date.UTC(2026, 10, 26);
let now = BEGIN;
const harness = await startHarness({ openai: openai.url, azure: azure.url, clock: () => now });
const MINUTE = 60_500;

beforeEach(() => {
  openai.seen.length = 0;
  openai.answer = chatAnswer("Hello");
  azure.answer = chatAnswer("Hello");
  harness.gateway.shareAmong(1);
});

/** A client of which nothing is known yet. */
const limit = (limits: object) => {
  harness.apply([]);
  harness.apply(objects({ client: { limits } }));
};

async function statuses(count: number): Promise<Record<number, number>> {
  const tally: Record<number, number> = {};
  for (let i = 0; i < count; i++) {
    const { status } = await harness.chat();
    tally[status] = (tally[status] ?? 0) + 1;
  }
  return tally;
}

async function tokensUsed(): Promise<number | undefined> {
  const { limits } = (await harness.status()) as { limits: { client: string; tokens?: { used: number } }[] };
  return limits.find(({ client }) => client === "ai/app")?.tokens?.used;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; !(await holds()); i++) {
    assert.ok(i < 500, what);
    await sleep(10);
  }
}

test("requests a minute: at most so many within any minute, and told as OpenAI tells it", async () => {
  limit({ requestsPerMinute: 3 });
  const first = await harness.chat();
  assert.equal(first.status, 200);
  assert.equal(first.headers.get("x-ratelimit-limit-requests"), "3");
  assert.equal(first.headers.get("x-ratelimit-remaining-requests"), "2");
  assert.equal(first.headers.get("x-ratelimit-reset-requests"), "1m0.5s");
  assert.equal(first.headers.get("x-ratelimit-limit-tokens"), null);
  now += 30_000;
  assert.deepEqual(await statuses(4), { 200: 2, 429: 2 });
  const refused = await harness.chat();
  assert.equal(refused.headers.get("x-tandem-error-origin"), "gateway");
  assert.equal(refused.headers.get("x-tandem-route"), "chat");
  assert.equal(refused.headers.get("retry-after-ms"), "30500");
  assert.equal(refused.headers.get("retry-after"), "31");
  assert.equal(refused.headers.get("x-ratelimit-remaining-requests"), "0");
  const error = await errorOf(refused);
  assert.deepEqual([error.code, error.type, error.param], ["rate_limit_exceeded", "requests", null]);
  assert.match(error.message, /AIClient app on requests per min \(RPM\): Limit 3\. Please try again in 30\.5s/);
  assert.equal(openai.calls.length, 3, "nothing that is refused leaves the gateway");
  now += 30_499;
  assert.deepEqual(await statuses(1), { 429: 1 }, "a moment before the first one is a minute old");
  now += 1;
  assert.deepEqual(await statuses(2), { 200: 1, 429: 1 });
});

test("every call counts but the list of models, whose answer tells the limits too", async () => {
  limit({ requestsPerMinute: 2 });
  const models = () => fetch(`${harness.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } });
  for (let i = 0; i < 4; i++) {
    const answer = await models();
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-ratelimit-remaining-requests"), "2");
  }
  openai.answer = json(200, { object: "list", data: [], model: "embed", usage: { prompt_tokens: 1, total_tokens: 1 } });
  assert.equal((await harness.post("/v1/embeddings", { model: "embed", input: "a" })).status, 200);
  assert.equal((await harness.post("/v1/files", "x", { "content-type": "text/plain" })).status === 429, false);
  const unknown = await harness.chat({ model: "no-such-model" });
  assert.equal(unknown.status, 404);
  assert.equal(unknown.headers.get("x-ratelimit-limit-requests"), "2");
});

test("tokens a minute: what is expected is set aside, what was used is settled", async () => {
  limit({ tokensPerMinute: 1000 });
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  openai.answer = async (response, request) => {
    await held;
    await json(200, {
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 30, completion_tokens: 50, total_tokens: 80 },
    })(response, request);
  };
  const asked = Promise.all([harness.chat(), harness.chat(), harness.chat()]);
  await until("set aside", async () => ((await tokensUsed()) ?? 0) > 600);
  assert.ok(((await tokensUsed()) ?? 0) < 1000);
  const [refused] = await Promise.all([harness.chat()]);
  assert.equal(refused?.status, 429);
  const error = await errorOf(refused as Response);
  assert.deepEqual([error.code, error.type], ["rate_limit_exceeded", "tokens"]);
  assert.match(error.message, /on tokens per min \(TPM\): Limit 1000, Requested \d+\. Please try again in/);
  letGo();
  for (const answer of await asked) assert.equal(answer.status, 200);
  await until("settled", async () => (await tokensUsed()) === 240);
  const next = await harness.chat({ max_tokens: 10 });
  assert.equal(next.headers.get("x-ratelimit-limit-tokens"), "1000");
  // 760 are left; the bound of the answer is set aside, not what answers usually have.
  assert.ok(Number(next.headers.get("x-ratelimit-remaining-tokens")) > 700);
  now += MINUTE;
  assert.equal(await tokensUsed(), 0);
});

test("tokens of a stream are settled with what it told, those of a failure given back", async () => {
  limit({ tokensPerMinute: 10_000 });
  openai.answer = stream([
    ...WHOLE_STREAM.slice(0, -1),
    'data: {"id":"c","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":22,"total_tokens":33}}\n\n',
    "data: [DONE]\n\n",
  ]);
  await (await harness.chat({ stream: true })).text();
  await until("the stream is settled", async () => (await tokensUsed()) === 33);
  openai.answer = errorAnswer(400, "bad");
  assert.equal((await harness.chat()).status, 400);
  await until("the failure costs nothing", async () => (await tokensUsed()) === 33);
});

test("what can never fit is not asked for twice: the official client gives up at once", async () => {
  limit({ tokensPerMinute: 100 });
  const client = new OpenAI({ baseURL: `${harness.url}/v1`, apiKey: KEY });
  let asked = 0;
  const counting = client.withOptions({
    fetch: (url, init) => {
      asked++;
      return fetch(url, init);
    },
  });
  const content = "word ".repeat(400);
  await assert.rejects(
    counting.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content }] }),
    (error: InstanceType<typeof OpenAI.APIError>) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      assert.match(error.message, /Request too large for AIClient app on tokens per min/);
      assert.equal(error.headers?.get("x-should-retry"), "false");
      assert.equal(error.headers?.get("retry-after"), null);
      return true;
    },
  );
  assert.equal(asked, 1);
  assert.equal(openai.calls.length, 0);
});

test("at the same time: places come back when answers end, fail, or nobody waits any more", async () => {
  limit({ maxConcurrent: 2 });
  const gates: (() => void)[] = [];
  openai.answer = async (response, request) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    if (!response.destroyed) await stream(WHOLE_STREAM)(response, request);
  };
  const leaver = new AbortController();
  const first = harness.chat({ stream: true });
  const second = fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    signal: leaver.signal,
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ model: "gpt-4o", messages: [] }),
  }).catch(() => undefined);
  await until("two are under way", async () => gates.length === 2);
  const third = await harness.chat();
  assert.equal(third.status, 429);
  assert.equal(third.headers.get("retry-after"), "1");
  assert.equal((await errorOf(third)).code, "concurrency_limit_exceeded");
  leaver.abort();
  await second;
  openai.answer = errorAnswer(400, "bad");
  await until("the place of who went away is free", async () => (await harness.chat()).status === 400);
  assert.equal((await harness.chat()).status, 400, "and that of what failed");
  gates[0]?.();
  await (await first).text();
  type Shown = { limits: { client: string; concurrent: { running: number } }[] };
  await until("nothing runs", async () => {
    const { limits } = (await harness.status()) as unknown as Shown;
    return limits.find(({ client }) => client === "ai/app")?.concurrent.running === 0;
  });
});

test("each proxy has its share, and a change of their number loses nothing of what was taken", async () => {
  limit({ requestsPerMinute: 10 });
  harness.gateway.shareAmong(2);
  assert.deepEqual(await statuses(7), { 200: 5, 429: 2 });
  harness.gateway.shareAmong(1);
  assert.deepEqual(await statuses(7), { 200: 5, 429: 2 });
  harness.gateway.shareAmong(5);
  assert.deepEqual(await statuses(1), { 429: 1 });
  now += MINUTE;
  assert.deepEqual(await statuses(3), { 200: 2, 429: 1 });
});

test("a share below one request is one now and then", async () => {
  limit({ requestsPerMinute: 1 });
  harness.gateway.shareAmong(3);
  assert.deepEqual(await statuses(2), { 200: 1, 429: 1 });
  now += 2 * MINUTE;
  const refused = await harness.chat();
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("x-should-retry"), "true");
  now += MINUTE;
  assert.deepEqual(await statuses(2), { 200: 1, 429: 1 });
});

test("an edit of the limits counts at once and forgets nothing; other clients are not concerned", async () => {
  limit({ requestsPerMinute: 2 });
  assert.deepEqual(await statuses(3), { 200: 2, 429: 1 });
  const other = object("AIClient", "other", { keys: [{ name: "current", secretRef: { name: "keys", key: "other" } }] });
  const secrets = { openai: "sk-a", azure: "b", client: KEY, other: "tdm-harness-other-key" };
  harness.apply(objects({ client: { limits: { requestsPerMinute: 3 } }, more: [other] }), secrets);
  assert.deepEqual(await statuses(2), { 200: 1, 429: 1 });
  const free = await harness.chat({}, { authorization: "Bearer tdm-harness-other-key" });
  assert.equal(free.status, 200);
  assert.equal(free.headers.get("x-ratelimit-limit-requests"), null);
  harness.apply(objects());
  assert.deepEqual(await statuses(1), { 200: 1 });
});

test("decisions are counted, and a proxy without a shared state says that it has none", async () => {
  limit({ requestsPerMinute: 1 });
  await statuses(3);
  const families = parsePrometheus(await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text());
  const results = families.get("tandem_limit_decisions_total")?.samples.map(({ labels }) => labels.result);
  assert.ok(results?.includes("allowed") && results.includes("requests") && results.includes("concurrent"));
  assert.deepEqual(families.get("tandem_shared_state_up")?.samples ?? [], []);
  assert.equal((await harness.status()).sharedState, null);
});
