import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { after, test } from "node:test";
import { GatewayError } from "../../proxy/errors.ts";
import type { Exchange } from "../../proxy/exchange.ts";
import { createPassthrough, type PassthroughCall, type PassthroughOptions } from "../../proxy/passthrough.ts";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { Redacted } from "../../routing/secrets.ts";
import type { Provider } from "../../routing/table.ts";
import { attempt, exchange, TABLE } from "./telemetry/exchange-fixture.ts";
import { certificatesFor, forwardProxy, provideTLS } from "./upstream/servers.ts";

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

const OPENAI: Provider = {
  ...(TABLE.providers["ai/openai"] as Provider),
  timeouts: { connect: 500, firstByte: 500, idle: 300, request: 500 },
};

interface Upstream {
  port: number;
  requests: { method: string; url: string; headers: IncomingMessage["headers"]; body: Buffer; aborted: boolean }[];
}

async function upstream(
  answer: (req: IncomingMessage, res: ServerResponse) => void,
  onRequest = false,
): Promise<Upstream> {
  const requests: Upstream["requests"] = [];
  const server = createServer((req, res) => {
    const { method = "", url = "", headers } = req;
    const entry = { method, url, headers, body: Buffer.alloc(0), aborted: false };
    requests.push(entry);
    res.on("close", () => {
      entry.aborted = !res.writableFinished;
    });
    req.on("error", () => undefined);
    req.on("data", (chunk) => {
      entry.body = Buffer.concat([entry.body, chunk]);
    });
    if (onRequest) answer(req, res);
    else req.on("end", () => answer(req, res));
  });
  return { port: await listen(server), requests };
}

interface Gateway {
  port: number;
  /** Resolves when the passthrough has told how it ended. */
  ended: Promise<Exchange>;
  exchange: Exchange;
}

async function gateway(
  upstreamPort: number,
  call: Partial<PassthroughCall> = {},
  options: Partial<PassthroughOptions> = {},
): Promise<Gateway> {
  const connectTo = new Map([["api.openai.com", `http://127.0.0.1:${upstreamPort}`]]);
  const passthrough = createPassthrough({ egress: DEFAULT_SETTINGS.egress, connectTo, ...options });
  closing.push(() => passthrough.close());
  const record = attempt({ respondedAt: undefined, endedAt: undefined, status: undefined, outcome: undefined });
  const one = exchange({ attempts: [record], outcome: undefined, status: 0, responseBytes: 0, firstByteAt: undefined });
  const { promise: ended, resolve } = Promise.withResolvers<Exchange>();
  const server = createServer((req, res) => {
    passthrough(req, res, {
      provider: OPENAI,
      credentials: new Map(),
      path: (req.url ?? "").replace(/^\/v1/, "/v1"),
      headers: { authorization: "Bearer provider-key" },
      exchange: one,
      attempt: record,
      limit: 1_000_000,
      readerPatience: 60_000,
      answerHeaders: (headers) => ({ ...headers, "x-request-id": one.id }),
      ...call,
    })
      .catch((error) => {
        if (!(error instanceof GatewayError)) throw error;
        one.errorCode = error.code;
        res.writeHead(error.status, error.headers()).end(error.body());
      })
      .then(() => resolve(one));
  });
  return { port: await listen(server), ended, exchange: one };
}

interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: Buffer;
  broken: boolean;
}

function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const req = request({ port, path, host: "127.0.0.1", agent: false, ...rest }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("error", () => undefined);
      res.on("close", () => {
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: Buffer.concat(chunks),
          broken: !res.complete,
        });
      });
    });
    req.on("error", reject);
    req.end(body);
  });
}

