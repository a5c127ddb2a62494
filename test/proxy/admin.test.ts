import assert from "node:assert/strict";
import { request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { networkInterfaces } from "node:os";
import { after, test } from "node:test";
import { type AdminOptions, createAdmin } from "../../proxy/admin.ts";
import { Redacted } from "../../routing/secrets.ts";

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close().closeAllConnections();
});

async function admin(options: Partial<AdminOptions> = {}): Promise<number> {
  const server = createAdmin({
    ready: () => ({ ok: true }),
    status: () => ({ table: { hash: "h1" } }),
    comparisons: (route) => ({ route }),
    summary: () => ({ table: { hash: "h1" }, draining: false }),
    metrics: async () => "# TYPE up gauge\nup 1\n",
    usage: async () => ({ usage: [] }),
    adminToken: () => undefined,
    ...options,
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  return (server.address() as AddressInfo).port;
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string>; host?: string } = {},
): Promise<Answer> {
  const { host = "127.0.0.1", ...rest } = options;
  return new Promise((resolve, reject) => {
    request({ host, port, path, agent: false, ...rest }, (res) => {
      let text = "";
      res.setEncoding("utf8");
      res.on("data", (chunk) => {
        text += chunk;
      });
      res.on("end", () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
    })
      .on("error", reject)
      .end();
  });
}

/** An address of this machine that is not loopback; there may be none. */
const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === "IPv4" && !address.internal)?.address;
const elsewhere = { skip: outside === undefined ? "this machine has no other address" : false };

function errorOf(answer: Answer): { message: string; type: string; code: string; param: unknown } {
  const body = JSON.parse(answer.text);
  assert.deepEqual(Object.keys(body.error), ["message", "type", "param", "code"]);
  return body.error;
}

test("health and metrics are open", async () => {
  const port = await admin();
  const health = await ask(port, "/healthz");
  assert.equal(health.status, 200);
  const metrics = await ask(port, "/metrics");
  assert.equal(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(metrics.text, "# TYPE up gauge\nup 1\n");
  assert.equal((await ask(port, "/metrics", { method: "HEAD" })).text, "");
});

test("not ready says why", async () => {
  let reason: string | undefined = "no configuration is in force yet";
  const port = await admin({ ready: () => (reason === undefined ? { ok: true } : { ok: false, reason }) });
  const waiting = await ask(port, "/readyz");
  assert.equal(waiting.status, 503);
  assert.match(errorOf(waiting).message, /no configuration is in force yet/);
  assert.equal((await ask(port, "/healthz")).status, 200);
  reason = undefined;
  assert.equal((await ask(port, "/readyz")).status, 200);
  reason = "draining";
  assert.match(errorOf(await ask(port, "/readyz")).message, /draining/);
});

test("status over loopback needs no token", async () => {
  const port = await admin({ adminToken: () => new Redacted("planted-token") });
  const answer = await ask(port, "/status", { headers: { host: `localhost:${port}` } });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.text), { table: { hash: "h1" } });
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(answer.headers["x-content-type-options"], "nosniff");
  assert.equal(answer.headers["x-powered-by"], undefined);
});

test("a web page that reaches loopback under a name of its own is not loopback", async () => {
  const port = await admin({ adminToken: () => new Redacted("planted-token") });
  for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"]) {
    const answer = await ask(port, "/status", { headers: { host, "x-forwarded-for": "127.0.0.1" } });
    assert.equal(answer.status, 401, host);
  }
});

