/** Do the simulators refuse what the real providers refuse? */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Answer,
  AZURE_KEY,
  ask,
  askAzure,
  askOpenai,
  azure,
  CHAT,
  DATED,
  entra,
  OPENAI_KEY,
  openai,
  tokenOf,
} from "./ask.ts";

const openaiServer = await openai();
const azureServer = await azure({
  deployments: [
    { name: "gpt-4o-prod", model: "gpt-4o", hosts: ["*.azure.com"] },
    { name: "gpt-4o-gov", model: "gpt-4o", hosts: ["*.azure.us"] },
    { name: "embed-small", model: "text-embedding-3-small" },
    { name: "o3-prod", model: "o3" },
  ],
});
const lenient = await azure({ apiVersionOnV1: "accept" });

const V1 = "/openai/v1/chat/completions";
const dated = (deployment: string, version: string) =>
  `/openai/deployments/${deployment}/chat/completions?api-version=${version}`;
const error = (answer: Answer) => (JSON.parse(answer.text) as { error: Record<string, unknown> }).error;
const messages = CHAT.messages;

async function refusesOpenai(body: unknown, status: number, facts: Record<string, unknown>): Promise<void> {
  const answer = await askOpenai(openaiServer, body);
  assert.equal(answer.status, status, answer.text);
  for (const [name, value] of Object.entries(facts)) assert.equal(error(answer)[name], value, name);
}

async function refusesAzure(body: unknown, status: number, code: unknown, path = DATED): Promise<void> {
  const answer = await askAzure(azureServer, body, {}, {}, path);
  assert.equal(answer.status, status, answer.text);
  assert.equal(error(answer).code, code);
}

test("OpenAI takes a Bearer key and nothing else", async () => {
  const withoutKey = await ask(`${openaiServer.url}/v1/models`);
  assert.equal(withoutKey.status, 401);
  assert.equal(withoutKey.headers["www-authenticate"], 'Bearer realm="OpenAI API"');
  const apiKeyHeader = await ask(`${openaiServer.url}/v1/models`, { headers: { "api-key": OPENAI_KEY } });
  assert.equal(apiKeyHeader.status, 401);
  const basic = await ask(`${openaiServer.url}/v1/models`, { headers: { authorization: `Basic ${OPENAI_KEY}` } });
  assert.equal(basic.status, 401);
});

test("OpenAI does not repeat the whole wrong key", async () => {
  const answer = await askOpenai(openaiServer, CHAT, { authorization: "Bearer sk-wrong-key-of-somebody-1234" });
  assert.equal(answer.status, 401);
  assert.doesNotMatch(answer.text, /wrong-key-of-somebody/);
});

test("with keys: any, every key that is not empty is taken", async () => {
  const any = await openai({ keys: "any" });
  assert.equal((await askOpenai(any, CHAT, { authorization: "Bearer whatever" })).status, 200);
  assert.equal((await askOpenai(any, CHAT, { authorization: "Bearer " })).status, 401);
});

test("Azure's dated routes take api-key or a token, v1 also the key as Bearer", async () => {
  const bearer = { authorization: `Bearer ${AZURE_KEY}` };
  assert.equal((await ask(azureServer.url + DATED, { body: CHAT, headers: bearer })).status, 401);
  assert.equal(
    (await ask(azureServer.url + V1, { body: { ...CHAT, model: "gpt-4o-prod" }, headers: bearer })).status,
    200,
  );
  const authorized = { authorization: `Bearer ${await tokenOf(await entra())}` };
  assert.equal((await ask(azureServer.url + DATED, { body: CHAT, headers: authorized })).status, 200);
  assert.equal((await ask(azureServer.url + DATED, { body: CHAT, headers: { "x-api-key": AZURE_KEY } })).status, 401);
  assert.equal((await ask(`${azureServer.url}${DATED}&api-key=${AZURE_KEY}`, { body: CHAT })).status, 401);
});

test("a government key and deployment exist only at government hosts", async () => {
  const gov = { host: "contoso-gov.openai.azure.us" };
  const sweden = { host: "contoso-sweden.openai.azure.com" };
  const govPath = dated("gpt-4o-gov", "2024-10-21");
  const govKey = { "api-key": "demo-azure-gov-key" };
  const answer = await askAzure(azureServer, CHAT, { ...gov, ...govKey }, {}, govPath);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["x-ms-region"], "USGov Virginia");
  assert.equal((await askAzure(azureServer, CHAT, { ...sweden, ...govKey }, {}, DATED)).status, 401);
  assert.equal((await askAzure(azureServer, CHAT, gov, {}, govPath)).status, 401);
  assert.equal((await askAzure(azureServer, CHAT, sweden, {}, govPath)).status, 404);
  assert.equal((await askAzure(azureServer, CHAT, sweden, {}, DATED)).headers["x-ms-region"], "Sweden Central");
});

