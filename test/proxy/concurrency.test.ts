/** How many calls does a provider get at once, and what becomes of the others? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, chatAnswer, errorAnswer, FakeProvider, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { errorOf, KEY, objects, startHarness } from "./harness.ts";
import { parsePrometheus } from "./telemetry/prometheus-text.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url });

/** Holds its answers until they are let go. */
class Gate {
  /** In flight now, and the most there ever were. */
  open = 0;
  most = 0;
  readonly #held: (() => void)[] = [];
  #isOpen = false;

  readonly answer: Answer = async (response, request) => {
    this.open++;
    this.most = Math.max(this.most, this.open);
    response.on("close", () => this.open--);
    if (!this.#isOpen) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (!response.destroyed) await chatAnswer("from openai")(response, request);
  };

  /** The oldest one. */
  letOne(): void {
    this.#held.shift()?.();
  }

  letAll(): void {
    this.#isOpen = true;
    for (const letGo of this.#held.splice(0)) letGo();
  }
}

let gate = new Gate();
beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  gate = new Gate();
  openai.answer = gate.answer;
  azure.answer = chatAnswer("from azure");
});

const limited = (concurrency: object, change: Parameters<typeof objects>[0] = {}) => {
  harness.apply([]);
  harness.apply(objects({ ...change, openai: { concurrency, ...change.openai } }));
};
const onlyOpenai = { route: { models: ["gpt-4o"], backends: [{ name: "openai", providerRef: { name: "openai" } }] } };

interface Calls {
  readonly inFlight: number;
  readonly waiting: number;
}

async function calls(): Promise<Calls> {
  const { providers } = (await harness.status()) as { providers: { provider: string; calls: Calls }[] };
  const found = providers.find(({ provider }) => provider === "ai/openai");
  assert.ok(found);
  return { inFlight: found.calls.inFlight, waiting: found.calls.waiting };
}

/** Waits until the gateway counts so many. */
async function until(inFlight: number, waiting: number): Promise<void> {
  for (let i = 0; ; i++) {
    const now = await calls();
    if (now.inFlight === inFlight && now.waiting === waiting) return;
    assert.ok(i < 500, `${now.inFlight} in flight, ${now.waiting} waiting instead of ${inFlight} and ${waiting}`);
    await sleep(10);
  }
}

const backendOf = (response: Response) => response.headers.get("x-tandem-backend");

test("a provider gets no more calls at once than its limit, the rest goes to the next backend", async () => {
  limited({ max: 3 });
  const asked = Array.from({ length: 20 }, () => harness.chat());
  await until(3, 0);
  while (azure.calls.length < 17) await sleep(5);
  gate.letAll();
  const answers = await Promise.all(asked);
  assert.equal(gate.most, 3);
  assert.equal(answers.filter((one) => backendOf(one) === "openai").length, 3);
  const others = answers.filter((one) => backendOf(one) === "azure");
  assert.equal(others.length, 17);
  for (const one of others) assert.equal(one.headers.get("x-tandem-decision"), "failover:concurrency_limit");
  for (const one of others) assert.equal(one.headers.get("x-tandem-attempts"), "1");
  await until(0, 0);
});

test("who waits is served in order, who finds the queue full goes on at once", async () => {
  limited({ max: 1, queue: 2 });
  const order: number[] = [];
  const first = harness.chat();
  await until(1, 0);
  const noting = (place: number) => (response: Response) => {
    order.push(place);
    return response;
  };
  const second = harness.chat({ user: "second" }).then(noting(2));
  await until(1, 1);
  const third = harness.chat({ user: "third" }).then(noting(3));
  await until(1, 2);
  assert.equal(backendOf(await harness.chat()), "azure");
  gate.letOne();
  assert.equal(backendOf(await first), "openai");
  while (openai.calls.length < 2) await sleep(5);
  assert.equal(JSON.parse(openai.calls[1]?.body ?? "").user, "second");
  gate.letAll();
  for (const one of await Promise.all([second, third])) {
    assert.equal(backendOf(one), "openai");
    assert.equal(one.headers.get("x-tandem-decision"), "priority");
  }
  assert.deepEqual(order, [2, 3]);
  assert.equal(gate.most, 1);
});

