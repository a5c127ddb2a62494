/** Is the backend asked that answers this caller the fastest, as real requests show it? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import {
  type Answer,
  chatAnswer,
  delayed,
  errorAnswer,
  FakeProvider,
  stream,
  WHOLE_STREAM,
} from "../fakes/provider.ts";
import { AZURE_KEY, type Harness, KEY, OPENAI_KEY, object, objects, startHarness } from "./harness.ts";

/** Far apart, so that a busy machine does not turn them around (milliseconds). */
const SLOW = 120;
const quick = chatAnswer("quick");
const slow = delayed(SLOW, chatAnswer("slow"));

const BACKENDS = [
  { name: "openai", providerRef: { name: "openai" } },
  { name: "azure", providerRef: { name: "azure-sweden" } },
];

type Latency = (route?: object, more?: Partial<Parameters<typeof startHarness>[0]>) => Promise<Harness>;

/** Two providers of the test's own, and a gateway over them. Nothing is explored, so that what is asked is what was chosen. */
async function begin(): Promise<{ openai: FakeProvider; azure: FakeProvider; latency: Latency }> {
  const [openai, azure] = await Promise.all([new FakeProvider().start(), new FakeProvider().start()]);
  for (const provider of [openai, azure]) provider.answer = quick;
  const latency: Latency = (route = {}, more = {}) => {
    const chosen = { strategy: "Latency", latency: { explorePercent: 0 }, backends: BACKENDS, ...route };
    return startHarness({ openai: openai.url, azure: azure.url, objects: objects({ route: chosen }), ...more });
  };
  return { openai, azure, latency };
}

interface Told {
  readonly backend: string;
  readonly why: string;
}

async function ask(harness: Harness, times: number, body: object = {}, headers?: Record<string, string>) {
  const told: Told[] = [];
  for (let i = 0; i < times; i++) {
    const response = await harness.chat(body, headers);
    await response.text();
    const { headers: got } = response;
    told.push({ backend: got.get("x-tandem-backend") ?? "", why: got.get("x-tandem-decision") ?? "" });
  }
  return told;
}

/** Until all that is measured of both is known. */
async function warm(harness: Harness, body: object = {}): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const all = (await estimates(harness)).filter(({ location }) => location === null);
    const backends = new Set(all.map(({ backend }) => backend));
    if (backends.size === 2 && all.every(({ samples }) => samples >= 3)) return;
    await ask(harness, 1, body);
  }
  assert.fail("both backends should be known by now");
}

/** So many in a row are no luck. */
const IN_A_ROW = 8;

/** Until the backend was chosen so often in a row for being the fastest. */
async function settlesOn(harness: Harness, backend: string, body: object = {}): Promise<void> {
  let row = 0;
  for (let i = 0; i < 80 && row < IN_A_ROW; i++) {
    const [told] = await ask(harness, 1, body);
    row = told?.backend === backend && told.why === "latency" ? row + 1 : 0;
  }
  assert.equal(row, IN_A_ROW, JSON.stringify(await estimates(harness)));
}

interface Estimate {
  readonly backend: string;
  readonly measure: string;
  readonly location: string | null;
  readonly estimate: number;
  readonly samples: number;
}

async function estimates(harness: Harness): Promise<readonly Estimate[]> {
  return ((await harness.status()) as { latencyEstimates: Estimate[] }).latencyEstimates;
}

const countOf = (told: readonly Told[], name: string) => told.filter(({ backend }) => backend === name).length;

