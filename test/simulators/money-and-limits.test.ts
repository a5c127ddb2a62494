/** Are tokens counted, billed, cached and limited as the providers do? */

import assert from "node:assert/strict";
import { test } from "node:test";
import { duration } from "../../simulators/provider-openai.ts";
import { AZURE_KEY, ask, askAzure, askOpenai, azure, CHAT, chunksOf, OPENAI_KEY, openai } from "./ask.ts";

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}
interface Line {
  readonly model: string;
  readonly deployment?: string;
  readonly requests: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly nanoUsd: string;
}

const usageOf = (text: string) => (JSON.parse(text) as { usage: Usage }).usage;
const STREAM = { ...CHAT, stream: true };

test("prompt tokens follow the chat format: 3 around each message, 3 before the reply", async () => {
  const server = await openai();
  const one = usageOf(
    (await askOpenai(server, { model: "gpt-4o", messages: [{ role: "user", content: "hello world" }] })).text,
  );
  assert.equal(one.prompt_tokens, 3 + 3 + 1 + 2);
  const two = {
    model: "gpt-4o",
    messages: [
      { role: "system", content: "hello" },
      { role: "user", content: "hello world" },
    ],
  };
  assert.equal(usageOf((await askOpenai(server, two)).text).prompt_tokens, one.prompt_tokens + 3 + 1 + 1);
});

test("the bill is list price times tokens, in nano-dollars, the same streamed and not", async () => {
  const server = await openai();
  const usage = usageOf((await askOpenai(server, CHAT)).text);
  await askOpenai(server, STREAM);
  const expected = usage.prompt_tokens * 2_500 + usage.completion_tokens * 10_000;
  assert.equal(server.bill().totalNanoUsd, String(2 * expected));
  const [line] = server.bill().lines as Line[];
  assert.deepEqual([line?.model, line?.requests, line?.promptTokens], ["gpt-4o", 2, 2 * usage.prompt_tokens]);
  const shown = await ask(`${server.url}/_sim/bill`);
  assert.equal((JSON.parse(shown.text) as { totalNanoUsd: string }).totalNanoUsd, String(2 * expected));
});

test("Azure's data zone costs a tenth more, per deployment; a filtered prompt is billed", async () => {
  const server = await azure();
  const usage = usageOf((await askAzure(server, CHAT)).text);
  const prompt = usage.prompt_tokens * 2_750;
  assert.equal(server.bill().totalNanoUsd, String(prompt + usage.completion_tokens * 11_000));
  server.reset();
  await askAzure(server, CHAT, { "x-sim-fault": "content-filter" });
  assert.equal(server.bill().totalNanoUsd, String(prompt));
  assert.equal((server.bill().lines as Line[])[0]?.deployment, "gpt-4o-prod");
});

test("refusals cost nothing; a cut stream costs what was written", async () => {
  const server = await openai();
  await askOpenai(server, { ...CHAT, temperature: 9 });
  await askOpenai(server, CHAT, { "x-sim-fault": "429" });
  assert.equal(server.bill().totalNanoUsd, "0");
  const cut = chunksOf((await askOpenai(server, STREAM, { "x-sim-fault": "cut;after=4" })).text);
  assert.equal(cut.length, 5);
  assert.equal((server.bill().lines as Line[])[0]?.completionTokens, 4);
});

test("half a nano-dollar is rounded up, once per answer", async () => {
  const server = await azure();
  const embed = "/openai/deployments/embed-small/embeddings?api-version=2024-10-21";
  await ask(server.url + embed, { body: { input: "hello" }, headers: { "api-key": AZURE_KEY } });
  assert.equal(server.bill().totalNanoUsd, "22");
});

test("a prompt's beginning that was seen before is cached from 1,024 tokens on, in steps of 128", async () => {
  const server = await openai();
  const system = { role: "system", content: "context ".repeat(1_500) };
  const turn = (content: string) => ({ model: "gpt-4o", messages: [system, { role: "user", content }] });
  const first = usageOf((await askOpenai(server, turn("one"))).text);
  const second = usageOf((await askOpenai(server, turn("two"))).text);
  assert.equal(first.prompt_tokens_details.cached_tokens, 0);
  assert.equal(second.prompt_tokens_details.cached_tokens, Math.floor(1_504 / 128) * 128);
  assert.equal((server.bill().lines as Line[])[0]?.cachedTokens, second.prompt_tokens_details.cached_tokens);
  const other = usageOf((await askOpenai(server, { ...turn("three"), model: "gpt-4o-mini" })).text);
  assert.equal(other.prompt_tokens_details.cached_tokens, 0);
});

test("OpenAI: a limit belongs to key and model; its headers are durations", async () => {
  const server = await openai({ keys: "any", limits: { tokensPerMinute: 1_000_000, requestsPerMinute: 2 } });
  const key = (name: string) => ({ authorization: `Bearer ${name}` });
  const first = await askOpenai(server, CHAT, key("a"));
  assert.equal(first.headers["x-ratelimit-limit-requests"], "2");
  assert.equal(first.headers["x-ratelimit-remaining-requests"], "1");
  assert.match(String(first.headers["x-ratelimit-reset-requests"]), /^(29\.\d+|30)s$/);
  await askOpenai(server, CHAT, key("a"));
  const third = await askOpenai(server, CHAT, key("a"));
  assert.equal(third.status, 429);
  assert.equal((JSON.parse(third.text) as { error: { type: string } }).error.type, "requests");
  assert.ok(Number(third.headers["retry-after-ms"]) > 25_000);
  assert.equal((await askOpenai(server, { ...CHAT, model: "gpt-4o-mini" }, key("a"))).status, 200);
  assert.equal((await askOpenai(server, CHAT, key("b"))).status, 200);
});

test("Azure: tokens are counted at admission with max_tokens; its headers are seconds", async () => {
  const server = await azure({ limits: { tokensPerMinute: 1_000, requestsPerMinute: 600 } });
  const first = await askAzure(server, { ...CHAT, max_tokens: 900 });
  assert.equal(first.status, 200);
  assert.ok(Number(first.headers["x-ratelimit-remaining-tokens"]) < 100);
  assert.match(String(first.headers["x-ratelimit-reset-tokens"]), /^\d+$/);
  const second = await askAzure(server, { ...CHAT, max_tokens: 900 });
  assert.equal(second.status, 429);
  assert.ok(Number(second.headers["retry-after-ms"]) > 1_000);
  assert.equal(second.headers["retry-after"], String(Math.ceil(Number(second.headers["retry-after-ms"]) / 1_000)));
  assert.equal((await askAzure(server, { ...CHAT, max_tokens: 5 })).status, 200);
});

test("a duration is written as OpenAI writes it", () => {
  const written = [0, 1.2, 120, 1_500, 59_999, 60_000, 360_000, 119_800].map(duration);
  assert.deepEqual(written, ["0s", "2ms", "120ms", "1.5s", "59.999s", "1m0s", "6m0s", "2m0s"]);
});

test("estimated counting is four characters a token", async () => {
  const server = await openai({ counting: "estimate" });
  const answer = await ask(`${server.url}/v1/embeddings`, {
    body: { model: "text-embedding-3-small", input: "abcdefghi" },
    headers: { authorization: `Bearer ${OPENAI_KEY}` },
  });
  assert.equal(usageOf(answer.text).prompt_tokens, 3);
});
