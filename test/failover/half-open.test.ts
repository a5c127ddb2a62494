/**
 * How does a provider that was left alone come back?
 *
 * One request of each proxy asks it, however many come at that moment; the others go elsewhere, or wait for its word where
 * there is nobody else.
 */
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, chatAnswer, errorAnswer, event, FakeProvider, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { type Harness, objects, startHarness } from "../proxy/harness.ts";

const MANY = 40;
const ALONE = { backends: [{ name: "openai", providerRef: { name: "openai" } }] };

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const [one, two] = (await Promise.all([1, 2].map(() => startHarness({ openai: openai.url, azure: azure.url })))) as [
  Harness,
  Harness,
];

beforeEach(() => {
  openai.answer = errorAnswer(500, "server_error");
  azure.answer = chatAnswer("from azure");
});

interface Model {
  readonly circuit: string;
  readonly openForMs?: number;
}

async function circuitOf(harness: Harness): Promise<Model> {
  const { providers } = (await harness.status()) as { providers: { provider: string; models: Model[] }[] };
  return providers.find(({ provider }) => provider === "ai/openai")?.models[0] as Model;
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await isSo()); i++) {
    assert.ok(i < 1000, `${what}: it has not come true`);
    await sleep(10);
  }
}

/** Its breaker opens, and the time until a probe may go passes. From then on a probe has a minute. */
async function recovering(harness: Harness, route: Record<string, unknown> = {}): Promise<void> {
  const apply = (recoveryTimeout: string) =>
    harness.apply(objects({ openai: { circuitBreaker: { failureThreshold: 1, recoveryTimeout } }, route }));
  openai.answer = errorAnswer(500, "server_error");
  harness.apply([]);
  apply("1s");
  await (await harness.chat()).text();
  assert.equal((await circuitOf(harness)).circuit, "open");
  await until("the probe may go", async () => (await circuitOf(harness)).openForMs === undefined);
  apply("60s");
  openai.seen.length = 0;
}

/** An answer that comes when the test says so. */
function held(answer: Answer): { readonly answer: Answer; release(): void } {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    answer: async (response, request) => {
      await released;
      return answer(response, request);
    },
    release: () => release(),
  };
}

interface Got {
  readonly status: number;
  readonly backend: string | null;
}

async function ask(harness: Harness, body: object = {}): Promise<Got> {
  const response = await harness.chat(body);
  await response.text();
  return { status: response.status, backend: response.headers.get("x-tandem-backend") };
}

const askMany = (harness: Harness) => Array.from({ length: MANY }, () => ask(harness));

function countOf(got: readonly Got[], backend: string): number {
  return got.filter((one) => one.status === 200 && one.backend === backend).length;
}

