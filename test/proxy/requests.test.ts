/** What a caller gets who asks wrongly, and what never reaches a provider. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { beforeEach, test } from "node:test";
import { parseSettings } from "../../proxy/settings-schema.ts";
import { chatAnswer, FakeProvider } from "../fakes/provider.ts";
import { errorOf, KEY, object, objects, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const settings = parseSettings({ limits: { requestBytes: "64Ki", replayBytes: "100Ki", headerBytes: "8Ki" } });
const harness = await startHarness({ openai: openai.url, azure: azure.url, settings });
const BODY = { model: "gpt-4o", messages: [] };

beforeEach(() => {
  openai.seen.length = 0;
  openai.answer = chatAnswer("hello");
  harness.apply(objects());
});

async function assertRefused(response: Response, status: number, code: string, names: RegExp): Promise<void> {
  const error = await errorOf(response);
  assert.equal(response.status, status, error.message);
  assert.equal(error.code, code);
  assert.match(error.message, names);
  assert.equal(response.headers.get("x-tandem-error-origin"), "gateway");
  assert.ok(response.headers.get("x-request-id"));
  assert.equal(openai.calls.length, 0, "it reached a provider");
}

/** Bytes on the wire, as no HTTP library would send them; resolves with all that came back. */
function raw(text: string, end = true): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(harness.url).port), "127.0.0.1", () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString();
      if (end && /\r\n\r\n[\s\S]+/.test(answer)) socket.end();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", () => resolve(answer));
  });
}

test("no key, a wrong key, two keys, another scheme: 401", async () => {
  const ask = (headers: Record<string, string>) =>
    fetch(`${harness.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(BODY),
    });
  await assertRefused(await ask({}), 401, "invalid_api_key", /No API key/);
  await assertRefused(await ask({ authorization: "Bearer wrong" }), 401, "invalid_api_key", /not one of/);
  await assertRefused(await ask({ authorization: "Basic eDp5" }), 401, "invalid_api_key", /Bearer/);
  await assertRefused(
    await ask({ authorization: `Bearer ${KEY}`, "api-key": "x" }),
    401,
    "invalid_api_key",
    /different keys/,
  );
  const refused = await ask({});
  assert.match(refused.headers.get("www-authenticate") ?? "", /Bearer/);
  assert.equal(refused.headers.get("x-should-retry"), "false");
  assert.equal((await ask({ "api-key": KEY })).status, 200);
});

test("an unknown model, or one that the client may not use: 404 model_not_found", async () => {
  await assertRefused(await harness.chat({ model: "nope" }), 404, "model_not_found", /'nope'/);
  harness.apply(objects({ client: { models: ["embed"] } }));
  await assertRefused(await harness.chat(), 404, "model_not_found", /'gpt-4o'/);
});

test("malformed bodies: 400 that says what and where", async () => {
  const send = (body: string) => harness.post("/v1/chat/completions", body);
  await assertRefused(await send("{"), 400, "invalid_json", /ends before/);
  await assertRefused(await send(""), 400, "invalid_json", /empty/);
  await assertRefused(await send("[1]"), 400, "invalid_json", /offset 0/);
  await assertRefused(await send('{"model":"gpt-4o"} x'), 400, "invalid_json", /offset 19/);
  await assertRefused(await send('{"messages":[]}'), 400, "missing_field", /'model'/);
  await assertRefused(await send('{"model":5}'), 400, "invalid_field", /'model'/);
  await assertRefused(await send('{"model":"gpt-4o","stream":"yes"}'), 400, "invalid_field", /'stream'/);
  await assertRefused(await send('{"model":"gpt-4o","model":"embed"}'), 400, "duplicate_field", /'model'/);
  await assertRefused(await send('{"model":"gpt-4o","m\\u006fdel":"embed"}'), 400, "duplicate_field", /'model'/);
});

test("another content type or coding: 415", async () => {
  const typed = (type: string) => harness.post("/v1/chat/completions", BODY, { "content-type": type });
  await assertRefused(
    await typed("application/x-www-form-urlencoded"),
    415,
    "unsupported_media_type",
    /application\/json/,
  );
  const coded = await harness.post("/v1/chat/completions", BODY, { "content-encoding": "gzip" });
  await assertRefused(coded, 415, "unsupported_media_type", /gzip/);
  assert.equal((await typed("application/json; charset=utf-8")).status, 200);
});

test("unknown paths 404, wrong methods 405, paths that mean another one 404", async () => {
  const get = (path: string) => fetch(harness.url + path, { headers: { authorization: `Bearer ${KEY}` } });
  await assertRefused(await get("/v2/chat"), 404, "unknown_url", /\/v1\//);
  await assertRefused(await get("/v1/organization/users"), 404, "unknown_url", /organization/);
  await assertRefused(await get("/v1/embeddings"), 405, "method_not_allowed", /POST/);
  await assertRefused(await get("/v1/files"), 403, "listing_not_allowed", /files/);
  for (const path of ["/v1/files/..%2forganization", "/v1/files/%2e%2e/x", "/v1/files//x", "/v1/files/a%5cb"]) {
    assert.match(
      await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\n\r\n`),
      /unknown_url/,
      path,
    );
  }
});

