/** When is a token fetched, by whom is it waited for, and what happens when none comes? */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { type Token, TokenError, TokenSource } from "../../../proxy/authorization/token-source.ts";

const START = Date.UTC(2026, 10, 26);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: START }));
afterEach(() => mock.timers.reset());

/** Lets the promises of a fetch run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  await settle();
}

type Answer = Omit<Partial<Token>, "value"> | TokenError;

/** A token service that answers in turn, the last answer for ever; tokens are numbered. */
class Service {
  fetches = 0;
  failures: { code: string; validUntil: number | undefined }[] = [];
  recoveries = 0;
  readonly source: TokenSource;

  constructor(answers: readonly Answer[], rng = 0.5) {
    this.source = new TokenSource({
      fetch: async () => {
        this.fetches++;
        await Promise.resolve();
        const answer = answers[Math.min(this.fetches, answers.length) - 1] ?? {};
        if (answer instanceof TokenError) throw answer;
        return { value: `token-${this.fetches}`, expiresAt: Date.now() + HOUR, ...answer };
      },
      now: Date.now,
      rng: () => rng,
      onFailure: ({ code }, validUntil) => this.failures.push({ code, validUntil }),
      onRecovery: () => {
        this.recoveries++;
      },
    });
  }

  get sent(): string | undefined {
    return this.source.header?.[1];
  }
}

const REFUSED = new TokenError("AADSTS7000215", "the client secret is wrong");

test("many who come before the first token wait for one fetch, and nobody waits after it", async () => {
  const { source, ...service } = new Service([{}]);
  const waiting = Array.from({ length: 10 }, () => source.pending);
  assert.equal(new Set(waiting).size, 1);
  await Promise.all(waiting);
  assert.deepEqual(source.header, ["authorization", "Bearer token-1"]);
  assert.equal(source.pending, undefined);
  assert.equal(service.failures.length, 0);
});

for (const [rng, share] of [
  [0, 0.75],
  [0.5, 0.8],
  [0.999999, 0.85],
] as const) {
  test(`the next token is fetched after ${share * 100} % of its life, for a draw of ${rng}`, async () => {
    const service = new Service([{}], rng);
    service.source.start();
    await settle();
    await pass(HOUR * share - 1000);
    assert.deepEqual([service.fetches, service.sent], [1, "Bearer token-1"]);
    await pass(1000);
    assert.deepEqual([service.fetches, service.sent], [2, "Bearer token-2"]);
    service.source.stop();
  });
}

test("what the token service says of the next fetch counts where it is sooner", async () => {
  const service = new Service([{ expiresAt: START + 24 * HOUR, refreshAt: START + 12 * HOUR }]);
  service.source.start();
  await settle();
  assert.equal(service.source.status().nextFetchAt, new Date(START + 12 * HOUR).toISOString());
  service.source.stop();
});

for (const [what, answer] of [
  ["has ended when it comes", { expiresAt: START - MINUTE }],
  ["ends as it comes", { expiresAt: START }],
  ["has no end", { expiresAt: Number.NaN }],
] as const) {
  test(`a token that ${what} is none: the next fetches back off`, async () => {
    const service = new Service([answer]);
    service.source.start();
    await settle();
    for (let second = 0; second < 60; second++) await pass(1_000);
    assert.equal(service.source.header, undefined);
    assert.ok(service.fetches > 3 && service.fetches < 10, `${service.fetches} fetches in a minute`);
    assert.equal(service.source.status().lastError?.code, "expired");
    service.source.stop();
  });
}

test("a token service that wants the next fetch at once is not asked without end", async () => {
  const service = new Service([{ refreshAt: START }]);
  service.source.start();
  await settle();
  for (let second = 0; second < 60; second++) await pass(1_000);
  assert.equal(service.source.header?.[1], `Bearer token-${service.fetches}`);
  assert.ok(service.fetches > 1 && service.fetches < 10, `${service.fetches} fetches in a minute`);
  service.source.stop();
});

