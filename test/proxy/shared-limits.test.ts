/**
 * Are limits exact across proxies while a shared state answers, and what holds while it is away?
 *
 * Two gateways and a real Redis, which is killed and comes back with nothing in it.
 */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createLogger } from "../../proxy/telemetry/log.ts";
import { Redacted } from "../../routing/secrets.ts";
import { chatAnswer, FakeProvider, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { type Harness, KEY, objects, startHarness } from "./harness.ts";
import { startRedis } from "./redis-server.ts";

const provider = await new FakeProvider().start();
const redis = await startRedis();
const lines: string[] = [];
const log = createLogger({ write: (line) => void lines.push(line) });

/** The machine may be busy for longer than a gateway waits: only what is about waiting waits as briefly. */
const PATIENT = { patience: 10_000 };

async function proxy(limits: object, options: { lease?: number; patience?: number } = PATIENT): Promise<Harness> {
  const harness = await startHarness({
    openai: provider.url,
    azure: provider.url,
    objects: objects({ client: { limits } }),
    sharedState: { url: new Redacted(redis.url), ...options },
    log,
  });
  harness.gateway.shareAmong(2);
  return harness;
}

interface State {
  readonly connected: boolean;
  readonly exact: boolean;
}

const stateOf = async (harness: Harness) => (await harness.status()).sharedState as State;

async function until(what: string, harness: Harness, holds: (state: State) => boolean): Promise<void> {
  for (let i = 0; !holds(await stateOf(harness)); i++) {
    assert.ok(i < 1500, what);
    await sleep(20);
  }
}

const exact = (harness: Harness) => until("it decides", harness, (state) => state.exact);
const away = (harness: Harness) => until("it is missed", harness, (state) => !state.connected);

/** Requests that all have taken within the last minute, as far as this one knows. */
async function usedAt(harness: Harness): Promise<number> {
  const { limits } = (await harness.status()) as { limits: { requests: { used: number } }[] };
  return limits[0]?.requests.used ?? 0;
}

interface Tally {
  admitted: number;
  refused: number;
  /** Milliseconds of the slowest one. */
  slowest: number;
}

async function ask(harness: Harness, tally: Tally): Promise<void> {
  const from = performance.now();
  const response = await harness.chat();
  await response.arrayBuffer();
  tally.slowest = Math.max(tally.slowest, performance.now() - from);
  if (response.status === 200) tally.admitted++;
  else if (response.status === 429) tally.refused++;
  else assert.fail(`status ${response.status}`);
}

const nothing = (): Tally => ({ admitted: 0, refused: 0, slowest: 0 });

/** So many callers ask both in turn until it is enough. */
async function load(proxies: readonly Harness[], callers: number, isEnough: () => boolean): Promise<Tally> {
  const tally = nothing();
  const caller = async (first: number) => {
    for (let i = first; !isEnough(); i++) {
      await ask(proxies[i % proxies.length] as Harness, tally);
      await sleep(5);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, i) => caller(i)));
  return tally;
}

/** A request that takes longer hangs. The gateway waits 100 ms for the server; the machine of the tests may be busy. */
const HANGS = 5000;