test("a body over limits.requestBytes: 413, declared or not", async () => {
  const large = { ...BODY, user: "x".repeat(70_000) };
  await assertRefused(await harness.chat(large), 413, "request_too_large", /65536/);
  const chunked = new ReadableStream({
    start(controller) {
      for (let i = 0; i < 10; i++)
        controller.enqueue(Buffer.from(i === 0 ? '{"model":"gpt-4o","user":"' : "x".repeat(9_000)));
      controller.close();
    },
  });
  const response = await fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: chunked,
    duplex: "half",
  } as RequestInit);
  await assertRefused(response, 413, "request_too_large", /65536/);
  assert.equal((await harness.chat()).status, 200);
});

test("headers over limits.headerBytes: 431 in OpenAI's shape", async () => {
  const answer = await raw(`GET /v1/models HTTP/1.1\r\nhost: x\r\nx-big: ${"x".repeat(10_000)}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  assert.match(answer, /"code":"headers_too_large"/);
});

test("requests that two parsers could read differently are refused", async () => {
  const body = JSON.stringify(BODY);
  const smuggled = [
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n${body}`,
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n content-length: 5\r\n\r\n${body}`,
    "GET /v1/models HTTP/1.1\r\n\r\n",
    "GET /v1/models HTTP/1.1\nhost: x\n\n",
    "nonsense\r\n\r\n",
  ];
  for (const text of smuggled) {
    assert.match(await raw(text), /^HTTP\/1\.1 400 /, text.slice(0, 120));
  }
  assert.equal(openai.calls.length, 0);
});

test("headers of the caller do not reach the provider", async () => {
  const secret = {
    cookie: "session=1",
    "openai-organization": "org-1",
    "x-stainless-lang": "js",
    "x-forwarded-for": "1.2.3.4",
  };
  await harness.chat({}, { ...secret, "openai-beta": "some=1" });
  const headers = openai.calls[0]?.headers ?? {};
  for (const name of [...Object.keys(secret), "api-key"]) assert.equal(headers[name], undefined, name);
  assert.equal(headers["openai-beta"], "some=1");
  assert.ok(!JSON.stringify(headers).includes(KEY));
});

test("bodies beyond limits.replayBytes together stream without replay, or wait outside", async () => {
  const release: (() => void)[] = [];
  openai.answer = async (response, request) => {
    if (request.body.length > 30_000) await new Promise<void>((resolve) => release.push(resolve));
    await chatAnswer("hello")(response, request);
  };
  const kept = [1, 2].map(() => harness.chat({ user: "x".repeat(45_000) }));
  while (release.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const streamed = await harness.chat({ user: "y".repeat(25_000) });
  assert.equal(streamed.status, 200);
  assert.equal(openai.calls.at(-1)?.body.includes("y".repeat(25_000)), true);
  const modelLast = new ReadableStream({
    async start(controller) {
      controller.enqueue(Buffer.from(`{"user":"${"z".repeat(20_000)}`));
      await new Promise((resolve) => setTimeout(resolve, 50));
      controller.enqueue(Buffer.from('","model":"gpt-4o"}'));
      controller.close();
    },
  });
  const refused = await fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: modelLast,
    duplex: "half",
  } as RequestInit);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  for (const go of release) go();
  for (const one of await Promise.all(kept)) assert.equal(one.status, 200);
  assert.deepEqual((await harness.status()).keptBodies, { bytes: 0, capacity: 102_400 });
});