test("while refreshes fail the old token is sent, until shortly before its end; then nothing, and nobody waits", async () => {
  const service = new Service([{}, REFUSED]);
  service.source.start();
  await settle();
  await pass(48 * MINUTE);
  assert.deepEqual(service.failures, [{ code: "AADSTS7000215", validUntil: START + HOUR }]);
  assert.equal(service.sent, "Bearer token-1");
  mock.timers.setTime(START + HOUR - 9_000);
  assert.equal(service.sent, undefined);
  assert.equal(service.source.pending, undefined);
  assert.equal(service.source.status().state, "unavailable");
  assert.match(service.source.problem, /client secret is wrong/);
  service.source.stop();
});

test("failures back off to a minute, and a success ends that", async () => {
  const failing = Array.from({ length: 9 }, () => REFUSED);
  const service = new Service([...failing, {}]);
  service.source.start();
  await settle();
  const waits: number[] = [];
  let last = Date.now();
  while (service.recoveries === 0) {
    const before = service.fetches;
    await pass(250);
    if (service.fetches > before) {
      waits.push(Date.now() - last);
      last = Date.now();
    }
  }
  // Half to all of the doubled second; the draw is 0.5.
  assert.deepEqual(waits, [750, 1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000, 45_000]);
  assert.deepEqual([service.failures.length, service.sent], [9, "Bearer token-10"]);
  assert.equal(service.source.status().lastError, null);
  service.source.stop();
});

test("Retry-After is obeyed, up to five minutes", async () => {
  for (const [asked, waited] of [
    [20_000, 20_000],
    [HOUR, 5 * MINUTE],
  ] as const) {
    const service = new Service([new TokenError("http_429", "busy", { retryAfter: asked })]);
    service.source.start();
    await settle();
    assert.equal(service.source.status().nextFetchAt, new Date(Date.now() + waited).toISOString());
    service.source.stop();
  }
});

test("a token whose time ran out unseen, on a laptop that slept, is fetched anew by who needs it", async () => {
  const service = new Service([{}]);
  service.source.start();
  await settle();
  mock.timers.setTime(START + 2 * HOUR);
  const { pending } = service.source;
  await pending;
  assert.deepEqual([pending instanceof Promise, service.sent], [true, "Bearer token-2"]);
  service.source.stop();
});

test("a short life still has its margin and its refresh", async () => {
  const service = new Service([{ expiresAt: START + 5_000 }]);
  service.source.start();
  await settle();
  assert.equal(service.source.status().nextFetchAt, new Date(START + 4_000).toISOString());
  mock.timers.setTime(START + 4_400);
  assert.equal(service.sent, "Bearer token-1");
  mock.timers.setTime(START + 4_600);
  assert.equal(service.sent, undefined);
  service.source.stop();
});

test("a provider's 401 asks for another token, once a minute at most", async () => {
  const service = new Service([{}]);
  service.source.start();
  await settle();
  service.source.refused();
  await settle();
  assert.equal(service.fetches, 1);
  await pass(MINUTE);
  for (let refusals = 0; refusals < 5; refusals++) service.source.refused();
  await settle();
  assert.deepEqual([service.fetches, service.sent], [2, "Bearer token-2"]);
  service.source.stop();
});

test("the next source of the same application begins with the old token, and keeps it when its own fetch fails", async () => {
  const old = new Service([{}]);
  old.source.start();
  await settle();
  await pass(10 * MINUTE);
  const next = new Service([REFUSED]);
  next.source.start(old.source);
  assert.equal(next.sent, "Bearer token-1");
  await settle();
  assert.equal(next.sent, "Bearer token-1");
  assert.deepEqual(next.failures, [{ code: "AADSTS7000215", validUntil: START + HOUR }]);
  for (const { source } of [old, next]) source.stop();
});

test("a stopped source fetches no more", async () => {
  const service = new Service([{}]);
  service.source.start();
  await settle();
  service.source.stop();
  await pass(2 * HOUR);
  assert.deepEqual([service.fetches, service.source.pending], [1, undefined]);
});
