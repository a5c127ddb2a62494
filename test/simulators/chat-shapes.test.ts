/** Do chat answers have the shapes, headers and event order of each provider? */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type Answer,
  askAzure,
  askOpenai,
  azure,
  CHAT,
  type Completion,
  chunksOf,
  completionOf,
  eventsOf,
  openai,
  said,
} from "./ask.ts";

type HeaderFacts = { json: Record<string, string>; stream: Record<string, string>; never: string[] };
const headerFacts = JSON.parse(readFileSync(new URL("../golden/wire-headers.json", import.meta.url), "utf8")) as Record<
  "openai" | "azure",
  HeaderFacts
>;

const openaiServer = await openai();
const azureServer = await azure();
const STREAM = { ...CHAT, stream: true };
const USAGE = { ...STREAM, stream_options: { include_usage: true } };

const text = (answer: Answer) => completionOf(answer).choices[0]?.message.content ?? "";

test("headers are those of each provider, on answers and streams", async () => {
  for (const [name, ask] of [
    ["openai", askOpenai],
    ["azure", askAzure],
  ] as const) {
    const server = name === "openai" ? openaiServer : azureServer;
    const facts = headerFacts[name];
    const [plain, stream] = [await ask(server, CHAT), await ask(server, STREAM)];
    for (const [header, pattern] of Object.entries(facts.json)) {
      assert.match(String(plain.headers[header] ?? "(absent)"), new RegExp(pattern), `${name} ${header}`);
    }
    for (const [header, pattern] of Object.entries({ ...facts.json, ...facts.stream })) {
      assert.match(String(stream.headers[header] ?? "(absent)"), new RegExp(pattern), `${name} stream ${header}`);
    }
    for (const header of facts.never) assert.equal(plain.headers[header], undefined, `${name} ${header}`);
  }
});

test("every answer has a request id of its own", async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => askOpenai(openaiServer, CHAT)));
  assert.equal(new Set(ids.map((answer) => answer.headers["x-request-id"])).size, 20);
  assert.equal(new Set(ids.map((answer) => completionOf(answer).id)).size, 20);
});

test("a provisioned deployment sends no rate limits", async () => {
  const answer = await askAzure(
    azureServer,
    CHAT,
    {},
    {},
    "/openai/deployments/gpt-4o-ptu/chat/completions?api-version=2024-10-21",
  );
  assert.equal(answer.status, 200);
  assert.deepEqual(
    Object.keys(answer.headers).filter((name) => name.startsWith("x-ratelimit")),
    [],
  );
  assert.ok(answer.headers["azure-openai-deployment-utilization"]);
});

test("OpenAI: a plain answer", async () => {
  const answer = await askOpenai(openaiServer, CHAT);
  const body = completionOf(answer);
  assert.deepEqual(Object.keys(body), [
    "id",
    "object",
    "created",
    "model",
    "choices",
    "usage",
    "system_fingerprint",
    "service_tier",
  ]);
  assert.match(body.id, /^chatcmpl-[A-Za-z0-9]{29}$/);
  assert.equal(body.model, "gpt-4o-2024-11-20");
  assert.match(text(answer), /simulated OpenAI.*“nice”/);
  assert.equal(body.usage.total_tokens, Number(body.usage.prompt_tokens) + Number(body.usage.completion_tokens));
});

test("Azure: a plain answer carries both filter results and the model, not the deployment", async () => {
  const body = JSON.parse((await askAzure(azureServer, CHAT)).text) as Completion & {
    prompt_filter_results: { content_filter_results: object }[];
  };
  assert.equal(body.model, "gpt-4o-2024-11-20");
  assert.deepEqual(Object.keys(body.choices[0]?.content_filter_results ?? {}).sort(), [
    "hate",
    "self_harm",
    "sexual",
    "violence",
  ]);
  assert.ok(body.prompt_filter_results[0]?.content_filter_results);
  assert.match(body.choices[0]?.message.content ?? "", /deployment gpt-4o-prod/);
});

test("equal requests get equal texts; a seed or another prompt changes a story", async () => {
  const story = { ...CHAT, messages: [{ role: "user", content: "tell me a story of 60 words" }] };
  const [one, two, seeded] = [
    await askOpenai(openaiServer, story),
    await askOpenai(openaiServer, story),
    await askOpenai(openaiServer, { ...story, seed: 7 }),
  ];
  assert.equal(text(one), text(two));
  assert.notEqual(text(one), text(seeded));
  assert.ok(text(one).split(" ").length >= 60);
});

test("OpenAI: a stream begins with the role, ends with finish_reason and [DONE], and says what the plain answer says", async () => {
  const [stream, plain] = [await askOpenai(openaiServer, STREAM), await askOpenai(openaiServer, CHAT)];
  const chunks = chunksOf(stream.text);
  assert.equal(eventsOf(stream.text).at(-1), "[DONE]");
  assert.equal(chunks[0]?.choices[0]?.delta?.role, "assistant");
  assert.equal(chunks.at(-1)?.choices[0]?.finish_reason, "stop");
  assert.deepEqual(chunks.at(-1)?.choices[0]?.delta, {});
  assert.equal(said(chunks), text(plain));
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert.ok(chunks.every((chunk) => chunk.object === "chat.completion.chunk" && !("usage" in chunk)));
});

test("OpenAI: obfuscation is on unless it is turned off", async () => {
  const on = chunksOf((await askOpenai(openaiServer, STREAM)).text);
  assert.ok(on.every((chunk) => typeof chunk.obfuscation === "string"));
  const off = await askOpenai(openaiServer, { ...STREAM, stream_options: { include_obfuscation: false } });
  assert.ok(chunksOf(off.text).every((chunk) => chunk.obfuscation === undefined));
});

test("include_usage: null in every chunk, then one without choices that has it", async () => {
  for (const [ask, server] of [
    [askOpenai, openaiServer],
    [askAzure, azureServer],
  ] as const) {
    const chunks = chunksOf((await ask(server, USAGE)).text);
    assert.deepEqual(
      chunks.slice(0, -1).map((chunk) => chunk.usage),
      chunks.slice(0, -1).map(() => null),
    );
    assert.deepEqual(chunks.at(-1)?.choices, []);
    assert.ok(Number(chunks.at(-1)?.usage?.completion_tokens) > 0);
  }
});

test("Azure: the first chunk is empty but for the prompt's filter results", async () => {
  const [first, role, ...rest] = chunksOf((await askAzure(azureServer, STREAM)).text);
  assert.deepEqual(
    { ...first, prompt_filter_results: undefined },
    { choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: undefined },
  );
  assert.equal(first?.prompt_filter_results?.length, 1);
  assert.deepEqual(role?.choices[0]?.content_filter_results, {});
  assert.equal(role?.choices[0]?.delta?.role, "assistant");
  const last = rest.pop();
  for (const chunk of rest) assert.equal(chunk.choices[0]?.content_filter_results?.hate?.filtered, false);
  assert.deepEqual(last?.choices[0], {
    content_filter_results: {},
    delta: {},
    finish_reason: "stop",
    index: 0,
    logprobs: null,
  });
});
