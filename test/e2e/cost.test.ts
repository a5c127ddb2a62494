/**
 * Does Tandem reckon what the provider bills?
 *
 * The simulators keep a bill of their own, with prices of their own: both must come to the same nano-dollar.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LogDestination } from "../../proxy/telemetry/log.ts";
import type { Harness } from "../proxy/harness.ts";
import { type Family, parsePrometheus } from "../proxy/telemetry/prometheus-text.ts";
import { FORMS, type Form, gatewayOver, MODELS, objectsOf, simulatorOf, simulators } from "./over-simulators.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-cost-"));
after(() => rmSync(folder, { recursive: true }));

const both = await simulators();
beforeEach(() => {
  both.openai.reset();
  both.azure.reset();
});

/** As at the simulated Azure: data-zone deployments in Europe. */
const IN_EUROPE = {
  region: "swedencentral",
  models: Object.entries(MODELS).map(([name, deployment]) => ({
    name,
    deployment,
    deploymentType: "DataZoneStandard",
  })),
};

function over(form: Form, provider: object = {}): Promise<Harness> {
  return gatewayOver(both, objectsOf(form, { provider: form === "OpenAI" ? provider : { ...IN_EUROPE, ...provider } }));
}

async function scrape({ gateway }: Harness): Promise<Map<string, Family>> {
  return parsePrometheus(await (await fetch(`${gateway.adminUrl}/metrics`)).text());
}

interface Costs {
  readonly nano: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly unpriced: number;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

async function costs(harness: Harness): Promise<Costs> {
  const families = await scrape(harness);
  const samples = families.get("tandem_cost_usd_total")?.samples ?? [];
  const kinds: Record<string, number> = Object.fromEntries(
    samples.map(({ labels, value }) => [labels.kind ?? "", Math.round(value * 1e9)]),
  );
  const unpriced = families.get("tandem_unpriced_requests_total")?.samples ?? [];
  return {
    nano: Object.values(kinds).reduce((sum, one) => sum + one, 0),
    kinds,
    unpriced: unpriced.reduce((sum, { value }) => sum + value, 0),
    labels: samples[0]?.labels,
  };
}

/** Recorded a moment after the answer. */
async function until<T>(read: () => Promise<T>, isThere: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await read();
    if (isThere(value) || tries === 200) return value;
    await sleep(10);
  }
}

const LONG = "A prompt that is long enough to be kept by the provider. ".repeat(200);
const ASKED = [
  { stream: false, content: "Hello" },
  { stream: true, content: "Hello again" },
  { stream: false, content: LONG },
  { stream: false, content: LONG },
];

for (const form of FORMS) {
  test(`${form}: chat, plain, streamed and cached, costs what the provider bills`, async () => {
    const harness = await over(form);
    for (const { stream, content } of ASKED) {
      const answer = await harness.chat({ stream, messages: [{ role: "user", content }] });
      assert.equal(answer.status, 200, await answer.text());
    }
    const bill = simulatorOf(form, both).bill();
    const told = await until(
      () => costs(harness),
      ({ nano }) => String(nano) === bill.totalNanoUsd,
    );
    assert.equal(String(told.nano), bill.totalNanoUsd);
    assert.ok((told.kinds.cached_input ?? 0) > 0, "the second long prompt was cached");
    assert.equal(told.unpriced, 0);
    const provider = form === "OpenAI" ? "openai" : "azure";
    const { kind: _, ...labels } = told.labels ?? {};
    const client = "ai/app";
    assert.deepEqual(labels, { provider, backend: provider, model: "gpt-4o", route: "ai/all", client });
  });
}

test("the object's price counts, not the list's", async () => {
  const models = [{ name: "gpt-4o", price: { input: "1000", output: "0" } }];
  const harness = await over("OpenAI", { models });
  const answer = (await (await harness.chat()).json()) as { usage: { prompt_tokens: number } };
  const told = await costs(harness);
  assert.deepEqual(told.kinds, { input: answer.usage.prompt_tokens * 1_000_000, output: 0 });
});

test("an answer of a model without a price is unpriced, in the metrics and in the log, and adds no cost", async () => {
  const file = join(folder, "access.log");
  const models = [{ name: "gpt-4o" }, { name: "gpt-4o-mini", price: { input: "0.15" } }];
  const provider = { models: models.map((model) => ({ ...model, baseModel: "nobody-knows-it" })) };
  const objects = objectsOf("OpenAI", { provider, route: { models: ["gpt-4o", "gpt-4o-mini"] } });
  const harness = await gatewayOver(both, objects, { accessLog: new LogDestination(file) });
  for (const model of ["gpt-4o", "gpt-4o-mini"]) assert.equal((await harness.chat({ model })).status, 200);
  const told = await costs(harness);
  // What has a price for its input alone is no more known than what has none.
  assert.deepEqual([told.kinds, told.unpriced], [{}, 2]);
  await harness.gateway.close({ drainMs: 0 });
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ cost_usd, unpriced }) => [cost_usd, unpriced]),
    [
      [undefined, true],
      [undefined, true],
    ],
  );
});

