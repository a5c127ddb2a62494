/**
 * What do callers notice of a provider that flaps, of one that fails now and then, and of all that are down?
 *
 * And what does it cost: how many requests more do the providers get?
 */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { type Answer, chatAnswer, delayed, errorAnswer, FakeProvider } from "../fakes/provider.ts";
import { errorOf, objects, startHarness } from "../proxy/harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url });
const down: Answer = (response) => void response.destroy();
const CALLERS = 8;

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  azure.answer = chatAnswer("from azure");
});

function provided(circuitBreaker: object): void {
  harness.apply([]);
  harness.apply(objects({ openai: { circuitBreaker }, azure: { circuitBreaker } }));
}

async function circuit(): Promise<string | undefined> {
  const { providers } = (await harness.status()) as {
    providers: { provider: string; models: { circuit: string }[] }[];
  };
  return providers.find(({ provider }) => provider === "ai/openai")?.models[0]?.circuit;
}

/** So many at a time, until it is enough. */
async function askWhile(goesOn: () => boolean): Promise<number[]> {
  const statuses: number[] = [];
  const callers = Array.from({ length: CALLERS }, async () => {
    while (goesOn()) {
      const response = await harness.chat();
      await response.text();
      statuses.push(response.status);
    }
  });
  await Promise.all(callers);
  return statuses;
}

const isAll200 = (statuses: readonly number[]) => statuses.every((status) => status === 200);

/** Of a hundred five fail, and ten are slow. */
function brownOut(): Answer {
  let n = 0;
  return (response, request) => {
    n++;
    if (n % 20 === 7) return errorAnswer(503, "overloaded")(response, request);
    return (n % 10 === 3 ? delayed(150, chatAnswer("late")) : chatAnswer("from openai"))(response, request);
  };
}

test("a brown-out of five in a hundred reaches nobody, costs five more, and opens no breaker that waits for half", async () => {
  provided({ failureThreshold: 5, failurePercent: 50, minRequests: 20, recoveryTimeout: "60s" });
  openai.answer = brownOut();
  let left = 400;
  const statuses = await askWhile(() => left-- > 0);
  assert.ok(statuses.length >= 400 && isAll200(statuses));
  assert.equal(await circuit(), "closed");
  assert.equal(openai.calls.length, statuses.length, "the first choice is still asked for each");
  assert.equal(azure.calls.length, 20);
});

test("the same opens a breaker that is told to mind it", async () => {
  provided({ failureThreshold: 100, failurePercent: 4, minRequests: 40, recoveryTimeout: "60s" });
  openai.answer = brownOut();
  let left = 400;
  assert.ok(isAll200(await askWhile(() => left-- > 0)));
  assert.equal(await circuit(), "open");
  assert.ok(openai.calls.length < 100, `${openai.calls.length}`);
});

test("a provider that flaps reaches nobody, and each time costs what its breaker allows", async () => {
  const failureThreshold = 3;
  provided({ failureThreshold, recoveryTimeout: "1s" });
  let isDown = false;
  let flaps = 0;
  let failed = 0;
  openai.answer = (response, request) => {
    if (!isDown) return chatAnswer("from openai")(response, request);
    failed++;
    return down(response, request);
  };
  const flapping = setInterval(() => {
    isDown = !isDown;
    if (isDown) flaps++;
  }, 400);
  const end = performance.now() + 5_000;
  const statuses = await askWhile(() => performance.now() < end);
  clearInterval(flapping);
  assert.ok(isAll200(statuses));
  assert.ok(failed > 0 && statuses.length > 100, "this shows nothing");
  // Those under way when it opened, each over a kept connection at first, and one probe.
  const allowed = flaps * (2 * (failureThreshold + CALLERS) + 1);
  assert.ok(failed <= allowed, `${failed} requests met it down in ${flaps} times`);
});

test("all down is one clean error that says when to come again, and who is back first answers at once", async () => {
  provided({ failureThreshold: 2, recoveryTimeout: "60s" });
  openai.answer = down;
  azure.answer = down;
  for (let i = 0; i < 6; i++) {
    const response = await harness.chat();
    assert.equal(response.status, 502);
    assert.equal(response.headers.get("x-tandem-error-origin"), "gateway");
    assert.equal(response.headers.get("x-should-retry"), "false");
    assert.match(response.headers.get("retry-after") ?? "", /^[12]$/);
    assert.equal((await errorOf(response)).code, "upstream_unreachable");
    assert.ok(Number(response.headers.get("x-tandem-attempts")) <= 3);
  }
  assert.equal(await circuit(), "open");
  azure.answer = chatAnswer("from azure");
  const back = await harness.chat();
  assert.equal(back.status, 200);
  assert.equal(back.headers.get("x-tandem-backend"), "azure");
  assert.equal((await harness.chat()).headers.get("x-tandem-attempts"), "1", "its breaker is closed again");
  openai.answer = chatAnswer("from openai");
  azure.answer = down;
  const other = await harness.chat();
  assert.equal(other.status, 200, "the other's breaker is open, but nobody else is there");
  assert.equal(other.headers.get("x-tandem-backend"), "openai");
});