test("Azure wants a version it knows on dated routes and none on v1", async () => {
  await refusesAzure(CHAT, 404, "404", "/openai/deployments/gpt-4o-prod/chat/completions");
  await refusesAzure(CHAT, 404, "404", dated("gpt-4o-prod", "2024-10-22"));
  await refusesAzure(CHAT, 404, "404", dated("gpt-4o-prod", "v1"));
  await refusesAzure({ ...CHAT, model: "gpt-4o-prod" }, 400, "BadRequest", `${V1}?api-version=v1`);
  const accepted = await askAzure(lenient, { ...CHAT, model: "gpt-4o-prod" }, {}, {}, `${V1}?api-version=preview`);
  assert.equal(accepted.status, 200);
  assert.equal((await askAzure(lenient, CHAT, {}, {}, `${V1}?api-version=2024-10-21`)).status, 404);
});

test("Azure knows deployments, never models, and each operation by its own route", async () => {
  await refusesAzure({ ...CHAT, model: "gpt-4o" }, 404, "DeploymentNotFound", V1);
  await refusesAzure(CHAT, 404, "DeploymentNotFound", dated("nobody", "2024-10-21"));
  await refusesAzure(CHAT, 404, "404", "/openai/chat/completions?api-version=2024-10-21");
  await refusesAzure(CHAT, 404, "404", "/v1/chat/completions");
  await refusesAzure({ input: "hi", model: "gpt-4o-prod" }, 404, "404", "/openai/responses?api-version=2024-10-21");
  await refusesAzure({ input: "hi" }, 404, "404", "/openai/v1/moderations");
});

test("Azure's dated form ignores the model in the body", async () => {
  assert.equal((await askAzure(azureServer, { ...CHAT, model: "nobody" })).status, 200);
});

