/** Is what is paid already used first, used up, and not exceeded? Windows are of a clock that the tests set. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { used } from "../fakes/priced.ts";
import { type Answer, errorAnswer, FakeProvider } from "../fakes/provider.ts";
import { type Harness, object, objects, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();

/** A whole number of minutes since 1970. */
const MIDNIGHT = Date.UTC(2026, 0, 2);
let now = MIDNIGHT;

beforeEach(() => {
  now = MIDNIGHT;
  for (const provider of [openai, azure]) {
    provider.seen.length = 0;
    provider.answer = used(1, 100);
  }
});

/** A token of output is a thousandth of a dollar. */
const PRICE = { input: "0", output: "1000" };
/** Covers 1.00 of list value a minute: ten answers of 100 tokens. */
const TEN_ANSWERS = { usdPerHour: "42.00", discountPercent: 30 };

interface Setup {
  readonly commitment?: object;
  /** Null: none. */
  readonly price?: object | null;
  readonly burst?: object;
  readonly route?: object;
  readonly more?: readonly object[];
}

function manifests({ commitment = TEN_ANSWERS, price = PRICE, burst = PRICE, route = {}, more = [] }: Setup): object[] {
  return objects({
    openai: { models: [{ name: "gpt-4o", price: burst }] },
    azure: { models: [{ name: "gpt-4o", deployment: "ptu", ...(price && { price }), commitment }] },
    route: {
      models: ["gpt-4o"],
      strategy: "Cost",
      backends: [
        { name: "burst", providerRef: { name: "openai" } },
        { name: "committed", providerRef: { name: "azure-sweden" } },
      ],
      ...route,
    },
    more,
  });
}

async function cost(setup: Setup = {}): Promise<Harness> {
  const harness = await startHarness({
    clock: () => now,
    openai: openai.url,
    azure: azure.url,
    objects: manifests(setup),
  });
  // How long answers are is known from here on: 100 tokens, of whichever backend.
  for (let i = 0; i < 3; i++) await (await harness.chat()).text();
  now += 60_000;
  return harness;
}

async function one(harness: Harness, body: object = {}): Promise<string> {
  const response = await harness.chat(body);
  await response.text();
  return `${response.headers.get("x-tandem-backend")} ${response.headers.get("x-tandem-decision")}`;
}

/** Backends that answered, by their first letters. */
async function ask(harness: Harness, times: number): Promise<string> {
  let answered = "";
  for (let i = 0; i < times; i++) answered += (await one(harness))[0];
  return answered;
}

test("what is paid goes first until it is used up, then the other; the next window begins anew", async () => {
  const harness = await cost();
  assert.equal(await ask(harness, 14), "ccccccccccbbbb");
  now += 59_999;
  assert.equal(await one(harness), "burst cost");
  now += 1;
  assert.equal(await one(harness), "committed cost:commitment");
  assert.equal(await ask(harness, 11), "cccccccccbb");
});

test("what is lost in one window is not there in the next", async () => {
  const harness = await cost();
  now += 600_000;
  assert.equal(await ask(harness, 12), "ccccccccccbb");
});

test("requests that come at once do not exceed it", async () => {
  const harness = await cost();
  const { promise, resolve } = Promise.withResolvers<void>();
  const held =
    (answer: Answer): Answer =>
    async (response, request) => {
      await promise;
      await answer(response, request);
    };
  openai.answer = held(used(1, 100));
  azure.answer = held(used(1, 100));
  const seen = () => openai.calls.length + azure.calls.length;
  const before = seen();
  const answers = Array.from({ length: 30 }, () => one(harness));
  while (seen() < before + 30) await sleep(5);
  resolve();
  const backends = (await Promise.all(answers)).map((answer) => answer[0]);
  assert.equal(backends.filter((backend) => backend === "c").length, 10);
});

test("what a request took replaces what it was expected to take", async () => {
  const harness = await cost();
  // Half as long as expected: twice as many fit, as far as is learned.
  azure.answer = used(1, 50);
  const cheap = await ask(harness, 25);
  const fitted = cheap.indexOf("b");
  assert.ok(fitted >= 18 && fitted <= 20, `${fitted} fitted`);
  now += 60_000;
  azure.answer = used(1, 400);
  const dear = await ask(harness, 10);
  assert.ok(dear.indexOf("b") <= 3, dear);
});

for (const [asked, least, most] of [
  [{}, 4, 8],
  [{ max_tokens: 100 }, 10, 10],
] as const) {
  test(`answers that differ leave a margin, which is filled as they end: ${JSON.stringify(asked)}`, async () => {
    const harness = await cost();
    const lengths = [40, 160, 100];
    let turn = 0;
    const differing: Answer = (response, request) => used(1, lengths[turn++ % 3] as number)(response, request);
    openai.answer = differing;
    azure.answer = differing;
    await ask(harness, 30);
    now += 60_000;
    const { promise, resolve } = Promise.withResolvers<void>();
    const held: Answer = async (response, request) => {
      await promise;
      await used(1, 60)(response, request);
    };
    openai.answer = held;
    azure.answer = held;
    const seen = () => openai.calls.length + azure.calls.length;
    const before = { all: seen(), committed: azure.calls.length };
    const answers = Array.from({ length: 20 }, () => one(harness, asked));
    while (seen() < before.all + 20) await sleep(5);
    // Ten are expected to fit. Each may be half as long again, unless it may not.
    const atOnce = azure.calls.length - before.committed;
    assert.ok(atOnce >= least && atOnce <= most, `${atOnce} at once`);
    resolve();
    await Promise.all(answers);
    assert.match(await ask(harness, 3), /^c/);
  });
}

