/** Do requests reach each provider's form with the fields that it takes, and does the caller learn what was changed? */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import OpenAI from "openai";
import { LogDestination } from "../../proxy/telemetry/log.ts";
import { startSimulators } from "../../simulators/main.ts";
import { AZURE_KEY, errorOf, type Harness, KEY, OPENAI_KEY, object } from "../proxy/harness.ts";
import { azureProvider, client, gatewayOver, openaiProvider } from "./over-simulators.ts";

const both = await startSimulators({
  options: { counting: "estimate", keepBodyBytes: 65_536 },
  openai: { keys: [OPENAI_KEY] },
  azure: {
    keys: [AZURE_KEY],
    apiVersionOnV1: "refuse",
    deployments: [
      { name: "chat-prod", model: "gpt-4o" },
      { name: "think-prod", model: "gpt-5-mini" },
    ],
  },
});
after(() => both.close());

/** The Azure resource in three forms, the last two older than some fields. */
const FORMS = { openai: "", v1: "v1", "dated-new": "2025-04-01-preview", "dated-old": "2024-06-01" } as const;
type Form = keyof typeof FORMS;
const MODELS = [
  { name: "gpt-4o", deployment: "chat-prod" },
  { name: "gpt-5-mini", deployment: "think-prod" },
  { name: "thinker", deployment: "think-prod", baseModel: "gpt-5-mini-2025-08-07" },
  { name: "unknown", deployment: "think-prod" },
];

function provider(form: Form): object {
  if (form === "openai")
    return openaiProvider({ models: [{ name: "gpt-4o" }, { name: "gpt-5-mini" }, { name: "o3" }] });
  return azureProvider(FORMS[form], { models: MODELS });
}

function routeOf(providers: readonly string[], failover: object = {}): object {
  return object("AIRoute", "all", {
    models: ["gpt-4o", "gpt-5-mini", "o3", "thinker", "unknown"],
    backends: providers.map((name, i) => ({ name, providerRef: { name }, priority: i + 1 })),
    failover: { retrySameProvider: 0, fallbackToNext: true, ...failover },
  });
}

const folder = mkdtempSync(join(tmpdir(), "tandem-fields-"));
after(() => rmSync(folder, { recursive: true }));
const logFile = join(folder, "access.log");
const gateways = {} as Record<Form, Harness>;
for (const form of Object.keys(FORMS) as Form[]) {
  const objects = [provider(form), routeOf([form === "openai" ? "openai" : "azure"]), client()];
  gateways[form] = await gatewayOver(both, objects, form === "v1" ? { accessLog: new LogDestination(logFile) } : {});
}
const all = await gatewayOver(both, [provider("v1"), provider("openai"), routeOf(["azure", "openai"]), client()]);

beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
});

/** Not the health checks. */
function posts(form: Form) {
  const { openai, azure } = both;
  return (form === "openai" ? openai : azure).requests().filter((one) => one.method === "POST");
}

/** The body that the last request of the form's provider had, as text. */
function sent(form: Form): string {
  return posts(form).at(-1)?.body ?? "";
}

const MESSAGES = '"messages":[{"role":"user","content":"Hi, \\u00e9"}]';
const json = { "content-type": "application/json" };

interface Case {
  readonly on: Form;
  readonly path?: string;
  readonly body: string;
  /** What the provider must get; absent: the same. */
  readonly sent?: string;
  readonly changed?: string;
}