test("a body goes up and an answer comes back byte for byte", async () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  const up = await upstream((_req, res) =>
    res.writeHead(201, { "content-type": "application/octet-stream" }).end(bytes),
  );
  const gw = await gateway(up.port);
  const answer = await ask(gw.port, "/v1/files?purpose=batch", {
    method: "POST",
    headers: { "content-type": "multipart/form-data; boundary=x", "content-length": String(bytes.length) },
    body: bytes,
  });
  assert.equal(answer.status, 201);
  assert.ok(answer.body.equals(bytes));
  assert.equal(answer.headers["x-request-id"], "req_1");
  const [got] = up.requests;
  assert.equal(got?.url, "/v1/files?purpose=batch");
  assert.ok(got?.body.equals(bytes));
  assert.equal(got?.headers["content-type"], "multipart/form-data; boundary=x");
  const one = await gw.ended;
  assert.equal(one.outcome, "ok");
  assert.equal(one.status, 201);
  assert.equal(one.requestBytes, bytes.length);
  assert.equal(one.responseBytes, bytes.length);
  assert.equal(one.attempts[0]?.outcome, "ok");
  assert.ok(one.attempts[0]?.endedAt);
});

test("only allowed headers cross, in both directions", async () => {
  const up = await upstream((_req, res) =>
    res
      .writeHead(200, {
        "set-cookie": "a=b",
        "x-ratelimit-limit-requests": "5",
        "x-request-id": "req_up",
        "alt-svc": "h3",
      })
      .end("{}"),
  );
  const gw = await gateway(up.port);
  const answer = await ask(gw.port, "/v1/files", {
    headers: {
      authorization: "Bearer caller-key",
      "api-key": "caller-key",
      cookie: "c=1",
      "openai-organization": "org",
      "openai-project": "proj",
      "x-stainless-lang": "js",
      "x-custom": "1",
      connection: "close, x-hop",
      "x-hop": "1",
      "openai-beta": "assistants=v2",
      range: "bytes=0-1",
      expect: "100-continue",
    },
  });
  const { host, connection: _connection, ...sent } = up.requests[0]?.headers ?? {};
  assert.equal(host, "api.openai.com");
  assert.deepEqual(sent, {
    "user-agent": "tandem",
    "x-client-request-id": "req_1",
    authorization: "Bearer provider-key",
    "openai-beta": "assistants=v2",
    range: "bytes=0-1",
  });
  assert.equal(answer.headers["set-cookie"], undefined);
  assert.equal(answer.headers["alt-svc"], undefined);
  assert.equal(answer.headers["x-tandem-provider-ratelimit-limit-requests"], "5");
  assert.equal((await gw.ended).attempts[0]?.providerRequestID, "req_up");
});

test("the framing of a body is said anew", async () => {
  const up = await upstream((_req, res) => res.end("{}"));
  const cases: [string, Record<string, string>, string | undefined, Record<string, string | undefined>][] = [
    [
      "POST",
      { "transfer-encoding": "chunked" },
      "hello",
      { "transfer-encoding": "chunked", "content-length": undefined },
    ],
    [
      "DELETE",
      { "transfer-encoding": "chunked" },
      "hello",
      { "transfer-encoding": "chunked", "content-length": undefined },
    ],
    ["DELETE", { "content-length": "5" }, "hello", { "content-length": "5", "transfer-encoding": undefined }],
    ["DELETE", {}, undefined, { "content-length": "0", "transfer-encoding": undefined }],
    ["GET", {}, undefined, { "content-length": undefined, "transfer-encoding": undefined }],
    ["POST", { "content-length": "0" }, undefined, { "content-length": "0", "transfer-encoding": undefined }],
  ];
  for (const [method, headers, body, want] of cases) {
    const gw = await gateway(up.port);
    const answer = await ask(gw.port, "/v1/files/f", { method, headers, ...(body ? { body } : {}) });
    assert.equal(answer.status, 200, method);
    const got = up.requests.at(-1);
    assert.equal(got?.body.toString(), body ?? "");
    for (const [name, value] of Object.entries(want)) assert.equal(got?.headers[name], value, `${method} ${name}`);
  }
});

