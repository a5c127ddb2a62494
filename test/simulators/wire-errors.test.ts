/** Are the simulators' refusals those that were seen from the real providers? */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Answer, AZURE_KEY, ask, askAzure, askOpenai, azure, CHAT, DATED, OPENAI_KEY, openai } from "./ask.ts";

interface SeenError {
  readonly provider: "openai" | "azure";
  readonly name: string;
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const seen = JSON.parse(
  readFileSync(new URL("../golden/wire-errors.json", import.meta.url), "utf8"),
) as readonly SeenError[];

const openaiServer = await openai();
const tight = await openai({ limits: { tokensPerMinute: 30, requestsPerMinute: 100 } });
const azureServer = await azure({
  deployments: [
    { name: "gpt-4o-prod", model: "gpt-4o" },
    { name: "gpt-5-prod", model: "gpt-5" },
    { name: "embed-small", model: "text-embedding-3-small" },
  ],
});
const tightAzure = await azure({ limits: { tokensPerMinute: 30, requestsPerMinute: 100 } });
const fewAzure = await azure({ limits: { tokensPerMinute: 3_000_000, requestsPerMinute: 1 } });

const bearer = { authorization: `Bearer ${OPENAI_KEY}` };
const fault = (text: string) => ({ "x-sim-fault": text });
const long = { ...CHAT, messages: [{ role: "user", content: "word ".repeat(100) }] };
const path = (deployment: string, operation = "chat/completions") =>
  `/openai/deployments/${deployment}/${operation}?api-version=2024-10-21`;

/** How each refusal is provoked: where the real conditions can be made, by them; else by a fault. */
const provocations: Readonly<Record<string, () => Promise<Answer>>> = {
  "openai 401 bad key": () => askOpenai(openaiServer, CHAT, { authorization: "Bearer sk-wrong-key-123456" }),
  "openai 404 model": () => askOpenai(openaiServer, { ...CHAT, model: "fake-model" }),
  "openai 429 too large / TPM": () => askOpenai(tight, long),
  "openai 429 quota": () => askOpenai(openaiServer, CHAT, fault("429-quota")),
  "openai 429 credit exhausted (2026)": () =>
    askOpenai(openaiServer, CHAT, fault("429-quota;code=credit_balance_exhausted")),
  "openai 429 slow_down (2026)": () => askOpenai(openaiServer, CHAT, fault("429-capacity")),
  "openai 503 overloaded (2026)": () => askOpenai(openaiServer, CHAT, fault("503")),
  "openai 500": () => askOpenai(openaiServer, CHAT, fault("500")),
  "openai 400 unsupported parameter": () => askOpenai(openaiServer, { ...CHAT, model: "o3", max_tokens: 5 }),
  "openai 400 context length (responses)": () =>
    ask(`${openaiServer.url}/v1/responses`, {
      body: { model: "gpt-4o", input: "word ".repeat(130_000) },
      headers: bearer,
    }),
  "azure 400 content_filter, chat/completions": () => askAzure(azureServer, CHAT, fault("content-filter")),
  "azure 400 content_filter, older/image shape (inner_error, content_filter_results)": () =>
    askAzure(azureServer, CHAT, fault("content-filter;form=inner_error;category=jailbreak")),
  "azure 400 content_filter, v1 responses": () =>
    askAzure(azureServer, CHAT, fault("content-filter;form=content_filters;category=jailbreak")),
  "azure 400 content filter, documented minimal": () =>
    askAzure(azureServer, CHAT, fault("content-filter;form=minimal")),
  "azure 400 wrong operation for model": () => askAzure(azureServer, CHAT, {}, {}, path("embed-small")),
  "azure 400 api-version on /v1": () =>
    askAzure(azureServer, CHAT, {}, {}, "/openai/v1/chat/completions?api-version=2024-10-21"),
  "azure 400 unsupported parameter (same as OpenAI)": () =>
    askAzure(azureServer, { messages: CHAT.messages, max_tokens: 5 }, {}, {}, path("gpt-5-prod")),
  "azure 401 bad api-key": () => askAzure(azureServer, CHAT, { "api-key": "wrong" }),
  "azure 401 missing/invalid/expired bearer or wrong audience (NOTE: no error envelope)": () =>
    ask(azureServer.url + DATED, { body: CHAT, headers: { authorization: `Bearer ${AZURE_KEY}` } }),
  "azure 401 RBAC missing": () => askAzure(azureServer, CHAT, fault("401;form=role")),
  "azure 403 key auth disabled": () => askAzure(azureServer, CHAT, fault("403")),
  "azure 403 network rules": () => askAzure(azureServer, CHAT, fault("403;form=network")),
  "azure 404 unknown deployment": () => askAzure(azureServer, CHAT, {}, {}, path("gpt-4o")),
  "azure 404 unknown route / api-version": () =>
    askAzure(
      azureServer,
      CHAT,
      {},
      {},
      "/openai/deployments/gpt-4o-prod/chat/completions?api-version=2023-03-15-preview",
    ),
  "azure 400 API version not supported": () => askAzure(azureServer, CHAT, fault("400;form=api-version")),
  "azure 408 timeout": () => askAzure(azureServer, CHAT, fault("408")),
  "azure 429 token rate limit (classic)": () => askAzure(tightAzure, long),
  "azure 429 call rate limit (classic)": async () => {
    await askAzure(fewAzure, CHAT);
    return askAzure(fewAzure, CHAT);
  },
  "azure 429 capacity (newer, v1/responses)": () => askAzure(azureServer, CHAT, fault("429-capacity")),
};

for (const error of seen) {
  test(`${error.provider} ${error.name}`, async () => {
    const provoke = provocations[`${error.provider} ${error.name}`];
    assert.ok(provoke, "every error that was seen can be provoked");
    const answer = await provoke();
    assert.equal(answer.status, error.status);
    assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
    const body = JSON.parse(answer.text) as Record<string, unknown>;
    assert.deepEqual(Object.keys(body).sort(), Object.keys(error.body).sort());
    const [real, simulated] = [error.body.error, body.error] as (Record<string, unknown> | undefined)[];
    if (!real || !simulated) {
      assert.deepEqual(body, error.body);
      return;
    }
    assert.deepEqual(Object.keys(simulated).sort(), Object.keys(real).sort());
    for (const name of ["code", "type", "param", "status"]) assert.equal(simulated[name], real[name], name);
    assert.ok(String(simulated.message).length > 10);
  });
}