test("more than ten custom headers are too many for Azure, and the ten come back", async () => {
  const custom = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-custom-${at}`, String(at)]));
  const ten = await askAzure(azureServer, CHAT, custom(10));
  assert.equal(ten.status, 200);
  assert.equal(ten.headers["x-custom-9"], "9");
  assert.equal((await askAzure(azureServer, CHAT, custom(11))).status, 431);
  assert.equal((await askOpenai(openaiServer, CHAT, custom(30))).status, 200);
});

test("more than 64 KiB of headers are too many for OpenAI", async () => {
  const answer = await askOpenai(openaiServer, CHAT, { "x-long": "a".repeat(70_000) });
  assert.equal(answer.status, 431);
});

test("bodies must be JSON and say so", async () => {
  await refusesOpenai("{", 400, { type: "invalid_request_error" });
  await refusesOpenai("[]", 400, { type: "invalid_request_error" });
  const form = await askOpenai(openaiServer, "model=gpt-4o", { "content-type": "application/x-www-form-urlencoded" });
  assert.equal(error(form).code, "unsupported_content_type");
  const azureForm = await askAzure(azureServer, "model=gpt-4o", { "content-type": "text/plain" });
  assert.equal(azureForm.status, 415);
  assert.equal((await askAzure(azureServer, "{")).status, 400);
});

test("a body that looks like a refusal is taken as a body", async () => {
  await refusesOpenai({ ...CHAT, kind: "failure", status: 200, body: {} }, 400, {
    code: "unknown_parameter",
    param: "kind",
  });
});

test("OpenAI: unknown paths, methods, models and missing models", async () => {
  const headers = { authorization: `Bearer ${OPENAI_KEY}` };
  assert.equal((await ask(`${openaiServer.url}/v1/nothing`, { headers })).status, 404);
  assert.equal((await ask(`${openaiServer.url}/chat/completions`, { headers, body: CHAT })).status, 404);
  assert.equal((await ask(`${openaiServer.url}/v1/embeddings`, { headers })).status, 405);
  await refusesOpenai({ messages }, 400, { message: "you must provide a model parameter" });
  await refusesOpenai({ ...CHAT, model: "text-embedding-3-small" }, 404, { param: "model" });
  assert.equal((await askOpenai(openaiServer, { ...CHAT, model: "gpt-4o-2024-11-20" })).status, 200);
});

test("chat: messages are looked at", async () => {
  await refusesOpenai({ model: "gpt-4o" }, 400, { param: "messages", code: "missing_required_parameter" });
  await refusesOpenai({ model: "gpt-4o", messages: [] }, 400, { code: "empty_array" });
  await refusesOpenai({ model: "gpt-4o", messages: "hi" }, 400, { code: "invalid_type" });
  await refusesOpenai({ model: "gpt-4o", messages: [{ content: "hi" }] }, 400, { param: "messages[0].role" });
  await refusesOpenai({ model: "gpt-4o", messages: [{ role: "robot", content: "hi" }] }, 400, {
    code: "invalid_value",
  });
  await refusesOpenai({ model: "gpt-4o", messages: [{ role: "user" }] }, 400, { param: "messages[0].content" });
  const many = Array.from({ length: 2_049 }, () => messages[0]);
  await refusesOpenai({ model: "gpt-4o", messages: many }, 400, { code: "array_above_max_length" });
});

test("chat: parameters are looked at", async () => {
  await refusesOpenai({ ...CHAT, temperature: 3 }, 400, { param: "temperature", code: "decimal_above_max_value" });
  await refusesOpenai({ ...CHAT, n: 0 }, 400, { param: "n", code: "integer_below_min_value" });
  await refusesOpenai({ ...CHAT, max_tokens: "5" }, 400, { code: "invalid_type" });
  await refusesOpenai({ ...CHAT, stream: "yes" }, 400, { param: "stream" });
  await refusesOpenai({ ...CHAT, stream_options: { include_usage: true } }, 400, { param: "stream_options" });
  await refusesOpenai({ ...CHAT, top_logprobs: 2 }, 400, { param: "top_logprobs" });
  await refusesOpenai({ ...CHAT, tool_choice: "auto" }, 400, { param: "tool_choice" });
  await refusesOpenai({ ...CHAT, response_format: { type: "json_object" } }, 400, { param: "messages" });
  await refusesOpenai({ ...CHAT, nonsense: 1 }, 400, { code: "unknown_parameter", param: "nonsense" });
  await refusesOpenai({ ...CHAT, data_sources: [] }, 400, { param: "data_sources" });
});

test("reasoning models refuse what they do not take, on both", async () => {
  for (const [name, value] of [
    ["temperature", 0.5],
    ["top_p", 0.5],
    ["presence_penalty", 1],
    ["logprobs", true],
    ["logit_bias", {}],
  ] as const) {
    await refusesOpenai({ ...CHAT, model: "o3", [name]: value }, 400, { param: name });
  }
  await refusesOpenai({ ...CHAT, model: "gpt-4o", reasoning_effort: "low" }, 400, { param: "reasoning_effort" });
  assert.equal(
    (await askOpenai(openaiServer, { ...CHAT, model: "o3", temperature: 1, max_completion_tokens: 500 })).status,
    200,
  );
  await refusesAzure({ messages, max_tokens: 5 }, 400, "unsupported_parameter", dated("o3-prod", "2025-04-01-preview"));
});

test("Azure's dated versions refuse what came after them", async () => {
  const stream = { messages, stream: true, stream_options: { include_usage: true } };
  await refusesAzure(stream, 400, null, dated("gpt-4o-prod", "2024-06-01"));
  assert.equal((await askAzure(azureServer, stream, {}, {}, dated("gpt-4o-prod", "2024-10-21"))).status, 200);
  const metadata = { messages, metadata: {} };
  await refusesAzure(metadata, 400, null, dated("gpt-4o-prod", "2024-10-21"));
  assert.equal((await askAzure(azureServer, metadata, {}, {}, dated("gpt-4o-prod", "2024-12-01-preview"))).status, 200);
  await refusesAzure({ messages, service_tier: "auto" }, 400, null, dated("gpt-4o-prod", "2025-04-01-preview"));
  assert.equal(
    (await askAzure(azureServer, { ...CHAT, model: "gpt-4o-prod", service_tier: "auto" }, {}, {}, V1)).status,
    200,
  );
  await refusesAzure({ ...CHAT, model: "gpt-4o-prod", web_search_options: {} }, 400, null, V1);
});

test("a prompt longer than the context is refused, and so is a prompt that leaves no room", async () => {
  const long = { ...CHAT, messages: [{ role: "user", content: "word ".repeat(130_000) }] };
  await refusesOpenai(long, 400, { code: "context_length_exceeded", param: "messages" });
  await refusesOpenai({ ...CHAT, max_tokens: 127_995 }, 400, { code: "context_length_exceeded" });
});