test("short answers that end first do not make room for long ones", async () => {
  const harness = await cost();
  const lengths = [10, 190];
  let turn = 0;
  const differing: Answer = (response, request) => used(1, lengths[turn++ % 2] as number)(response, request);
  openai.answer = differing;
  azure.answer = differing;
  await ask(harness, 200);
  now += 60_000;
  const { promise, resolve } = Promise.withResolvers<void>();
  azure.answer = async (response, request) => {
    await promise;
    await used(1, 190)(response, request);
  };
  const before = azure.calls.length;
  const long = one(harness);
  while (azure.calls.length === before) await sleep(5);
  azure.answer = used(1, 10);
  openai.answer = used(1, 10);
  // Believed as they end, these would leave room for more than thirty.
  const short = await ask(harness, 12);
  assert.ok(short.includes("b"), short);
  resolve();
  await long;
  assert.match(await ask(harness, 1), /c/);
});

test("what a hedge's loser is taken to cost counts where it was asked", async () => {
  const failover = { hedgeAfter: "100ms" };
  const harness = await cost({ route: { failover } });
  azure.answer = () => undefined;
  assert.equal(await one(harness), "burst hedged");
  const { commitments } = (await harness.status()) as { commitments: readonly { used: number }[] };
  assert.equal(commitments[0]?.used, 100_000_000);
});

test("what failed there is given back", async () => {
  const harness = await cost();
  azure.answer = errorAnswer(500, "server_error");
  assert.equal(await one(harness), "burst failover:server_error");
  azure.answer = used(1, 100);
  assert.equal(await ask(harness, 12), "ccccccccccbb");
});

test("requests of other routes take of it too, under whichever strategy", async () => {
  const weighted = object("AIRoute", "weighted", {
    models: ["other"],
    backends: [{ name: "committed", providerRef: { name: "azure-sweden" }, model: "gpt-4o" }],
  });
  const harness = await cost({ more: [weighted] });
  for (let i = 0; i < 4; i++) assert.equal(await one(harness, { model: "other" }), "committed priority");
  assert.equal(await ask(harness, 8), "ccccccbb");
});

test("above it the cheaper list price answers, be it the committed backend's own", async () => {
  const harness = await cost({ burst: { input: "0", output: "1001" } });
  assert.equal(await ask(harness, 12), "cccccccccccc");
  assert.equal(await one(harness), "committed cost");
});

test("paid capacity is used before a free backend", async () => {
  const harness = await cost({ burst: { input: "0", output: "0" } });
  assert.equal(await ask(harness, 11), "ccccccccccb");
});

test("bought throughput is counted in tokens, without a price", async () => {
  const harness = await cost({
    commitment: { tokensPerMinute: 3060, window: "10s" },
    price: null,
    route: { cost: { unpriced: "Exclude" } },
  });
  // 510 tokens in ten seconds, and 101 an answer.
  assert.equal(await ask(harness, 7), "cccccbb");
  now += 10_000;
  assert.equal(await ask(harness, 6), "cccccb");
});

test("each of several proxies fills its share", async () => {
  const two: readonly [Harness, Harness] = [await cost(), await cost()];
  for (const { gateway } of two) gateway.shareAmong(2);
  now += 60_000;
  assert.deepEqual([await ask(two[0], 7), await ask(two[1], 7)], ["cccccbb", "cccccbb"]);
  two[0].gateway.shareAmong(1);
  assert.equal(await ask(two[0], 7), "cccccbb");
});

test("a new table keeps what is used; /status tells it", async () => {
  const harness = await cost();
  await ask(harness, 4);
  harness.apply(manifests({ route: { sticky: { by: [{ header: "x-session-id" }] } } }));
  const { commitments, routes } = (await harness.status()) as {
    commitments: readonly object[];
    routes: readonly { order: string }[];
  };
  assert.equal(routes[0]?.order, "by cost: burst, committed");
  const cover = { unit: "NanoUsd", perWindow: 1_000_000_000, window: 60_000 };
  assert.deepEqual(commitments, [{ provider: "ai/azure-sweden", model: "gpt-4o", ...cover, used: 400_000_000 }]);
  assert.equal(await ask(harness, 8), "ccccccbb");
  harness.apply(manifests({ commitment: { ...TEN_ANSWERS, usdPerHour: "84.00" } }));
  assert.equal(await ask(harness, 12), "ccccccccccbb");
});

test("money that is paid for a model without a price covers nothing, and its owner is told", async () => {
  const harness = await cost({ price: null });
  const verdicts = harness.apply(manifests({ price: null }));
  const { conditions = [] } = verdicts.find(({ name }) => name === "azure-sweden") ?? {};
  assert.deepEqual(conditions.map(({ type, message }) => [type, message])[0], [
    "Accepted",
    "spec.models[0].commitment is not used: gpt-4o has no price; add spec.models[0].price.",
  ]);
  assert.equal(await ask(harness, 3), "bbb");
});