test("status outside loopback asks for the token", elsewhere, async () => {
  const port = await admin({ adminToken: () => new Redacted("planted-token") });
  const from = (authorization?: string, host = `127.0.0.1:${port}`) =>
    ask(port, "/status", { host: outside as string, headers: { host, ...(authorization ? { authorization } : {}) } });
  for (const wrong of [
    undefined,
    "Bearer",
    "Bearer ",
    "Bearer planted-toke",
    "Bearer planted-token2",
    "Basic planted-token",
  ]) {
    const answer = await from(wrong);
    assert.equal(answer.status, 401, wrong ?? "none");
    assert.equal(answer.headers["www-authenticate"], 'Bearer realm="Tandem"');
    assert.doesNotMatch(answer.text, /planted|h1/);
    errorOf(answer);
  }
  assert.equal((await from("Bearer planted-token")).status, 200);
  assert.equal((await ask(port, "/healthz", { host: outside as string })).status, 200);
});

test("without a token nobody outside loopback gets in", {
  skip: outside === undefined && "no other address",
}, async () => {
  const port = await admin();
  const answer = await ask(port, "/status", {
    host: outside as string,
    headers: { authorization: "Bearer undefined" },
  });
  assert.equal(answer.status, 401);
  assert.match(errorOf(answer).message, /No admin token is configured/);
});

test("errors are OpenAI-shaped and say nothing of the inside", async () => {
  const port = await admin({
    metrics: async () => {
      throw new Error("planted-detail");
    },
  });
  const missing = await ask(port, `/nope${"x".repeat(500)}`);
  assert.equal(missing.status, 404);
  assert.equal(errorOf(missing).code, "unknown_url");
  assert.ok(missing.text.length < 500);
  const post = await ask(port, "/status", { method: "POST" });
  assert.equal(post.status, 405);
  assert.equal(post.headers.allow, "GET, HEAD");
  assert.equal(errorOf(await ask(port, "/%zz")).code, "unknown_url");
  const broken = await ask(port, "/metrics");
  assert.equal(broken.status, 500);
  assert.doesNotMatch(broken.text, /planted/);
});

test("headers have a limit", async () => {
  const port = await admin();
  const answer = await ask(port, "/healthz", { headers: { x: "y".repeat(20_000) } });
  assert.equal(answer.status, 431);
});

test("requests have a time limit", async () => {
  const server = createAdmin({
    ready: () => ({ ok: true }),
    status: () => ({}),
    comparisons: (route) => ({ route }),
    summary: () => ({}),
    metrics: async () => "",
    usage: async () => ({ usage: [] }),
    adminToken: () => undefined,
  });
  servers.push(server);
  assert.ok(server.headersTimeout <= 10_000 && server.headersTimeout > 0);
  assert.ok(server.requestTimeout <= 10_000 && server.requestTimeout > 0);
  assert.ok(server.maxConnections <= 1024);
  // What Node does with them, once: a client that never ends its headers is cut off.
  server.headersTimeout = 50;
  server.requestTimeout = 50;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n");
  const answer = await new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("close", () => resolve(text));
  });
  assert.match(answer, /^HTTP\/1\.1 408 /);
});

test("what changes something asks for the token over loopback too, and for its shape", async () => {
  const questions: unknown[] = [];
  const port = await admin({
    adminToken: () => new Redacted("secret-token"),
    usage: async (question) => {
      questions.push(question);
      return { usage: [] };
    },
  });
  const tell = async (body: string, headers: Record<string, string> = {}) => {
    const url = `http://127.0.0.1:${port}/status/usage`;
    const type = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", body, headers: { ...type, ...headers } })).status;
  };
  const grants = [{ client: "ai/app", month: "2026-11", upTo: 1, isLast: false }];
  const question = { instance: "one", sequence: 1, since: 0, grants };
  const authorization = "Bearer secret-token";
  assert.equal(await tell(JSON.stringify(question)), 401);
  assert.equal(await tell(JSON.stringify({ ...question, more: 1 }), { authorization }), 400);
  assert.equal(await tell("{", { authorization }), 400);
  assert.equal(await tell(JSON.stringify({ ...question, instance: "x".repeat(5_000_000) }), { authorization }), 413);
  assert.deepEqual(questions, []);
  assert.equal(await tell(JSON.stringify(question), { authorization }), 200);
  assert.deepEqual(questions, [question]);
});