test("the access log says what a request cost", async () => {
  const file = join(folder, "priced.log");
  const harness = await gatewayOver(both, objectsOf("OpenAI"), { accessLog: new LogDestination(file) });
  await (await harness.chat()).text();
  await harness.gateway.close({ drainMs: 0 });
  const line = JSON.parse(readFileSync(file, "utf8")) as { cost_usd: number; unpriced?: boolean };
  assert.equal(Math.round(line.cost_usd * 1e9), Number(both.openai.bill().totalNanoUsd));
  assert.equal(line.unpriced, undefined);
});

/** What each costs on OpenAI, in nano-dollars, by its answer. */
interface Used {
  readonly usage?: {
    readonly input_tokens?: number;
    readonly output_tokens?: number;
    readonly prompt_tokens?: number;
    readonly seconds?: number;
  };
}

test("embeddings, pictures, speech and transcripts are priced by what they use", async () => {
  const harness = await over("OpenAI");
  const post = async (path: string, body: object) => (await harness.post(path, body)).json() as Promise<Used>;
  const seen = async () => (await costs(harness)).kinds;

  const embedded = await post("/v1/embeddings", { model: "text-embedding-3-small", input: "Hello" });
  assert.deepEqual(await seen(), { input: (embedded.usage?.prompt_tokens ?? 0) * 20 });

  const drawn = await post("/v1/images/generations", { model: "gpt-image-1", prompt: "A boat" });
  assert.equal((await seen()).image_output, (drawn.usage?.output_tokens ?? 0) * 40_000);

  const spoken = await harness.post("/v1/audio/speech", { model: "gpt-4o-mini-tts", input: "Hello", voice: "alloy" });
  await spoken.arrayBuffer();
  // A plain answer of sound has no usage, and this model no price per letter.
  assert.equal((await costs(harness)).unpriced, 1);
});

test("speech costs by its letters where they have a price", async () => {
  const models = [{ name: "gpt-4o-mini-tts", price: { perMillionCharacters: "15" } }];
  const harness = await gatewayOver(
    both,
    objectsOf("OpenAI", { provider: { models }, route: { models: ["gpt-4o-mini-tts"] } }),
  );
  const said = { model: "gpt-4o-mini-tts", input: "Größe 👋", voice: "alloy" };
  await (await harness.post("/v1/audio/speech", said)).arrayBuffer();
  assert.deepEqual((await costs(harness)).kinds, { characters: 7 * 15_000 });
});

test("pictures cost by the piece where they have such a price", async () => {
  const models = [{ name: "gpt-image-1", price: { perImage: "0.04" } }];
  const harness = await gatewayOver(
    both,
    objectsOf("OpenAI", { provider: { models }, route: { models: ["gpt-image-1"] } }),
  );
  const drawn = await harness.post("/v1/images/generations", { model: "gpt-image-1", prompt: "A boat", n: 2 });
  assert.equal(drawn.status, 200, await drawn.text());
  assert.equal((await costs(harness)).kinds.images, 80_000_000);
});

test("sound costs by the minute where the provider counts seconds", async () => {
  const harness = await over("OpenAI");
  const form = new FormData();
  form.set("model", "whisper-1");
  form.set("file", new Blob([Buffer.alloc(32_000)], { type: "audio/wav" }), "sound.wav");
  const answer = await fetch(`${harness.url}/v1/audio/transcriptions`, {
    method: "POST",
    headers: { authorization: "Bearer tdm-harness-client-key" },
    body: form,
  });
  const { usage } = (await answer.json()) as Used;
  assert.ok((usage?.seconds ?? 0) > 0, JSON.stringify(usage));
  assert.equal((await costs(harness)).kinds.audio_minutes, (usage?.seconds ?? 0) * 100_000);
});

test("a request that nobody answered costs nothing and is not unpriced", async () => {
  const harness = await over("OpenAI");
  both.openai.fault({ fault: "500", times: 10 });
  const answer = await harness.chat();
  await answer.text();
  assert.notEqual(answer.status, 200);
  assert.deepEqual(await costs(harness).then(({ kinds, unpriced }) => [kinds, unpriced]), [{}, 0]);
});

test("moderation is free, and looking at a stored answer again costs nothing again", async () => {
  const harness = await over("OpenAI");
  assert.equal(
    (await harness.post("/v1/moderations", { input: "Hello", model: "omni-moderation-latest" })).status,
    200,
  );
  const made = (await (await harness.post("/v1/responses", { model: "gpt-4o", input: "Hello" })).json()) as {
    id: string;
  };
  const before = await costs(harness);
  assert.ok(before.nano > 0);
  const again = await fetch(`${harness.url}/v1/responses/${made.id}`, {
    headers: { authorization: "Bearer tdm-harness-client-key" },
  });
  assert.equal(again.status, 200);
  await again.text();
  assert.deepEqual(await costs(harness), before);
  assert.equal(before.unpriced, 0);
});