test("one limit for all: exact under load, over its kill and its empty return", async () => {
  const LIMIT = 400;
  provider.answer = chatAnswer("Hello");
  const a = await proxy({ requestsPerMinute: LIMIT });
  const b = await proxy({ requestsPerMinute: LIMIT });
  await Promise.all([exact(a), exact(b)]);
  const begin = performance.now();
  // One proxy alone takes more than its share would be.
  const first = nothing();
  while (first.admitted < 230) await ask(a, first);
  assert.equal(first.refused, 0);
  // The other has not served the client yet, and hears of it before long.
  while ((await usedAt(b)) < 230) await sleep(20);

  let phase = "up";
  const running = load([a, b], 6, () => phase === "enough");
  while ((await usedAt(b)) < 250) await sleep(5);
  await redis.kill();
  await Promise.all([away(a), away(b)]);
  await sleep(500);
  await redis.start();
  await Promise.all([exact(a), exact(b)]);
  await sleep(500);
  phase = "enough";
  const second = await running;
  const third = await load(
    [a, b],
    20,
    (() => {
      let left = 400;
      return () => left-- <= 0;
    })(),
  );
  assert.ok(performance.now() - begin < 59_000, "all of it was within one minute");
  const admitted = first.admitted + second.admitted + third.admitted;
  assert.ok(admitted <= LIMIT * 1.05, `${admitted} of ${LIMIT} admitted within a minute`);
  assert.ok(admitted >= LIMIT * 0.95, `${admitted} of ${LIMIT} admitted within a minute`);
  assert.ok(second.refused > 0 && third.refused > 0);
  for (const { slowest } of [first, second, third]) assert.ok(slowest < HANGS, `${slowest} ms`);
  const headers = (await b.chat()).headers;
  assert.equal(headers.get("x-ratelimit-limit-requests"), String(LIMIT));
  assert.equal(headers.get("x-ratelimit-remaining-requests"), "0");
});

test("while it answers not one more is let pass, whoever is asked", async () => {
  const LIMIT = 60;
  await redis.kill();
  await redis.start();
  const limits = { requestsPerMinute: LIMIT, tokensPerMinute: 1_000_000 };
  const [a, b] = [await proxy(limits), await proxy(limits)];
  await Promise.all([exact(a), exact(b)]);
  const tally = nothing();
  await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i % 3 === 0 ? a : b, tally)));
  assert.equal(tally.admitted, LIMIT);
  assert.equal(tally.refused, 40);
});

test("a server that hangs holds nobody up, and decides again when it goes on", async () => {
  await redis.kill();
  await redis.start();
  const limits = { requestsPerMinute: 40 };
  const [a, b] = [await proxy(limits, {}), await proxy(limits)];
  await Promise.all([exact(a), exact(b)]);
  redis.pause();
  const tally = nothing();
  await Promise.all(Array.from({ length: 30 }, () => ask(a, tally)));
  assert.equal(tally.admitted, 20, "its share");
  assert.ok(tally.slowest < HANGS, `${tally.slowest} ms`);
  await away(a);
  redis.resume();
  await Promise.all([exact(a), exact(b)]);
  // What one took while it hung counts for the other.
  const rest = nothing();
  for (let i = 0; i < 30; i++) await ask(b, rest);
  assert.equal(rest.admitted, 20);
});

test("places are counted together, and those of a proxy that died come back", async () => {
  await redis.kill();
  await redis.start();
  const LEASE = 2000;
  const a = await proxy({ maxConcurrent: 2 }, { ...PATIENT, lease: LEASE });
  const gates: (() => void)[] = [];
  provider.answer = async (response, request) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    if (!response.destroyed) await stream(WHOLE_STREAM)(response, request);
  };
  const script = fileURLToPath(new URL("./dying-proxy.ts", import.meta.url));
  const other = fork(script, [provider.url, redis.url, String(LEASE)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  after(() => other.kill("SIGKILL"));
  const [url] = (await once(other, "message")) as [string];
  await exact(a);
  const own = a.chat({ stream: true });
  const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}` };
  const body = JSON.stringify({ model: "gpt-4o", stream: true, messages: [] });
  const theirs = fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body }).catch(() => "broken");
  while (gates.length < 2) await sleep(10);
  await sleep(LEASE + 500);
  assert.equal((await a.chat()).status, 429, "the other has one of both, and renews it");
  other.kill("SIGKILL");
  assert.equal(await theirs, "broken");
  provider.answer = chatAnswer("Hello");
  const comesBack = async () => {
    let status = 429;
    for (let i = 0; status === 429 && i < 500; i++) {
      status = (await a.chat()).status;
      await sleep(20);
    }
    return status;
  };
  assert.equal(await comesBack(), 200, "its lease has ended");
  for (const letGo of gates) letGo();
  await (await own).text();
});

test("the server's address is told nowhere", async () => {
  assert.ok(lines.some((line) => line.includes("the shared state is away")));
  assert.ok(lines.every((line) => !line.includes("not-to-be-told") && !line.includes(KEY)));
});