// Most of the time the fakes let pass.
describe("strategy Latency", { concurrency: true }, () => {
  test("the faster backend answers, and the other one when that changes", async () => {
    const { openai, azure, latency } = await begin();
    openai.answer = slow;
    const harness = await latency();
    assert.equal((await ask(harness, 1))[0]?.why, "latency:unknown");
    await warm(harness);
    await settlesOn(harness, "azure");
    openai.answer = delayed(SLOW / 2, quick);
    azure.answer = delayed(SLOW * 4, quick);
    await settlesOn(harness, "openai");
  });

  test("a stream is compared by its first token, not by its end", async () => {
    const { openai, azure, latency } = await begin();
    const parts = WHOLE_STREAM;
    openai.answer = async (response, request) => {
      await stream(parts.slice(0, 3), () => undefined)(response, request);
      await sleep(SLOW);
      response.end(parts.slice(3).join(""));
    };
    azure.answer = delayed(SLOW / 2, stream(parts));
    const harness = await latency();
    await warm(harness, { stream: true });
    await settlesOn(harness, "openai", { stream: true });
    const total = await latency({ latency: { metric: "Total", explorePercent: 0 } });
    await warm(total, { stream: true });
    await settlesOn(total, "azure", { stream: true });
  });

  test("a backend that stops to answer loses its traffic before anything ends", async () => {
    const { openai, azure, latency } = await begin();
    azure.answer = delayed(SLOW, stream(WHOLE_STREAM));
    openai.answer = stream(WHOLE_STREAM);
    const harness = await latency();
    await warm(harness, { stream: true });
    const silent: Answer = (response) =>
      void response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    openai.answer = silent;
    azure.seen.length = 0;
    const asked: Promise<unknown>[] = [];
    for (let i = 0; i < 100 && azure.calls.length < 5; i++) {
      asked.push(harness.chat({ stream: true }).catch(() => undefined));
      await sleep(50);
    }
    assert.ok(azure.calls.length >= 5, `${azure.calls.length} of ${asked.length}`);
  });

  test("a quick error is no quick answer", async () => {
    const { openai, azure, latency } = await begin();
    openai.answer = errorAnswer(503, "server_error");
    azure.answer = slow;
    const harness = await latency();
    const told = await ask(harness, 12);
    assert.equal(countOf(told, "azure"), 12);
    const measured = await estimates(harness);
    assert.deepEqual([...new Set(measured.map(({ backend }) => backend))], ["azure"]);
    assert.ok(measured.every(({ estimate }) => estimate >= SLOW * 0.9));
  });

  test("a share of the requests measures the others", async () => {
    const { openai, azure, latency } = await begin();
    openai.answer = delayed(30, quick);
    azure.answer = slow;
    const harness = await latency({ latency: { explorePercent: 50 } });
    await warm(harness);
    const told = await ask(harness, 40);
    const explored = told.filter(({ why }) => why === "latency:explore");
    assert.ok(explored.length >= 8 && explored.length <= 32, `${explored.length}`);
    assert.equal(countOf(explored, "azure"), explored.length);
  });

  test("a conversation stays where it is among those that are as fast", async () => {
    const { openai, azure, latency } = await begin();
    for (const provider of [openai, azure]) provider.answer = delayed(60, quick);
    const rules = { explorePercent: 0, switchMarginPercent: 100 };
    const harness = await latency({ latency: rules, sticky: { by: [{ header: "x-session-id" }] } });
    await warm(harness);
    const told = await ask(harness, 10, {}, { "x-session-id": "ann" });
    assert.equal(new Set(told.map(({ backend }) => backend)).size, 1);
  });

  test("latency orders a tier, not the tiers", async () => {
    const { openai, latency } = await begin();
    openai.answer = slow;
    const [first, second] = BACKENDS as [object, object];
    const harness = await latency({ backends: [first, { ...second, priority: 2 }] });
    const told = await ask(harness, 3);
    assert.deepEqual(told, Array(3).fill({ backend: "openai", why: "priority" }));
  });

  test("what callers see is kept by their location: their AIClient's, else their address's", async () => {
    const { latency } = await begin();
    const other = object("AIClient", "other", { keys: [{ name: "k", secretRef: { name: "keys", key: "other" } }] });
    const callers = { trustedProxies: [], cidrs: [{ cidr: "127.0.0.0/8", location: "south" }] };
    const harness = await latency({}, { settings: { ...DEFAULT_SETTINGS, location: "eu-west", callers } });
    const route = { strategy: "Latency", backends: BACKENDS };
    const list = objects({ route, client: { location: "north" }, more: [other] });
    const otherKey = "tdm-harness-other-key";
    harness.apply(list, { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY, other: otherKey });
    await ask(harness, 2);
    await ask(harness, 2, {}, { authorization: `Bearer ${otherKey}` });
    const places = new Set((await estimates(harness)).map(({ location }) => location));
    assert.deepEqual(places, new Set([null, "north", "south"]));
    assert.equal(((await harness.status()) as { location: string }).location, "eu-west");
    const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
    assert.match(
      metrics,
      /tandem_latency_estimate_seconds\{route="ai\/chat",backend="\w+",model="gpt-4o",measure="answer",location="north"\} 0\.\d/,
    );
  });
});
