/** Do active checks notice when a provider goes and comes, and stop when they should? */
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Availability, type Transition } from "../../../proxy/upstream/availability.ts";
import { Connections } from "../../../proxy/upstream/connections.ts";
import { HealthChecks } from "../../../proxy/upstream/health.ts";
import { Upstreams } from "../../../proxy/upstream/upstreams.ts";
import { Redacted } from "../../../routing/secrets.ts";
import type { Provider } from "../../../routing/table.ts";
import { ask, LOOPBACK_EGRESS, provider, until } from "./fixtures.ts";
import { certificatesFor, provide, provideTLS, type Running } from "./servers.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** A provider whose behaviour changes as the test goes on. */
async function checked(first: Behaviour, health: Partial<Provider["health"] & object> = {}) {
  const world = { behave: first, seen: [] as IncomingMessage[] };
  const server: Running = await provide((request, response) => {
    world.seen.push(request);
    request.resume();
    world.behave(request, response);
  });
  cleanups.push(() => server.close());
  const transitions: Transition[] = [];
  const availability = new Availability(
    () => performance.now(),
    (transition) => transitions.push(transition),
  );
  const connections = new Connections({ egress: LOOPBACK_EGRESS, connectTo: new Map(), env: {} });
  cleanups.push(() => connections.destroy());
  const checks = new HealthChecks({
    connections,
    availability,
    request: () => ({ path: "/v1/models", headers: { authorization: "Bearer k" } }),
    rng: () => 0,
  });
  cleanups.push(() => checks.close());
  const settings = { path: "/models", interval: 20, timeout: 1_000, failureThreshold: 2, ...health };
  const one = provider({ endpoint: `http://127.0.0.1:${server.port}/v1`, health: settings });
  availability.adopt([one]);
  const state = () => availability.snapshot()[0]?.health;
  return { world, server, availability, connections, checks, one, state, transitions };
}

const status =
  (code: number): Behaviour =>
  (_request, response) =>
    response.writeHead(code).end('{"data":[]}');

test("2xx and 429 are healthy, and the check is a GET with the provider's key", async () => {
  const { world, checks, one, state } = await checked(status(200));
  checks.apply([one], new Map());
  await until(() => state()?.state === "healthy", "it is healthy");
  const [request] = world.seen;
  assert.deepEqual([request?.method, request?.url, request?.headers.authorization], ["GET", "/v1/models", "Bearer k"]);
  world.behave = status(429);
  const count = world.seen.length;
  await until(() => world.seen.length > count + 4, "it is asked again");
  assert.equal(state()?.state, "healthy");
});

test("one connection serves all checks", async () => {
  const { world, server, checks, one } = await checked(status(200));
  checks.apply([one], new Map());
  await until(() => world.seen.length > 5, "it is asked again and again");
  assert.equal(server.connections(), 1);
});

test("failures in a row make it unhealthy, one good check makes it healthy", async () => {
  const { world, checks, one, state, availability, transitions } = await checked(status(200), { failureThreshold: 3 });
  checks.apply([one], new Map());
  await until(() => state()?.state === "healthy", "it is healthy");
  const start = world.seen.length;
  world.behave = status(503);
  await until(() => state()?.state === "unhealthy", "it is unhealthy");
  assert.ok(world.seen.length - start >= 3, "not before the third");
  assert.deepEqual(state(), {
    state: "unhealthy",
    reason: "UnexpectedStatus",
    detail: "the check was answered with 503",
  });
  assert.deepEqual(availability.usable(one, "gpt-4o"), { ok: false, reason: "unhealthy" });
  world.behave = status(200);
  await until(() => state()?.state === "healthy", "it is healthy again");
  assert.deepEqual(availability.usable(one, "gpt-4o"), { ok: true, probe: false });
  assert.deepEqual(
    transitions.map(({ kind, from, to }) => `${kind} ${from}>${to}`),
    ["health unknown>healthy", "health healthy>unhealthy", "health unhealthy>healthy"],
  );
});

const FAULTS: readonly (readonly [name: string, behave: Behaviour, reason: string])[] = [
  ["401", status(401), "AuthFailed"],
  ["403", status(403), "AuthFailed"],
  ["404", status(404), "UnexpectedStatus"],
  ["a redirect", status(302), "UnexpectedStatus"],
  ["a reset", (request) => request.socket.destroy(), "RequestFailed"],
  ["silence", () => {}, "Timeout"],
  ["a body that does not end", (_request, response) => void response.writeHead(200).write("{"), "Timeout"],
];