const CASES: readonly Case[] = [
  {
    on: "openai",
    body: `{"model":"gpt-5-mini", "max_tokens" : 50 ,${MESSAGES}}`,
    sent: `{"model":"gpt-5-mini", "max_completion_tokens" : 50 ,${MESSAGES}}`,
    changed: "max_tokens=max_completion_tokens",
  },
  {
    on: "openai",
    body: `{"model":"o3","max_completion_tokens":60,"max\\u005ftokens":50,${MESSAGES}}`,
    sent: `{"model":"o3","max_completion_tokens":60,${MESSAGES}}`,
    changed: "max_tokens=dropped",
  },
  { on: "openai", body: `{"model":"gpt-4o","max_tokens":50,"prompt_cache_key":"k","seed":1e0,${MESSAGES}}` },
  {
    on: "openai",
    body: `{"user_security_context":{"application_name":"a"},"model":"gpt-4o",${MESSAGES}}`,
    sent: `{"model":"gpt-4o",${MESSAGES}}`,
    changed: "user_security_context=dropped",
  },
  {
    on: "v1",
    body: `{"model":"thinker","max_tokens":50,"safety_identifier":"s","prompt_cache_key":"k",${MESSAGES}}`,
    sent: `{"model":"think-prod","max_completion_tokens":50,"prompt_cache_key":"k",${MESSAGES}}`,
    changed: "max_tokens=max_completion_tokens, safety_identifier=dropped",
  },
  {
    on: "v1",
    body: `{"web_search_options":null,"model":"gpt-4o","service_tier":"priority",${MESSAGES},"prompt_cache_options":{}}`,
    sent: `{"model":"chat-prod","service_tier":"priority",${MESSAGES}}`,
    changed: "web_search_options=dropped, prompt_cache_options=dropped",
  },
  {
    on: "dated-new",
    body: `{"prompt_cache_key":"k","prompt_cache_retention":"24h","model":"gpt-5-mini",${MESSAGES},"max_tokens":9}`,
    sent: `{"model":"gpt-5-mini",${MESSAGES},"max_completion_tokens":9}`,
    changed: "prompt_cache_key=dropped, prompt_cache_retention=dropped, max_tokens=max_completion_tokens",
  },
  {
    on: "dated-new",
    body: `{"model":"gpt-4o",${MESSAGES},"service_tier":"auto","store":true,"metadata":{"a":"b"}}`,
    sent: `{"model":"gpt-4o",${MESSAGES},"store":true,"metadata":{"a":"b"}}`,
    changed: "service_tier=dropped",
  },
  {
    on: "dated-old",
    body: `{"model":"gpt-4o",${MESSAGES},"max_completion_tokens":9,"stream":true,"stream_options":{"include_usage":true}}`,
    sent: `{"model":"gpt-4o",${MESSAGES},"max_tokens":9,"stream":true}`,
    changed: "max_completion_tokens=max_tokens, stream_options=dropped",
  },
  {
    on: "dated-old",
    body: `{"parallel_tool_calls":true,"modalities":[ "text" ],"store":false,"prediction":{"type":"content"},"model":"gpt-4o",${MESSAGES}}`,
    sent: `{"model":"gpt-4o",${MESSAGES}}`,
    changed: "parallel_tool_calls=dropped, modalities=dropped, store=dropped, prediction=dropped",
  },
  {
    on: "v1",
    path: "responses",
    body: '{"model":"gpt-4o","input":"Hi","stream":true,"stream_options":{"include_obfuscation":false},"safety_identifier":"s"}',
    sent: '{"model":"chat-prod","input":"Hi","stream":true}',
    changed: "stream_options=dropped, safety_identifier=dropped",
  },
  {
    on: "dated-new",
    path: "responses",
    body: '{"prompt_cache_key":"k","model":"gpt-4o","input":"Hi"}',
    sent: '{"model":"chat-prod","input":"Hi"}',
    changed: "prompt_cache_key=dropped",
  },
];

for (const { on, path = "chat/completions", body, sent: expected = body, changed } of CASES) {
  test(`${on}: ${changed ?? "nothing is changed"} (${path})`, async () => {
    const response = await gateways[on].post(`/v1/${path}`, body, json);
    assert.equal(response.status, 200, await response.text());
    assert.equal(sent(on), expected);
    assert.equal(response.headers.get("x-tandem-changed"), changed ?? null);
  });
}

test("a model that only the path named stands in the body, also where a field was dropped", async () => {
  const path = "/openai/deployments/gpt-4o/chat/completions?api-version=2025-04-01-preview";
  const response = await gateways.v1.post(path, `{"safety_identifier":"s",${MESSAGES}}`, json);
  assert.equal(response.status, 200, await response.text());
  assert.equal(sent("v1"), `{"model":"chat-prod",${MESSAGES}}`);
  await gateways.v1.post(path, '{"safety_identifier":"s"}', json);
  assert.equal(sent("v1"), '{"model":"chat-prod"}');
});

