import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { pipedRequestHeaders, requestHeaders, responseHeaders } from "../../proxy/headers.ts";

const CALLER = {
  host: "gateway.example",
  authorization: "Bearer caller-key",
  "api-key": "caller-key",
  cookie: "session=1",
  "openai-organization": "org-caller",
  "openai-project": "proj-caller",
  "x-stainless-lang": "js",
  "x-forwarded-for": "192.0.2.1",
  "x-forwarded-access-token": "jwt",
  "x-ms-spillover-deployment": "other",
  "user-agent": "OpenAI/JS 7.5.0",
  connection: "keep-alive, x-secret-hop",
  "transfer-encoding": "chunked",
  "content-length": "12",
  "accept-encoding": "gzip",
  accept: "application/json",
  "content-type": "application/json",
  "openai-beta": "assistants=v2",
  "idempotency-key": "abc",
  range: "bytes=0-1",
  ...Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`x-custom-${i}`, "1"])),
};

test("only the allow-list goes to a provider", () => {
  assert.deepEqual(requestHeaders(CALLER, "OpenAI", "req_1"), {
    "user-agent": "tandem",
    "x-client-request-id": "req_1",
    accept: "application/json",
    "content-type": "application/json",
    "idempotency-key": "abc",
    "openai-beta": "assistants=v2",
  });
  assert.deepEqual(pipedRequestHeaders(CALLER, "AzureOpenAI", "req_1"), {
    "user-agent": "tandem",
    "x-ms-client-request-id": "req_1",
    accept: "application/json",
    "content-type": "application/json",
    "idempotency-key": "abc",
    "openai-beta": "assistants=v2",
    range: "bytes=0-1",
  });
});

test("Azure never gets more than 10 custom headers, trace context included", () => {
  const everything = new Proxy({}, { get: () => "1" });
  const standard = new Set(
    "user-agent accept content-type content-encoding range if-range if-match if-none-match if-modified-since".split(
      " ",
    ),
  );
  const sent = [...Object.keys(pipedRequestHeaders(everything, "AzureOpenAI", "r")), "traceparent", "tracestate"];
  const custom = sent.filter((name) => !standard.has(name));
  assert.ok(custom.length <= 10, custom.join(" "));
});

test("a real answer's headers are filtered and renamed", async () => {
  const server = createServer((_req, res) => {
    res.writeHead(200, [
      ["connection", "close, x-hop"],
      ["keep-alive", "timeout=5"],
      ["x-hop", "1"],
      ["set-cookie", "__cf_bm=1"],
      ["alt-svc", 'h3=":443"'],
      ["strict-transport-security", "max-age=31536000"],
      ["openai-organization", "org-operator"],
      ["server", "cloudflare"],
      ["x-request-id", "req_provider"],
      ["x-tandem-route", "forged"],
      ["x-ratelimit-remaining-tokens", "5"],
      ["x-ms-region", "Sweden Central"],
      ["retry-after-ms", "20"],
      ["content-type", "application/json"],
      ["content-length", "2"],
    ] as never);
    res.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    request({ host: "127.0.0.1", port }, (res) => {
      res.resume();
      resolve(responseHeaders(res.headers));
    })
      .on("error", reject)
      .end();
  });
  server.close();
  assert.deepEqual(headers, {
    "x-tandem-provider-request-id": "req_provider",
    "x-tandem-provider-ratelimit-remaining-tokens": "5",
    "x-ms-region": "Sweden Central",
    "retry-after-ms": "20",
    "content-type": "application/json",
    "content-length": "2",
  });
});

test("a header named __proto__ changes nothing", () => {
  const hostile = JSON.parse('{"__proto__":["x"],"etag":"1"}');
  const headers = responseHeaders(hostile);
  assert.equal(Object.getPrototypeOf(headers), Object.prototype);
  assert.deepEqual(headers, { etag: "1" });
});
