/** Who answers when a provider fails: the order of manifest 01, seen from outside. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import {
  chatAnswer,
  delayed,
  errorAnswer,
  FakeProvider,
  inTurn,
  json,
  stream,
  WHOLE_STREAM,
} from "../fakes/provider.ts";
import { AZURE_KEY, errorOf, OPENAI_KEY, object, objects, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url });
const FAST_BACKOFF = { base: "1ms", max: "5ms" };

// Breakers and cool-downs live as long as their provider: providers that are gone for one table begin anew.
beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  openai.answer = chatAnswer("from openai");
  azure.answer = chatAnswer("from azure");
  harness.apply([]);
  harness.apply(objects());
});

async function content(response: Response): Promise<unknown> {
  const body = (await response.json()) as { choices: { message: { content: string } }[] };
  return body.choices[0]?.message.content;
}

test("the first priority answers, and the headers say who it was", async () => {
  const response = await harness.chat();
  assert.equal(response.status, 200);
  assert.equal(await content(response), "from openai");
  assert.equal(azure.calls.length, 0);
  const expected = {
    "x-tandem-route": "chat",
    "x-tandem-provider": "openai",
    "x-tandem-backend": "openai",
    "x-tandem-model": "gpt-4o",
    "x-tandem-attempts": "1",
    "x-tandem-decision": "priority",
  };
  for (const [name, value] of Object.entries(expected)) assert.equal(response.headers.get(name), value, name);
  assert.match(response.headers.get("x-request-id") ?? "", /^req_[0-9a-f]{32}$/);
  assert.equal(openai.calls[0]?.headers.authorization, `Bearer ${OPENAI_KEY}`);
  assert.equal(openai.calls[0]?.headers.host, "api.openai.com");
  assert.equal(openai.calls[0]?.url, "/v1/chat/completions");
});

for (const status of [500, 502, 503, 408]) {
  test(`a ${status} goes to the next provider, in its own dialect`, async () => {
    openai.answer = errorAnswer(status, "server_error");
    const response = await harness.chat({ temperature: 0.5 });
    assert.equal(await content(response), "from azure");
    assert.equal(response.headers.get("x-tandem-decision"), "failover:server_error");
    assert.equal(response.headers.get("x-tandem-attempts"), "2");
    assert.equal(response.headers.get("x-tandem-model"), "gpt-4o-prod");
    const [call] = azure.calls;
    assert.equal(call?.url, "/openai/deployments/gpt-4o-prod/chat/completions?api-version=2024-10-21");
    assert.equal(call?.headers["api-key"], AZURE_KEY);
    assert.equal(call?.headers.authorization, undefined);
    assert.equal(JSON.parse(call?.body ?? "").temperature, 0.5);
  });
}

test("retrySameProvider asks again before it goes on", async () => {
  harness.apply(
    objects({ route: { failover: { retrySameProvider: 1, fallbackToNext: true, backoff: FAST_BACKOFF } } }),
  );
  openai.answer = inTurn(errorAnswer(500, "server_error"), chatAnswer("second time"));
  const response = await harness.chat();
  assert.equal(await content(response), "second time");
  assert.equal(openai.calls.length, 2);
  assert.equal(azure.calls.length, 0);
});

test("fallbackToNext: false stays with the first, and its error is passed on", async () => {
  harness.apply(objects({ route: { failover: { retrySameProvider: 0, fallbackToNext: false } } }));
  openai.answer = errorAnswer(503, "server_is_overloaded");
  const response = await harness.chat();
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("x-tandem-error-origin"), "provider");
  assert.equal((await errorOf(response)).code, "server_is_overloaded");
  assert.equal(azure.calls.length, 0);
});

test("a reset, a refused connection, HTML with 200 and broken JSON fall over", async () => {
  const faults = [
    (response: import("node:http").ServerResponse) => void response.destroy(),
    (response: import("node:http").ServerResponse) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>hello</h1>");
    },
    (response: import("node:http").ServerResponse) => {
      response.writeHead(200, { "content-type": "application/json" }).end('{"choices":[');
    },
    (response: import("node:http").ServerResponse) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "500" }).write('{"choices":[');
      setTimeout(() => response.destroy(), 10);
    },
  ];
  for (const fault of faults) {
    openai.answer = fault;
    assert.equal(await content(await harness.chat()), "from azure", String(fault));
  }
});

test("a 429 goes to the next at once and leaves this model alone, not the other models", async () => {
  openai.answer = errorAnswer(429, "rate_limit_exceeded", { "retry-after-ms": "60000" });
  const began = performance.now();
  assert.equal((await harness.chat()).headers.get("x-tandem-decision"), "failover:rate_limited");
  assert.ok(performance.now() - began < 500);
  openai.seen.length = 0;
  openai.answer = chatAnswer("again");
  assert.equal((await harness.chat()).headers.get("x-tandem-decision"), "failover:rate_limited");
  assert.equal(openai.calls.length, 0, "the rate-limited model was asked again");
  openai.answer = json(200, { object: "list", data: [], model: "embed", usage: { prompt_tokens: 1, total_tokens: 1 } });
  const other = await harness.post("/v1/embeddings", { model: "embed", input: "x" });
  assert.equal(other.headers.get("x-tandem-provider"), "openai");
});

test("when everybody is rate-limited for a moment the request waits for the first to be free", async () => {
  openai.answer = inTurn(
    errorAnswer(429, "rate_limit_exceeded", { "retry-after-ms": "300" }),
    chatAnswer("free again"),
  );
  azure.answer = errorAnswer(429, "429", { "retry-after-ms": "60000" });
  const began = performance.now();
  assert.equal(await content(await harness.chat()), "free again");
  const took = performance.now() - began;
  assert.ok(took >= 250 && took < 2000, `took ${took} ms`);
});

test("when everybody is rate-limited for long the caller learns how long", async () => {
  openai.answer = errorAnswer(429, "rate_limit_exceeded", { "retry-after-ms": "50000" });
  azure.answer = errorAnswer(429, "429", { "retry-after": "40" });
  const first = await harness.chat();
  assert.equal(first.status, 429);
  const second = await harness.chat();
  assert.equal(second.status, 429);
  assert.equal((await errorOf(second)).code, "rate_limit_exceeded");
  assert.ok(Number(second.headers.get("retry-after")) >= 38);
});

test("the caller's own faults never hop", async () => {
  for (const [status, code] of [
    [400, "unsupported_parameter"],
    [400, "content_filter"],
    [422, "unprocessable"],
    [413, "too_large"],
  ] as const) {
    azure.seen.length = 0;
    openai.answer = errorAnswer(status, code);
    const response = await harness.chat();
    assert.equal(response.status, status);
    assert.equal((await errorOf(response)).code, code);
    assert.equal(response.headers.get("x-tandem-error-origin"), "provider");
    assert.equal(azure.calls.length, 0);
  }
});

test("context_length_exceeded goes only to a model with a larger context", async () => {
  openai.answer = errorAnswer(400, "context_length_exceeded");
  assert.equal((await harness.chat()).status, 400);
  assert.equal(azure.calls.length, 0);
  const models = (contextTokens: number) => [{ name: "gpt-4o", deployment: "gpt-4o-prod", contextTokens }];
  const small = { openai: { models: [{ name: "gpt-4o", contextTokens: 8000 }] } };
  harness.apply(objects({ ...small, azure: { models: models(8000) }, route: { models: ["gpt-4o"] } }));
  assert.equal((await harness.chat()).status, 400);
  assert.equal(azure.calls.length, 0);
  harness.apply(objects({ ...small, azure: { models: models(128_000) }, route: { models: ["gpt-4o"] } }));
  assert.equal(await content(await harness.chat()), "from azure");
});

test("a refused key or unknown deployment falls over, and is never the caller's 401", async () => {
  for (const [status, code] of [
    [401, "some_fault"],
    [403, "some_fault"],
    [404, "model_not_found"],
  ] as const) {
    openai.answer = errorAnswer(status, code);
    assert.equal(await content(await harness.chat()), "from azure");
  }
  openai.answer = errorAnswer(401, "invalid_api_key");
  azure.answer = errorAnswer(401, "401");
  const response = await harness.chat();
  assert.equal(response.status, 502);
  assert.equal((await errorOf(response)).code, "upstream_auth_failed");
  assert.equal(response.headers.get("x-should-retry"), "false");
});

test("the breaker opens after its threshold, is passed over, and lets one probe through", async () => {
  const circuitBreaker = { failureThreshold: 3, recoveryTimeout: "1s" };
  harness.apply(objects({ openai: { circuitBreaker } }));
  openai.answer = errorAnswer(500, "server_error");
  for (let i = 0; i < 3; i++) await harness.chat();
  assert.equal(openai.calls.length, 3);
  const passed = await harness.chat();
  assert.equal(passed.headers.get("x-tandem-decision"), "failover:circuit_open");
  assert.equal(openai.calls.length, 3);
  openai.answer = delayed(200, chatAnswer("well again"));
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const answers = await Promise.all(Array.from({ length: 10 }, async () => content(await harness.chat())));
  assert.equal(openai.calls.length, 4, "more than one probe went through the half-open breaker");
  assert.equal(answers.filter((text) => text === "well again").length, 1);
  assert.equal(await content(await harness.chat()), "well again");
});

test("all breakers open: the least bad is tried, not an instant error", async () => {
  const circuitBreaker = { failureThreshold: 1, recoveryTimeout: "60s" };
  harness.apply(objects({ openai: { circuitBreaker }, azure: { circuitBreaker } }));
  openai.answer = errorAnswer(500, "server_error");
  azure.answer = errorAnswer(500, "server_error");
  assert.equal((await harness.chat()).status, 500);
  openai.answer = chatAnswer("back");
  azure.answer = chatAnswer("back");
  assert.equal(await content(await harness.chat()), "back");
});

test("maxAttempts bounds them all together", async () => {
  const failover = { retrySameProvider: 3, fallbackToNext: true, maxAttempts: 2, backoff: FAST_BACKOFF };
  harness.apply(objects({ route: { failover } }));
  openai.answer = errorAnswer(500, "server_error");
  const response = await harness.chat();
  assert.equal(response.status, 500);
  assert.equal(response.headers.get("x-tandem-attempts"), "2");
  assert.equal(response.headers.get("x-should-retry"), "false");
  assert.equal(openai.calls.length + azure.calls.length, 2);
});

test("time limits of a stream fall over while nothing was sent", async () => {
  const timeouts = { firstByte: "100ms", firstToken: "250ms" };
  harness.apply(objects({ openai: { timeouts } }));
  azure.answer = stream(WHOLE_STREAM);
  openai.answer = () => undefined;
  const silent = await harness.chat({ stream: true });
  assert.equal(await silent.text(), WHOLE_STREAM.join(""));
  assert.equal(silent.headers.get("x-tandem-decision"), "failover:timeout");
  openai.answer = (response) => void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
  assert.equal(await (await harness.chat({ stream: true })).text(), WHOLE_STREAM.join(""));
});

test("timeouts.request ends a plain answer that does not come", async () => {
  harness.apply(objects({ openai: { timeouts: { request: "150ms" } } }));
  openai.answer = () => undefined;
  assert.equal(await content(await harness.chat()), "from azure");
  harness.apply(objects({ openai: { timeouts: { request: "150ms" } }, azure: { timeouts: { request: "150ms" } } }));
  azure.answer = () => undefined;
  const response = await harness.chat();
  assert.equal(response.status, 504);
  assert.equal((await errorOf(response)).code, "upstream_timeout");
});

test("weights of one tier share the requests, weight 0 takes none", async () => {
  const backends = [
    { name: "openai", providerRef: { name: "openai" }, weight: 0 },
    { name: "azure", providerRef: { name: "azure-sweden" }, weight: 10 },
  ];
  harness.apply(objects({ route: { backends, failover: {} } }));
  for (let i = 0; i < 5; i++) assert.equal((await harness.chat()).headers.get("x-tandem-decision"), "weighted");
  assert.equal(openai.calls.length, 0);
  azure.answer = errorAnswer(500, "server_error");
  assert.equal(await content(await harness.chat()), "from openai");
});

test("a sticky key keeps its backend, by header or by body field", async () => {
  const backends = [
    { name: "openai", providerRef: { name: "openai" }, weight: 50 },
    { name: "azure", providerRef: { name: "azure-sweden" }, weight: 50 },
  ];
  const sticky = { by: [{ header: "x-session-id" }, { bodyField: "user" }] };
  harness.apply(objects({ route: { backends, sticky, failover: {} } }));
  const seen = new Set<string | null>();
  for (const user of ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal"]) {
    const byBody = await Promise.all([1, 2, 3].map(() => harness.chat({ user })));
    const byHeader = await Promise.all([1, 2, 3].map(() => harness.chat({}, { "x-session-id": user })));
    const backendsSeen = new Set([...byBody, ...byHeader].map((one) => one.headers.get("x-tandem-backend")));
    assert.equal(backendsSeen.size, 1, `${user} moved`);
    assert.equal(byBody[0]?.headers.get("x-tandem-decision"), "sticky");
    for (const backend of backendsSeen) seen.add(backend);
  }
  assert.equal(seen.size, 2);
});

test("a provider that is deleted while a route uses it takes no more requests", async () => {
  harness.apply(objects().filter((one) => (one as { metadata: { name: string } }).metadata.name !== "openai"));
  assert.equal(await content(await harness.chat()), "from azure");
  assert.equal(openai.calls.length, 0);
});

test("a rotated provider key is used at once, the old one never again", async () => {
  await harness.chat();
  const rotated = { openai: "sk-rotated", azure: AZURE_KEY, client: "tdm-harness-client-key" };
  harness.apply(objects(), rotated);
  await harness.chat();
  assert.deepEqual(
    openai.calls.map((call) => call.headers.authorization),
    [`Bearer ${OPENAI_KEY}`, "Bearer sk-rotated"],
  );
});

test("a foreign namespace cannot draw away a model of this one", async () => {
  const thief = object(
    "AIRoute",
    "thief",
    {
      models: ["gpt-4o"],
      backends: [{ name: "openai", providerRef: { name: "openai", namespace: "ai" } }],
      allowedClients: { namespaces: "All" },
    },
    "evil",
  );
  harness.apply(objects({ openai: { allowedRoutes: { namespaces: "All" } }, more: [thief] }));
  assert.equal((await harness.chat()).headers.get("x-tandem-route"), "chat");
});