test("a model that nothing is known of gets what was sent, and the provider's own error comes back", async () => {
  const body = `{"model":"unknown","max_tokens":50,${MESSAGES}}`;
  const response = await gateways.v1.post("/v1/chat/completions", body, json);
  assert.equal(response.status, 400);
  assert.equal(sent("v1"), body.replace("unknown", "think-prod"));
  assert.equal(response.headers.get("x-tandem-changed"), null);
  const { code, param } = await errorOf(response);
  assert.deepEqual([code, param], ["unsupported_parameter", "max_tokens"]);
});

test("no value is clamped and no sampling field taken away: the provider's own refusal is what the caller sees", async () => {
  const response = await gateways.openai.chat({ model: "o3", temperature: 0.2 });
  assert.equal(response.status, 400);
  assert.deepEqual(
    [(await errorOf(response)).code, response.headers.get("x-tandem-changed")],
    ["unsupported_value", null],
  );
  const hot = await gateways.openai.chat({ model: "gpt-4o", temperature: 3 });
  assert.equal((await errorOf(hot)).param, "temperature");
  assert.equal(JSON.parse(sent("openai")).temperature, 3);
});

test("a backend that cannot take a field is passed over", async () => {
  const response = await all.chat({ web_search_options: {} });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-tandem-provider"), "openai");
  assert.equal(response.headers.get("x-tandem-decision"), "failover:field_not_supported");
  assert.equal(response.headers.get("x-tandem-attempts"), "1");
  assert.equal(posts("v1").length, 0);
  const other = await all.chat({ safety_identifier: "s" });
  assert.equal(other.headers.get("x-tandem-provider"), "azure");
});

test("when the first choice fails, the next gets the fields that it takes, not those of the first", async () => {
  both.azure.fault({ fault: "500" });
  const response = await all.chat({ model: "gpt-4o", safety_identifier: "s", prompt_cache_options: {} });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-tandem-changed"), null);
  assert.equal(JSON.parse(sent("openai")).safety_identifier, "s");
});

test("nobody takes the field: 400 names the field, the providers and the fix, once", async () => {
  const sdk = new OpenAI({ apiKey: KEY, baseURL: `${gateways.v1.url}/v1`, maxRetries: 2 });
  const asked = { model: "gpt-4o", messages: [{ role: "user" as const, content: "Hi" }], web_search_options: {} };
  await assert.rejects(sdk.chat.completions.create(asked), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ["unsupported_parameter", "web_search_options"]);
    assert.match(error.message, /route 'all'.*azure not 'web_search_options'.*Leave the field out/);
    assert.equal(error.headers.get("x-tandem-error-origin"), "gateway");
    assert.equal(error.headers.get("x-should-retry"), "false");
    return true;
  });
  assert.equal(posts("v1").length, 0);
  const other = await gateways.v1.post("/v1/responses", { model: "gpt-4o", input: "Hi", moderation: { model: "m" } });
  assert.deepEqual([other.status, (await errorOf(other)).param], [400, "moderation"]);
  const onOpenAI = await gateways.openai.chat({ data_sources: [] });
  assert.deepEqual([onOpenAI.status, (await errorOf(onOpenAI)).param], [400, "data_sources"]);
});

test("the access log says what was changed for whom", async () => {
  const answered = await gateways.v1.chat({ model: "thinker", max_tokens: 3 });
  await answered.text();
  const id = answered.headers.get("x-request-id") as string;
  const line = await until(() =>
    readFileSync(logFile, "utf8")
      .split("\n")
      .find((one) => one.includes(id)),
  );
  const { attempts } = JSON.parse(line ?? "{}") as { attempts: { changed?: string }[] };
  assert.equal(attempts[0]?.changed, "max_tokens=max_completion_tokens");
});

test("what is sent as api-version on v1 is the provider's to say", async () => {
  const preview = azureProvider("v1", { models: MODELS, compatibility: { apiVersionOnV1: "Preview" } });
  const harness = await gatewayOver(both, [preview, routeOf(["azure"]), client()]);
  await (await harness.chat({})).text();
  assert.equal(new URL(posts("v1").at(-1)?.url ?? "", "http://x").searchParams.get("api-version"), "preview");
  await (await gateways.v1.chat({})).text();
  assert.doesNotMatch(posts("v1").at(-1)?.url ?? "", /api-version/);
});

async function until<T>(get: () => T | undefined): Promise<T | undefined> {
  for (let i = 0; i < 300; i++) {
    const value = get();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return undefined;
}