test("a path cannot name another host", async () => {
  const up = await upstream((_req, res) => res.end("{}"));
  const gw = await gateway(up.port, { path: "//evil.example/v1/x?a=1" });
  const answer = await ask(gw.port, "/");
  assert.equal(answer.status, 200);
  assert.equal(up.requests[0]?.url, "//evil.example/v1/x?a=1");
});

test("events of a stream pass as they come", async () => {
  const counts = { open: 0, opened: 0 };
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
  const up = await upstream(async (_req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    await mayEnd;
    res.end("data: 2\n\n");
  });
  const streams = {
    streamOpened: () => {
      counts.opened++;
      counts.open++;
    },
    streamClosed: () => {
      counts.open--;
    },
  };
  const gw = await gateway(up.port, {}, { streams });
  const req = request({ host: "127.0.0.1", port: gw.port, path: "/v1/responses/r", agent: false }).end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  const closed = once(res, "close");
  const received: string[] = [];
  const { promise: first, resolve: onFirst } = Promise.withResolvers<void>();
  res.on("data", (chunk) => {
    received.push(String(chunk));
    onFirst();
  });
  await first;
  assert.deepEqual(received, ["data: 1\n\n"]);
  assert.deepEqual(counts, { open: 1, opened: 1 });
  end();
  await closed;
  assert.equal(received.join(""), "data: 1\n\ndata: 2\n\n");
  assert.equal((await gw.ended).stream, true);
  assert.equal(counts.open, 0);
});

test("a provider's error is passed on in OpenAI's shape", async () => {
  const html = await upstream((_req, res) => res.writeHead(503, { "content-type": "text/html" }).end("<h1>Sorry</h1>"));
  const gw = await gateway(html.port);
  const answer = await ask(gw.port, "/v1/files");
  assert.equal(answer.status, 503);
  assert.equal(answer.headers["x-tandem-error-origin"], "provider");
  const { error } = JSON.parse(answer.body.toString());
  assert.deepEqual(Object.keys(error).sort(), ["code", "message", "param", "type"]);
  const one = await gw.ended;
  assert.equal(one.outcome, "provider_error");
  assert.equal(one.attempts[0]?.outcome, "server_error");

  const azure = await upstream((_req, res) =>
    res.writeHead(404).end('{"error":{"code":"404","message":"Resource not found"}}'),
  );
  const second = await ask((await gateway(azure.port)).port, "/v1/files/f");
  assert.deepEqual(JSON.parse(second.body.toString()).error, {
    code: null,
    message: "Resource not found",
    type: "invalid_request_error",
    param: null,
  });
});

test("a key that the provider refuses is the gateway's fault, not the caller's", async () => {
  const up = await upstream((_req, res) =>
    res.writeHead(401).end('{"error":{"code":"invalid_api_key","message":"sk-planted"}}'),
  );
  const gw = await gateway(up.port);
  const answer = await ask(gw.port, "/v1/files");
  assert.equal(answer.status, 502);
  assert.doesNotMatch(answer.body.toString(), /planted/);
  assert.equal((await gw.ended).attempts[0]?.outcome, "config_error");
});

test("nobody there, a reset, and an answer that is not HTTP", async () => {
  const unused = createTcpServer();
  const port = await listen(unused);
  unused.close();
  const refused = await gateway(port);
  const answer = await ask(refused.port, "/v1/files");
  assert.equal(answer.status, 502);
  assert.equal(JSON.parse(answer.body.toString()).error.code, "upstream_unreachable");
  assert.equal((await refused.ended).attempts[0]?.outcome, "connect_error");
  assert.equal((await refused.ended).attempts[0]?.detail, "ECONNREFUSED");

  const resets = await gateway(await raw((socket) => socket.once("data", () => socket.resetAndDestroy())));
  assert.equal((await ask(resets.port, "/v1/files")).status, 502);
  assert.equal((await resets.ended).attempts[0]?.outcome, "reset");

  const garbage = await gateway(await raw((socket) => socket.once("data", () => socket.end("SSH-2.0-x\r\n\r\n"))));
  const bad = await ask(garbage.port, "/v1/files");
  assert.equal(JSON.parse(bad.body.toString()).error.code, "upstream_invalid");
  assert.equal((await garbage.ended).attempts[0]?.outcome, "malformed");
});