for (const [name, behave, reason] of FAULTS) {
  test(`${name}: ${reason}`, async () => {
    const { checks, one, state } = await checked(behave, { timeout: reason === "Timeout" ? 60 : 1_000 });
    checks.apply([one], new Map());
    await until(() => state()?.state === "unhealthy", "it is unhealthy");
    assert.equal(state()?.reason, reason);
  });
}

test("a body without end is broken off, and the status counts", async () => {
  const chunk = Buffer.alloc(64 * 1024);
  let sent = 0;
  const flood: Behaviour = (_request, response) => {
    const write = () => {
      if (response.destroyed) return;
      sent += chunk.length;
      response.write(chunk, () => setImmediate(write));
    };
    response.writeHead(200);
    write();
  };
  const { checks, one, state } = await checked(flood, { timeout: 5_000, interval: 60_000 });
  checks.apply([one], new Map());
  await until(() => state()?.state === "healthy", "it is healthy");
  const afterwards = sent;
  await sleep(30);
  assert.ok(sent < 8 * 1024 * 1024 && sent - afterwards < 1024 * 1024, `${sent} bytes`);
});

test("nobody listening: ConnectFailed, without harm to the breaker", async () => {
  const { checks, server, one, state, availability } = await checked(status(200));
  await server.close();
  checks.apply([one], new Map());
  await until(() => state()?.state === "unhealthy", "it is unhealthy");
  assert.equal(state()?.reason, "ConnectFailed");
  assert.equal(availability.snapshot()[0]?.circuit, "closed");
});

test("a reload keeps the rhythm of what is unchanged and stops what is gone", async () => {
  const { world, checks, one } = await checked(status(200));
  checks.apply([one], new Map());
  await until(() => world.seen.length >= 2, "it is asked");
  for (let i = 0; i < 20; i++) checks.apply([structuredClone(one)], new Map());
  const before = world.seen.length;
  await until(() => world.seen.length >= before + 2, "it is still asked");
  assert.ok(world.seen.length <= before + 4, "and no more often than before");
  const { health: _, ...unchecked } = one;
  checks.apply([unchecked], new Map());
  await sleep(30);
  const stopped = world.seen.length;
  await sleep(80);
  assert.equal(world.seen.length, stopped);
});

test("a check under way when it is stopped changes nothing", async () => {
  let answer = () => {};
  const { world, checks, one, state } = await checked(
    (_request, response) => {
      answer = () => response.writeHead(500).end();
    },
    { timeout: 1_000, failureThreshold: 1 },
  );
  checks.apply([one], new Map());
  await until(() => world.seen.length === 1, "it is asked");
  checks.close();
  answer();
  await sleep(30);
  assert.equal(state()?.state, "unknown");
});

test("a missing credential is a failed check", async () => {
  const transitions: Transition[] = [];
  const upstreams = new Upstreams({
    egress: LOOPBACK_EGRESS,
    connectTo: new Map(),
    env: {},
    rng: () => 0,
    onTransition: (transition) => transitions.push(transition),
    probe: () => ({ reason: "CredentialMissing", detail: "its key is missing" }),
  });
  const health = { path: "/models", interval: 20, timeout: 60, failureThreshold: 1 };
  upstreams.adopt([provider({ endpoint: "https://api.openai.com/v1", health })], new Map());
  await until(() => transitions.length > 0, "it is told");
  assert.match(transitions[0]?.detail ?? "", /^CredentialMissing/);
  await upstreams.close();
});

const certificates = certificatesFor("llm.example");
const skip = certificates ? false : "no openssl on this machine";

test("a request and the checks of its provider share one TLS connection, and close waits", { skip }, async () => {
  if (!certificates) return;
  const slowly: Behaviour = (_request, response) => void setTimeout(() => response.end("done"), 30);
  const server = await provideTLS(certificates, slowly);
  cleanups.push(() => server.close());
  const upstreams = new Upstreams({
    egress: LOOPBACK_EGRESS,
    connectTo: new Map(),
    env: {},
    lookup: (_hostname, _options, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]),
    rng: () => 0,
    onTransition: () => {},
    probe: () => ({ path: "/models", headers: {} }),
  });
  const one = provider({
    endpoint: `https://llm.example:${server.port}`,
    tls: { ca: "ca" },
    health: { path: "/models", interval: 60_000, timeout: 1_000, failureThreshold: 1 },
  });
  const credentials = new Map([["ca", new Redacted(certificates.ca)]]);
  upstreams.adopt([one], credentials);
  await until(() => upstreams.availability.snapshot()[0]?.health.state === "healthy", "it was checked");
  const headers = { host: `llm.example:${server.port}` };
  const answer = ask(upstreams.dispatcherFor(one, credentials), { headers });
  await upstreams.close();
  assert.equal((await answer).body, "done");
  assert.equal(server.connections(), 1);
});
