/** Does an application of Azure's reach its models by the names of its deployments, and nobody else's? */
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { AzureOpenAI } from "openai";
import { FakeProvider, json } from "../fakes/provider.ts";
import { errorOf, KEY, objects, startHarness } from "./harness.ts";

const provider = await new FakeProvider().start();
const over = (list: readonly object[]) => startHarness({ openai: provider.url, azure: provider.url, objects: list });
const harness = await over(objects());
const messages = [{ role: "user" as const, content: "Hi" }];
const dated = (deployment: string) => `/openai/deployments/${deployment}/chat/completions?api-version=2024-10-21`;
const last = () => {
  const { url, body } = provider.calls.at(-1) as NonNullable<(typeof provider.calls)[number]>;
  return { url, body: JSON.parse(body) as { model?: string } };
};

test("the body's model is a deployment too, where Azure's classes put it there", async () => {
  const v1 = new OpenAI({ apiKey: KEY, baseURL: `${harness.url}/openai/v1` });
  await v1.chat.completions.create({ model: "gpt-4o-prod", messages });
  assert.deepEqual(last().body.model, "gpt-4o");
  const azure = new AzureOpenAI({ apiKey: KEY, endpoint: harness.url, apiVersion: "2025-04-01-preview" });
  provider.answer = json(200, { id: "resp_1", object: "response", output: [], usage: null });
  await azure.responses.create({ model: "gpt-4o-prod", input: "Hi" });
  assert.deepEqual([last().url, last().body.model], ["/v1/responses", "gpt-4o"]);
  const plain = await harness.post("/v1/chat/completions", { model: "gpt-4o-prod", messages });
  assert.equal((await errorOf(plain)).code, "model_not_found");
});

test("below `*` a deployment that is known goes before a model that is not", async () => {
  const azure = { name: "azure", providerRef: { name: "azure-sweden" } };
  const openai = { name: "openai", providerRef: { name: "openai" }, priority: 2 };
  for (const backends of [[azure], [azure, openai]]) {
    const any = await over(objects({ route: { models: ["*"], backends } }));
    const answer = await any.post(dated("gpt-4o-prod"), { messages });
    assert.equal(answer.status, 200);
    assert.match(last().url, /^\/openai\/deployments\/gpt-4o-prod\/chat/);
    await any.post(dated("gpt-4o"), { messages });
    assert.match(last().url, /^\/openai\/deployments\/gpt-4o-prod\/chat/, "a listed model is no deployment");
  }
});

test("a deployment of models that the client may not use is as unknown as any", async () => {
  const own = await over(objects({ client: { models: ["embed"] } }));
  for (const path of [dated("gpt-4o-prod"), dated("nobodys"), dated("gpt-4o%2Dprod"), dated("gpt-4o%252Dprod")]) {
    const error = await errorOf(await own.post(path, { messages }));
    assert.match(error.message, /^The model '[^']+' does not exist or you do not have access to it\. GET/, path);
    assert.doesNotMatch(error.message, /azure|contoso|chat/);
  }
});

test("a path that could be read in two ways, and a name beyond any, are nobody's", async () => {
  for (const [path, code] of [
    [dated("gpt-4o-prod").replace("?", "/?"), "unknown_url"],
    ["//openai/deployments/gpt-4o-prod/chat/completions", "unknown_url"],
    ["/openai/deployments//chat/completions", "unknown_url"],
    [dated("__proto__"), "model_not_found"],
    [dated("GPT-4o-prod"), "model_not_found"],
    [dated("%"), "model_not_found"],
    [dated("x".repeat(20_000)), "model_not_found"],
  ] as const) {
    const error = await errorOf(await harness.post(path, { messages }));
    assert.equal(error.code, code, path.slice(0, 100));
    assert.ok(error.message.length < 500);
  }
});

test("the path's deployment goes before the body's model, whatever the api-version", async () => {
  provider.answer = json(200, { id: "c", object: "chat.completion", choices: [] });
  for (const query of ["", "?api-version=", "?api-version=nonsense", "?api-version=2024-02-15-preview"]) {
    const path = `/openai/deployments/embed-small/embeddings${query}`;
    const answer = await harness.post(path, { model: "gpt-4o", input: "Hi" });
    assert.equal(answer.status, 200);
    assert.deepEqual([last().url, last().body.model], ["/v1/embeddings", "embed"]);
  }
});

test("a key that stands in the query as well does not reach the provider", async () => {
  const answer = await harness.post(`${dated("gpt-4o-prod")}&api-key=${KEY}&trace=1`, { messages });
  assert.equal(answer.status, 200);
  assert.equal(last().url, "/v1/chat/completions?trace=1");
  const contradicting = await harness.post(dated("gpt-4o-prod"), { messages }, { "api-key": "another" });
  assert.equal(contradicting.status, 401);
  const alone = await fetch(`${harness.url}${dated("gpt-4o-prod")}&api-key=${KEY}`, { method: "POST", body: "{}" });
  assert.equal(alone.status, 401, "only realtime takes it there");
});

test("the lines of a batch name deployments as well", async () => {
  provider.answer = json(200, { id: "file-1", object: "file", purpose: "batch", status: "processed" });
  const line = { custom_id: "1", method: "POST", url: "/chat/completions", body: { model: "gpt-4o-prod", messages } };
  const file = new File([JSON.stringify(line)], "lines.jsonl");
  const azure = new AzureOpenAI({ apiKey: KEY, endpoint: harness.url, apiVersion: "2025-04-01-preview" });
  await azure.files.create({ purpose: "batch", file });
  assert.match(provider.calls.at(-1)?.body ?? "", /"model":"gpt-4o"/);
  const plain = new OpenAI({ apiKey: KEY, baseURL: `${harness.url}/v1`, maxRetries: 0 });
  await assert.rejects(plain.files.create({ purpose: "batch", file }), { code: "model_not_found" });
});