test("time limits: no answer is 504, an idle answer breaks off", async () => {
  const silent = await gateway(await raw(() => undefined));
  const answer = await ask(silent.port, "/v1/files");
  assert.equal(answer.status, 504);
  assert.match(JSON.parse(answer.body.toString()).error.message, /timeouts\.request of 500 ms/);
  assert.equal((await silent.ended).attempts[0]?.outcome, "timeout");

  const stalls = await upstream((_req, res) => res.writeHead(500).write("{"));
  const error = await ask((await gateway(stalls.port)).port, "/v1/files");
  assert.equal(error.status, 504);

  const idle = await upstream((_req, res) => res.writeHead(200, { "content-length": "10" }).write("half"));
  const gw = await gateway(idle.port);
  const half = await ask(gw.port, "/v1/files/f/content");
  assert.equal(half.body.toString(), "half");
  assert.ok(half.broken);
  const one = await gw.ended;
  assert.equal(one.outcome, "cut");
  assert.match(one.attempts[0]?.detail ?? "", /timeouts\.idle/);
});

test("a cut answer never looks whole", async () => {
  const up = await upstream((_req, res) => {
    res.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
    setTimeout(() => res.destroy(), 20);
  });
  const gw = await gateway(up.port);
  const answer = await ask(gw.port, "/v1/responses/r");
  assert.ok(answer.broken);
  const one = await gw.ended;
  assert.equal(one.outcome, "cut");
  assert.equal(one.attempts[0]?.outcome, "cut");
  assert.equal(one.errorOrigin, "provider");
});

test("an error that breaks off is the provider's, too", async () => {
  const up = await upstream((_req, res) => {
    res.writeHead(500, { "content-length": "100" }).write("{");
    setTimeout(() => res.destroy(), 20);
  });
  const gw = await gateway(up.port);
  await assert.rejects(ask(gw.port, "/v1/files"));
  assert.equal((await gw.ended).outcome, "cut");
});

test("an answer to an upload that is still going on", async () => {
  const up = await upstream((_req, res) => res.writeHead(400).end('{"error":{"message":"no"}}'), true);
  const gw = await gateway(up.port);
  const answer = await ask(gw.port, "/v1/files", { method: "POST", body: Buffer.alloc(900_000) });
  assert.equal(answer.status, 400);
  assert.equal((await gw.ended).outcome, "provider_error");
});