test("GET /v1/models lists what the caller may use, as OpenAI does", async () => {
  const get = (path: string) => fetch(harness.url + path, { headers: { authorization: `Bearer ${KEY}` } });
  const list = (await (await get("/v1/models")).json()) as { object: string; data: { id: string; object: string }[] };
  assert.equal(list.object, "list");
  assert.deepEqual(
    list.data.map((one) => one.id),
    ["embed", "gpt-4o"],
  );
  assert.equal(((await (await get("/v1/models/gpt-4o")).json()) as { id: string }).id, "gpt-4o");
  await assertRefused(await get("/v1/models/nope"), 404, "model_not_found", /nope/);
  harness.apply(objects({ client: { models: ["gpt-4o"] } }));
  const fewer = (await (await get("/v1/models")).json()) as typeof list;
  assert.deepEqual(
    fewer.data.map((one) => one.id),
    ["gpt-4o"],
  );
});

test("a star route takes any name for OpenAI, only listed ones for Azure", async () => {
  const backends = [
    { name: "azure", providerRef: { name: "azure-sweden" }, priority: 1 },
    { name: "openai", providerRef: { name: "openai" }, priority: 2 },
  ];
  const star = object("AIRoute", "any", { models: ["*"], backends });
  harness.apply(objects({ more: [star] }));
  const response = await harness.chat({ model: "gpt-99" });
  assert.equal(response.headers.get("x-tandem-route"), "any");
  assert.equal(response.headers.get("x-tandem-provider"), "openai");
  openai.seen.length = 0;
  const azureOnly = object("AIRoute", "any", { models: ["*"], backends: backends.slice(0, 1) });
  harness.apply(objects({ more: [azureOnly] }));
  await assertRefused(await harness.chat({ model: "gpt-99" }), 404, "model_not_found", /gpt-99/);
});

test("whatever a caller names under a star route, the answer's headers can be sent", async () => {
  harness.apply(objects({ route: { models: ["*"] }, openai: { models: [] } }));
  for (const [model, shown] of [
    ["a\nb", "a%0Ab"],
    ["a\r\nset-cookie: x=1", "a%0D%0Aset-cookie%3A%20x%3D1"],
    ["模型", "%E6%A8%A1%E5%9E%8B"],
    ["\ud800", "%EF%BF%BD"],
    ["vendor/model name", "vendor/model name"],
  ] as const) {
    const response = await harness.chat({ model });
    assert.deepEqual([response.status, response.headers.get("x-tandem-model")], [200, shown]);
    assert.equal(response.headers.get("set-cookie"), null);
  }
});

test("Azure's own paths work as well, with the key in api-key", async () => {
  const headers = { "api-key": KEY, authorization: "" };
  const ask = (path: string, body: object) =>
    fetch(harness.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", "api-key": headers["api-key"] },
      body: JSON.stringify(body),
    });
  const dated = await ask("/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", { messages: [] });
  assert.equal(dated.status, 200);
  assert.equal(openai.calls[0]?.url, "/v1/chat/completions");
  assert.equal(JSON.parse(openai.calls[0]?.body ?? "").model, "gpt-4o");
  assert.equal((await ask("/openai/v1/chat/completions", BODY)).status, 200);
});

test("a client that offers HTTP/2 on the way, as Java's own does, is answered in HTTP/1.1", async () => {
  const body = JSON.stringify(BODY);
  const head = [
    "POST /v1/chat/completions HTTP/1.1",
    "host: tandem",
    `authorization: Bearer ${KEY}`,
    "connection: Upgrade, HTTP2-Settings",
    "upgrade: h2c",
    "http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    "content-type: application/json",
    `content-length: ${body.length}`,
  ];
  const answer = await raw(`${head.join("\r\n")}\r\n\r\n${body}`);
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.equal(openai.calls.length, 1);
});