describe("where another backend is there", () => {
  test("of many requests at the moment exactly one is the probe, and the others are answered meanwhile", async () => {
    await recovering(one);
    const probe = held(chatAnswer("well again"));
    openai.answer = probe.answer;
    let answered = 0;
    const asked = askMany(one).map(async (got) => {
      await got;
      answered++;
      return got;
    });
    await until("all but the probe are answered", () => answered === MANY - 1);
    assert.equal(openai.calls.length, 1);
    assert.equal((await circuitOf(one)).circuit, "half_open");
    probe.release();
    const got = await Promise.all(asked);
    assert.deepEqual([countOf(got, "openai"), countOf(got, "azure")], [1, MANY - 1]);
    assert.equal((await circuitOf(one)).circuit, "closed");
    assert.equal(countOf(await Promise.all(askMany(one)), "openai"), MANY);
  });

  test("a probe that fails is answered elsewhere too, and the next waits its whole time again", async () => {
    await recovering(one);
    const got = await Promise.all(askMany(one));
    assert.equal(countOf(got, "azure"), MANY);
    assert.equal(openai.calls.length, 1);
    assert.equal((await circuitOf(one)).circuit, "open");
    assert.equal(countOf(await Promise.all(askMany(one)), "azure"), MANY);
    assert.equal(openai.calls.length, 1);
  });

  test("a probe whose caller goes away gives its place to the next request", async () => {
    await recovering(one);
    openai.answer = () => undefined;
    const abort = new AbortController();
    const gone = fetch(`${one.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: "Bearer tdm-harness-client-key", "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o", messages: [] }),
      signal: abort.signal,
    }).catch(() => undefined);
    await until("the probe is under way", () => openai.calls.length === 1);
    abort.abort();
    await gone;
    await until("the provider is rid of it", () => openai.calls[0]?.aborted === true);
    openai.answer = chatAnswer("well again");
    assert.equal((await ask(one)).backend, "openai");
    assert.equal((await circuitOf(one)).circuit, "closed");
  });

  test("a stream is a probe to its end: whole it closes the breaker, cut it opens it", async () => {
    await recovering(one);
    const rest = held((response) => void response.end(WHOLE_STREAM.slice(2).join("")));
    const begins: Answer = (response, request) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(WHOLE_STREAM.slice(0, 2).join(""));
      return rest.answer(response, request);
    };
    openai.answer = begins;
    const flowing = await one.chat({ stream: true });
    assert.equal(flowing.headers.get("x-tandem-backend"), "openai");
    assert.equal((await circuitOf(one)).circuit, "half_open");
    assert.equal((await ask(one)).backend, "azure", "the probe has not ended");
    rest.release();
    assert.equal(await flowing.text(), WHOLE_STREAM.join(""));
    assert.equal((await circuitOf(one)).circuit, "closed");
    await recovering(one);
    openai.answer = stream([event({ content: "Hello" })], (response) => response.destroy());
    assert.match(await (await one.chat({ stream: true })).text(), /stream_interrupted/);
    assert.equal((await circuitOf(one)).circuit, "open");
  });
});

describe("where nobody else is there", () => {
  test("the others wait for the probe's word, and go when it is good", async () => {
    await recovering(one, ALONE);
    const probe = held(chatAnswer("well again"));
    openai.answer = probe.answer;
    const asked = askMany(one);
    await until("the probe is under way", () => openai.calls.length > 0);
    await sleep(100);
    assert.equal(openai.calls.length, 1);
    probe.release();
    assert.equal(countOf(await Promise.all(asked), "openai"), MANY);
    assert.equal(openai.calls.length, MANY);
  });

  test("they ask one after the other while it stays bad, and each gets an error that says when to come again", async () => {
    await recovering(one, { ...ALONE, failover: { retrySameProvider: 0 } });
    let atOnce = 0;
    let most = 0;
    openai.answer = async (response, request) => {
      most = Math.max(most, ++atOnce);
      await sleep(5);
      atOnce--;
      return errorAnswer(500, "server_error")(response, request);
    };
    const responses = await Promise.all(Array.from({ length: 5 }, () => one.chat()));
    for (const response of responses) {
      assert.equal(response.status, 500);
      assert.match(response.headers.get("retry-after") ?? "", /^[12]$/);
    }
    assert.equal(openai.calls.length, 5);
    assert.equal(most, 1);
  });

  test("they do not wait for ever: a probe that says nothing for a second keeps nobody", async () => {
    await recovering(one, ALONE);
    const probe = held(chatAnswer("late"));
    openai.answer = (response, request) =>
      openai.calls.length === 1 ? probe.answer(response, request) : chatAnswer("well again")(response, request);
    const first = ask(one);
    await until("the probe is under way", () => openai.calls.length === 1);
    assert.equal((await ask(one)).status, 200);
    probe.release();
    assert.equal((await first).status, 200);
  });
});

test("two proxies learn alone, and send one probe each", async () => {
  await recovering(one);
  assert.equal((await ask(two)).backend, "azure", "it asks the provider itself, and falls over");
  await recovering(two);
  await until("the first one's probe may go too", async () => (await circuitOf(one)).openForMs === undefined);
  const probe = held(chatAnswer("well again"));
  openai.answer = probe.answer;
  let answered = 0;
  const asked = [...askMany(one), ...askMany(two)].map(async (got) => {
    await got;
    answered++;
    return got;
  });
  await until("all but the probes are answered", () => answered === 2 * MANY - 2);
  assert.equal(openai.calls.length, 2);
  probe.release();
  const got = await Promise.all(asked);
  assert.deepEqual([countOf(got, "openai"), countOf(got, "azure")], [2, 2 * MANY - 2]);
});