test("after a second in the queue the next backend is asked", async () => {
  limited({ max: 1, queue: 1 });
  const first = harness.chat();
  await until(1, 0);
  const begun = performance.now();
  const second = await harness.chat();
  assert.equal(backendOf(second), "azure");
  assert.equal(second.headers.get("x-tandem-decision"), "failover:concurrency_limit");
  assert.ok(performance.now() - begun >= 950);
  await until(1, 0);
  gate.letAll();
  await first;
});

test("when nobody else is left a request waits longer, and who gets no place is told when to come again", async () => {
  limited({ max: 1, queue: 1 }, onlyOpenai);
  const first = harness.chat();
  await until(1, 0);
  const second = harness.chat();
  await until(1, 1);
  const refused = await harness.chat();
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(refused.headers.get("x-should-retry"), "true");
  assert.equal(refused.headers.get("x-tandem-error-origin"), "gateway");
  assert.equal((await errorOf(refused)).code, "overloaded");
  await sleep(1200);
  assert.deepEqual(await calls(), { inFlight: 1, waiting: 1 });
  gate.letAll();
  await first;
  assert.equal((await second).status, 200);
});

test("a wait for a place ends with failover.maxDuration", async () => {
  const { route } = onlyOpenai;
  limited({ max: 1, queue: 1 }, { route: { ...route, failover: { maxDuration: "300ms" } } });
  const first = harness.chat();
  await until(1, 0);
  assert.equal((await harness.chat()).status, 503);
  gate.letAll();
  await first;
});

test("a stream holds its place until its end", async () => {
  limited({ max: 1 });
  let end: (() => void) | undefined;
  openai.answer = stream(WHOLE_STREAM.slice(0, 3), (response) => {
    end = () => response.end(WHOLE_STREAM.slice(3).join(""));
  });
  const response = await harness.chat({ stream: true });
  assert.equal(backendOf(await harness.chat()), "azure");
  while (!end) await sleep(5);
  end();
  assert.equal(await response.text(), WHOLE_STREAM.join(""));
  await until(0, 0);
});