test("a caller who goes away ends the request to the provider", async () => {
  const up = await upstream(() => undefined);
  const gw = await gateway(up.port, { provider: { ...OPENAI, timeouts: { ...OPENAI.timeouts, request: 60_000 } } });
  const req = request({ host: "127.0.0.1", port: gw.port, path: "/v1/files" }).end();
  req.on("error", () => undefined);
  while (up.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  req.destroy();
  const one = await gw.ended;
  assert.equal(one.outcome, "client_closed");
  assert.equal(one.attempts[0]?.outcome, "aborted");
  while (!up.requests[0]?.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("a body above the limit is 413, declared or not", async () => {
  const up = await upstream((_req, res) => res.end("{}"));
  const declared = await gateway(up.port, { limit: 10 });
  const first = await ask(declared.port, "/v1/files", { method: "POST", body: "x".repeat(11) });
  assert.equal(first.status, 413);
  assert.equal(up.requests.length, 0);

  const chunked = await gateway(up.port, { limit: 100_000 });
  const req = request({ host: "127.0.0.1", port: chunked.port, path: "/v1/files", method: "POST", agent: false });
  req.on("error", () => undefined);
  for (let i = 0; i < 20; i++) req.write(Buffer.alloc(10_000));
  req.end();
  const [res] = (await once(req, "response")) as [IncomingMessage];
  assert.equal(res.statusCode, 413);
  res.resume();
  await chunked.ended;
  const got = up.requests[0]?.body.length ?? 0;
  assert.ok(got <= 100_000, String(got));
});

test("a caller who reads slowly is waited for, and does not fill the memory", async () => {
  const total = 64 * 1024 * 1024;
  let sent = 0;
  const up = await upstream((_req, res) => {
    const chunk = Buffer.alloc(64 * 1024);
    const write = () => {
      while (sent < total) {
        sent += chunk.length;
        if (!res.write(chunk)) return res.once("drain", write);
      }
      return res.end();
    };
    write();
  });
  const gw = await gateway(up.port);
  const socket = connect(gw.port, "127.0.0.1");
  socket.write("GET /v1/files/f/content HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await once(socket, "readable");
  // Longer than the idle limit of 300 ms.
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.ok(sent < total / 2, `${sent} bytes were taken from the provider`);
  let received = 0;
  socket.on("data", (chunk) => {
    received += chunk.length;
  });
  await once(socket, "close");
  assert.ok(received > total, String(received));
  assert.equal((await gw.ended).outcome, "ok");
});

test("a caller who takes nothing for a while is taken to be gone, and the provider is rid of it", async () => {
  const size = 60_000_000;
  const bytes = Buffer.alloc(size);
  const up = await upstream((_req, res) => void res.writeHead(200, { "content-length": size }).end(bytes));
  const gw = await gateway(up.port, { readerPatience: 300 });
  const socket = connect(gw.port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  socket.pause();
  socket.write("GET /v1/files/file-1/content HTTP/1.1\r\nhost: gateway\r\n\r\n");
  const { outcome } = await gw.ended;
  assert.equal(outcome, "client_closed");
  let got = 0;
  socket.on("data", (chunk) => {
    got += chunk.length;
  });
  socket.resume();
  await once(socket, "close");
  assert.ok(got < size, `${got} of ${size}`);
});

test("connections to the provider are kept", async () => {
  const sockets = new Set<number | undefined>();
  const up = await upstream((req, res) => {
    sockets.add(req.socket.remotePort);
    res.end("{}");
  });
  const gw = await gateway(up.port);
  for (let i = 0; i < 5; i++) await ask(gw.port, "/v1/files", { method: "POST", body: "{}" });
  assert.equal(sockets.size, 1);
});

test("the egress guard judges addresses and names", async () => {
  const up = await upstream((_req, res) => res.end("{}"));
  for (const host of ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254"]) {
    const provider = { ...OPENAI, endpoint: `http://${host}:${up.port}/v1` };
    const gw = await gateway(up.port, { provider });
    const answer = await ask(gw.port, "/v1/files");
    assert.equal(answer.status, 502, host);
    assert.doesNotMatch(answer.body.toString(), /127\.0|169\.254/);
    const one = await gw.ended;
    assert.equal(one.attempts[0]?.outcome, "connect_error");
    assert.match(one.attempts[0]?.detail ?? "", /egress\.allowedCIDRs/, host);
  }
  assert.equal(up.requests.length, 0);
  const egress = { ...DEFAULT_SETTINGS.egress, allowedCIDRs: ["127.0.0.0/8"] };
  const provider = { ...OPENAI, endpoint: `http://localhost:${up.port}/v1` };
  const allowed = await gateway(up.port, { provider }, { egress, connectTo: new Map() });
  assert.equal((await ask(allowed.port, "/v1/files")).status, 200);
});

test("a forward proxy is used where it is set, and NO_PROXY is obeyed", async () => {
  const seen: string[] = [];
  const proxy = createServer((req, res) => {
    seen.push(`${req.method} ${req.url} ${req.headers["proxy-authorization"] ?? ""}`);
    res.end("{}");
  });
  const env = { HTTP_PROXY: `http://user:pass@127.0.0.1:${await listen(proxy)}`, NO_PROXY: "never.example" };
  const through = (host: string) =>
    gateway(0, { provider: { ...OPENAI, endpoint: `http://${host}/v1` } }, { connectTo: new Map(), env });
  assert.equal((await ask((await through("api.example")).port, "/v1/files")).status, 200);
  assert.deepEqual(seen, [`GET http://api.example/v1/files Basic ${btoa("user:pass")}`]);
  assert.equal((await ask((await through("never.example")).port, "/v1/files")).status, 502);
  assert.equal(seen.length, 1);
});

test("a private CA is trusted where the provider names it, and nowhere else", async (t) => {
  const certificates = certificatesFor("private.example");
  if (!certificates) return t.skip("openssl is not installed");
  const up = await provideTLS(certificates);
  closing.push(() => void up.close());
  const connectTo = new Map([["private.example", `https://127.0.0.1:${up.port}`]]);
  const provider: Provider = { ...OPENAI, endpoint: "https://private.example/v1", tls: { ca: "v1" } };
  const named = await gateway(
    0,
    { provider, credentials: new Map([["v1", new Redacted(certificates.ca)]]) },
    { connectTo },
  );
  const answer = await ask(named.port, "/v1/files");
  assert.equal(answer.status, 200);
  assert.equal(JSON.parse(answer.body.toString()).headers.host, "private.example");

  const { tls: _tls, ...unnamed } = provider;
  for (const other of [unnamed, provider]) {
    const gw = await gateway(0, { provider: other }, { connectTo });
    assert.equal((await ask(gw.port, "/v1/files")).status, 502);
    assert.equal((await gw.ended).attempts[0]?.outcome, "connect_error");
  }

  const proxy = await forwardProxy(up.port);
  closing.push(() => void proxy.close());
  const env = { HTTPS_PROXY: `http://user:pass@127.0.0.1:${proxy.port}` };
  const credentials = new Map([["v1", new Redacted(certificates.ca)]]);
  const tunnelled = await gateway(0, { provider, credentials }, { connectTo: new Map(), env });
  assert.equal((await ask(tunnelled.port, "/v1/files")).status, 200);
  assert.deepEqual(proxy.seen, [`CONNECT private.example:443 Basic ${btoa("user:pass")}`]);
  return undefined;
});

test("a proxy that cannot be read refuses without saying its password", async () => {
  const env = { HTTPS_PROXY: "socks5://user:planted-key@127.0.0.1:1" };
  const gw = await gateway(0, {}, { connectTo: new Map(), env });
  const answer = await ask(gw.port, "/v1/files");
  assert.equal(answer.status, 502);
  const one = await gw.ended;
  assert.match(one.attempts[0]?.detail ?? "", /HTTPS_PROXY must be/);
  assert.doesNotMatch(answer.body.toString() + one.attempts[0]?.detail, /planted/);
});

test("a resource's location leads back to the gateway", async () => {
  const cases = [
    ["https://api.openai.com/v1", "/v1/realtime/calls/rtc_1", "/v1/realtime/calls/rtc_1"],
    ["https://api.openai.com/v1", "https://api.openai.com/v1/files/f?x=1", "/v1/files/f?x=1"],
    ["https://api.openai.com", "https://api.openai.com/openai/v1/files/f", "/v1/files/f"],
    ["https://api.openai.com", "/openai/files/f?api-version=2024-10-21", "/v1/files/f"],
    ["https://api.openai.com/v1", "https://blobs.example/signed?sig=1", "https://blobs.example/signed?sig=1"],
  ] as const;
  for (const [endpoint, location, want] of cases) {
    const up = await upstream((_req, res) => res.writeHead(302, { location }).end());
    const gw = await gateway(up.port, { provider: { ...OPENAI, endpoint } });
    const answer = await ask(gw.port, "/v1/x");
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.location, want);
    assert.equal(up.requests.length, 1);
  }
});

async function raw(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    closing.push(() => socket.destroy());
    onSocket(socket);
  });
  closing.push(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  closing.push(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