test("a caller who goes away leaves the place, or the queue", async () => {
  limited({ max: 1, queue: 1 });
  const ask = (abort: AbortController) =>
    fetch(`${harness.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o", messages: [] }),
      signal: abort.signal,
    }).catch(() => undefined);
  const [first, second] = [new AbortController(), new AbortController()];
  const asked = [ask(first)];
  await until(1, 0);
  asked.push(ask(second));
  await until(1, 1);
  second.abort();
  await until(1, 0);
  first.abort();
  await until(0, 0);
  await Promise.all(asked);
  assert.equal(azure.calls.length, 0);
});

test("failures of every kind leave the place", async () => {
  limited({ max: 1 }, { openai: { timeouts: { request: "150ms" }, circuitBreaker: { enabled: false } } });
  const failures: Answer[] = [
    errorAnswer(500, "server_error"),
    errorAnswer(400, "invalid_value"),
    (response) => void response.destroy(),
    () => undefined,
    (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<h1>hello</h1>"),
    (response) => void response.writeHead(302, { location: "/x" }).end(),
    stream(WHOLE_STREAM.slice(0, 2), (response) => response.destroy()),
    errorAnswer(429, "rate_limit_exceeded", { "retry-after-ms": "1" }),
  ];
  for (const failure of failures) {
    openai.answer = failure;
    const response = await harness.chat({ stream: true });
    await response.text();
    await until(0, 0);
  }
  // The request that met a kept connection as it was closed went out once more.
  assert.equal(openai.calls.length, failures.length + 1);
});

test("a retry on the same provider takes a place like any other", async () => {
  limited({ max: 1 }, { route: { failover: { retrySameProvider: 1, backoff: { base: "1ms", max: "2ms" } } } });
  const asked = openai.calls.length;
  openai.answer = errorAnswer(500, "server_error");
  assert.equal(backendOf(await harness.chat()), "azure");
  assert.equal(openai.calls.length - asked, 2);
  await until(0, 0);
});

test("a limit that comes with a reload counts the calls under way; one that goes lets all in who wait", async () => {
  limited({ max: 1, queue: 5 }, onlyOpenai);
  harness.apply(objects());
  const early = [harness.chat(), harness.chat()];
  await until(2, 0);
  harness.apply(objects({ openai: { concurrency: { max: 2, queue: 5 } }, ...onlyOpenai }));
  const late = [harness.chat(), harness.chat(), harness.chat()];
  await until(2, 3);
  harness.apply(objects({ openai: { concurrency: { max: 3, queue: 5 } }, ...onlyOpenai }));
  await until(3, 2);
  harness.apply(objects(onlyOpenai));
  await until(5, 0);
  gate.letAll();
  for (const one of await Promise.all([...early, ...late])) assert.equal(one.status, 200);
  await until(0, 0);
});

test("a rate limit that is learnt while a request waits sends it on", async () => {
  limited({ max: 1, queue: 1 });
  openai.answer = async (response, request) => {
    await new Promise<void>((resolve) => setTimeout(resolve, 150));
    return errorAnswer(429, "rate_limit_exceeded", { "retry-after-ms": "60000" })(response, request);
  };
  const first = harness.chat();
  await until(1, 0);
  const second = harness.chat();
  await until(1, 1);
  for (const one of await Promise.all([first, second])) assert.equal(backendOf(one), "azure");
  assert.equal((await second).headers.get("x-tandem-decision"), "failover:rate_limited");
  assert.equal(openai.calls.length, 1);
  await until(0, 0);
});

test("bytes that are piped hold a place too", async () => {
  limited({ max: 1 }, { route: { models: ["gpt-4o"], foreignIDs: "Probe" } });
  const first = harness.chat();
  await until(1, 0);
  const refused = await fetch(`${harness.url}/v1/files/file-abc/content`, {
    headers: { authorization: `Bearer ${KEY}`, "x-tandem-route": "chat" },
  });
  assert.equal(refused.status, 503);
  assert.equal((await errorOf(refused)).code, "overloaded");
  gate.letAll();
  await first;
  const content = await fetch(`${harness.url}/v1/files/file-abc/content`, {
    headers: { authorization: `Bearer ${KEY}`, "x-tandem-route": "chat" },
  });
  assert.equal(content.status, 200);
  await content.text();
  await until(0, 0);
});

test("the metrics tell the calls in flight, those that wait, and who was passed over", async () => {
  limited({ max: 1, queue: 1 });
  const first = harness.chat();
  await until(1, 0);
  const second = harness.chat();
  await until(1, 1);
  const value = async (name: string, labels: Record<string, string>) => {
    const families = parsePrometheus(await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text());
    const isIt = (one: { labels: Record<string, string> }) =>
      Object.entries(labels).every(([label, text]) => one.labels[label] === text);
    return families.get(name)?.samples.find(isIt)?.value;
  };
  assert.equal(await value("tandem_provider_calls_in_flight", { provider: "openai" }), 1);
  assert.equal(await value("tandem_provider_calls_waiting", { provider: "openai" }), 1);
  const passedOver = { backend: "openai", reason: "concurrency_limit" };
  const before = (await value("tandem_exclusions_total", passedOver)) ?? 0;
  await harness.chat();
  assert.equal(await value("tandem_exclusions_total", passedOver), before + 1);
  gate.letAll();
  await Promise.all([first, second]);
});
