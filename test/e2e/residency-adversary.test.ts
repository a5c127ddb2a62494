/**
 * Can data of a zone be made to leave it?
 *
 * One server plays every provider in the world and keeps what each host was sent. Where each host is stands here by hand,
 * from the product's words, so that nothing of the gateway judges itself. Each attack carries a text that must never be
 * seen outside, and no host outside may get anything but a health check.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { encodeTable } from "../../routing/codec.ts";
import { compile } from "../../routing/compile.ts";
import { PINNED_TABLE } from "../../routing/history.ts";
import { describeSecret, Redacted } from "../../routing/secrets.ts";
import { KEY, OPENAI_KEY, object, startHarness } from "../proxy/harness.ts";

type Zone = "EU" | "US" | "USGov" | "APAC";

interface Site {
  readonly host: string;
  /** Where it is: nowhere, when it says nothing or may be anywhere. */
  readonly zone: Zone | undefined;
  /** Where it keeps what names no model, when that is somewhere else: Azure keeps it in the resource's geography. */
  readonly keeps?: Zone;
  /** It may be in any of these: only data that may be in all of them may go there. */
  readonly oneOf?: readonly Zone[];
  readonly spec: object;
}

const MODEL = "gpt-4o";
const azure = (host: string, zone: Zone | undefined, region: string | undefined, deploymentType?: string): Site => ({
  host,
  zone,
  spec: {
    type: "AzureOpenAI",
    endpoint: `https://${host}`,
    ...(region !== undefined && { region }),
    models: [{ name: MODEL, deployment: "chat", ...(deploymentType !== undefined && { deploymentType }) }],
  },
});
const openai = (host: string, zone: Zone | undefined, residency?: readonly Zone[]): Site => ({
  host,
  zone,
  spec: { type: "OpenAI", endpoint: `https://${host}/v1`, models: [{ name: MODEL }], ...(residency && { residency }) },
});

/** By the names of their objects. */
const SITES: Readonly<Record<string, Site>> = {
  openai: openai("api.openai.com", undefined),
  "openai-eu": openai("eu.api.openai.com", "EU", ["EU"]),
  "openai-us": openai("us.api.openai.com", "US", ["US"]),
  "openai-false": openai("us.api.openai.test.api.openai.com", undefined, ["EU"]),
  "openai-both": { ...openai("openai.contoso.example", undefined, ["EU", "US"]), oneOf: ["EU", "US"] },
  sweden: azure("sweden.openai.azure.com", "EU", "swedencentral", "Standard"),
  norway: azure("norway.openai.azure.com", "EU", "norwayeast", "DataZoneProvisionedManaged"),
  "sweden-global": {
    ...azure("sweden-global.openai.azure.com", undefined, "swedencentral", "GlobalStandard"),
    keeps: "EU",
  },
  "sweden-developer": {
    ...azure("sweden-dev.openai.azure.com", undefined, "swedencentral", "DeveloperTier"),
    keeps: "EU",
  },
  "sweden-untold": { ...azure("sweden-untold.openai.azure.com", undefined, "swedencentral"), keeps: "EU" },
  nowhere: azure("nowhere.openai.azure.com", undefined, undefined, "Standard"),
  london: azure("london.openai.azure.com", undefined, "uksouth", "Standard"),
  virginia: azure("virginia.openai.azure.com", "US", "eastus", "ProvisionedManaged"),
  gov: azure("gov.openai.azure.us", "USGov", "usgovvirginia", "Standard"),
  "gov-false": azure("gov-false.openai.azure.us", undefined, "swedencentral", "Standard"),
  tokyo: azure("tokyo.openai.azure.com", "APAC", "japaneast", "DataZoneStandard"),
};
const NAMES = Object.keys(SITES);

interface Seen {
  readonly host: string;
  readonly method: string;
  readonly url: string;
  readonly text: string;
}

const seen: Seen[] = [];
type Behaviour = "ok" | "500" | "429" | "401" | "404" | "reset" | "slow" | "cut";
const behaviours = new Map<string, Behaviour>();

const world = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  request.on("error", () => undefined);
  response.on("error", () => undefined);
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    return;
  }
  const { host = "", ...headers } = request.headers;
  const { method = "", url = "" } = request;
  seen.push({ host, method, url, text: `${url} ${JSON.stringify(headers)} ${Buffer.concat(chunks)}` });
  await answer(response, host, method, url);
});
world.listen(0, "127.0.0.1");
await once(world, "listening");
after(() => {
  world.closeAllConnections();
  world.close();
});

async function answer(response: ServerResponse, host: string, method: string, url: string): Promise<void> {
  const behaviour = behaviours.get(host) ?? "ok";
  if (behaviour === "reset") return void response.destroy();
  if (behaviour === "slow") await sleep(150);
  if (/^\d+$/.test(behaviour)) {
    const error = { message: "no", type: "x", code: behaviour === "404" ? "DeploymentNotFound" : null, param: null };
    return void response
      .writeHead(Number(behaviour), { "content-type": "application/json" })
      .end(JSON.stringify({ error }));
  }
  if (behaviour === "cut" && method === "POST") {
    response
      .writeHead(200, { "content-type": "text/event-stream" })
      .write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
    await sleep(5);
    return void response.destroy();
  }
  const id = url.includes("/files") ? "file-1" : url.includes("/responses") ? "resp_1" : "chatcmpl-1";
  const body = { id, object: "x", model: MODEL, choices: [], data: [], output: [], status: "completed" };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const url = `http://127.0.0.1:${(world.address() as AddressInfo).port}`;
const harness = await startHarness({
  openai: url,
  azure: url,
  connectTo: new Map(Object.values(SITES).map(({ host }) => [host, url])),
  settings: {
    ...DEFAULT_SETTINGS,
    callers: { trustedProxies: ["127.0.0.0/8"], residencyHeader: "x-zone", cidrs: [] },
  },
});

beforeEach(() => {
  seen.length = 0;
  behaviours.clear();
});

interface World {
  readonly residency?: Zone | undefined;
  readonly route?: object;
  readonly backends: readonly object[];
  readonly health?: object;
}

function objectsOf({ residency, route, backends, health }: World): object[] {
  const quick = { connect: "1s", firstByte: "1s", idle: "1s", request: "2s" };
  return [
    ...Object.entries(SITES).map(([name, { spec }]) =>
      object("AIProvider", name, {
        ...spec,
        auth: { apiKey: { secretRef: { name: "keys", key: "openai" } } },
        timeouts: quick,
        health: health ?? { enabled: false },
      }),
    ),
    object("AIRoute", "all", { models: [MODEL], backends, ...route }),
    object("AIClient", "app", {
      keys: [{ name: "current", secretRef: { name: "keys", key: "client" } }],
      ...(residency !== undefined && { residency }),
    }),
  ];
}

/** Same numbers for the same seed: what fails, fails again. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

interface Chance {
  pick<T>(of: readonly T[]): T;
  is(share: number): boolean;
  some<T>(of: readonly T[], most: number): T[];
}

function chance(seed: number): Chance {
  const next = numbers(seed);
  const pick = <T>(of: readonly T[]) => of[Math.floor(next() * of.length)] as T;
  const some = <T>(of: readonly T[], most: number) => {
    const left = [...of];
    return Array.from(
      { length: 1 + Math.floor(next() * most) },
      () => left.splice(Math.floor(next() * left.length), 1)[0] as T,
    );
  };
  return { pick, some, is: (share) => next() < share };
}

const ZONES: readonly Zone[] = ["EU", "US", "USGov", "APAC"];
const BEHAVIOURS: readonly Behaviour[] = ["ok", "ok", "ok", "500", "429", "401", "404", "reset", "slow", "cut"];

/** What an attacker may send; `word` must not be seen outside. */
const ATTACKS: readonly ((word: string) => { path: string; body?: string; headers?: Record<string, string> })[] = [
  (word) => ({ path: "/v1/chat/completions", body: json({ messages: [{ role: "user", content: word }] }) }),
  (word) => ({
    path: "/v1/chat/completions",
    body: json({ stream: true, messages: [{ role: "user", content: word }] }),
  }),
  (word) => ({ path: "/v1/responses", body: json({ input: word, store: true, user: word }) }),
  (word) => ({ path: "/v1/embeddings", body: json({ input: word }) }),
  (word) => ({ path: "/v1/completions", body: json({ prompt: word }) }),
  (word) => ({ path: "/v1/moderations", body: JSON.stringify({ input: word }) }),
  (word) => ({ path: "/v1/images/generations", body: json({ prompt: word }) }),
  (word) => ({
    path: `/openai/deployments/chat/chat/completions?api-version=2024-10-21`,
    body: JSON.stringify({ messages: [{ role: "user", content: word }] }),
  }),
  (word) => ({ path: `/openai/v1/chat/completions`, body: json({ messages: [{ role: "user", content: word }] }) }),
  (word) => ({
    path: "/v1/conversations",
    body: JSON.stringify({ items: [{ type: "message", role: "user", content: word }] }),
  }),
  (word) => ({ path: "/v1/vector_stores", body: JSON.stringify({ name: word }) }),
  (word) => ({ path: "/v1/uploads", body: JSON.stringify({ filename: word, purpose: "assistants", bytes: 1 }) }),
  (word) => ({ path: `/v1/files/file-${word}`, headers: { "x-tandem-route": "all" } }),
  (word) => ({ path: `/v1/files/file-${word}/content` }),
  (word) => ({ path: `/v1/responses/resp_${word}` }),
  (word) => ({
    path: "/v1/chat/completions",
    body: json({ messages: [{ role: "user", content: word }] }),
    headers: {
      host: SITES.openai?.host ?? "",
      "x-ms-oai-image-generation-deployment": "chat",
      "x-forwarded-host": "api.openai.com",
      "openai-organization": word,
      "x-tandem-residency": "US",
    },
  }),
  (word) => form("assistants", word),
  (word) =>
    form(
      "batch",
      JSON.stringify({
        custom_id: word,
        method: "POST",
        url: "/v1/chat/completions",
        body: { model: MODEL, messages: [] },
      }),
    ),
];

function json(body: object): string {
  return JSON.stringify({ model: MODEL, ...body });
}

function form(purpose: string, content: string) {
  const part = (name: string, value: string, more = "") =>
    `--b\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
  const body = `${part("purpose", purpose)}${part("file", content, '; filename="a.jsonl"')}--b--\r\n`;
  return { path: "/v1/files", body, headers: { "content-type": "multipart/form-data; boundary=b" } };
}

async function attack(which: (typeof ATTACKS)[number], word: string, more: Record<string, string>): Promise<number> {
  const { path, body, headers } = which(word);
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const response = await fetch(harness.url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${KEY}`, ...type, ...headers, ...more },
    ...(body !== undefined && { body }),
  });
  await response.text().catch(() => undefined);
  return response.status;
}

/** Calls that name no model. */
const KEPT = /\/(files|uploads|vector_stores|conversations|batches|responses\/resp_)/;

/** Hosts outside these zones got nothing: not the word, and no request at all but a health check. */
function nothingLeft(zones: readonly Zone[], word: string, what: string): void {
  for (const { host, method, url: path, text } of seen) {
    const site = Object.values(SITES).find((one) => one.host === host);
    const zone = KEPT.test(path) ? (site?.keeps ?? site?.zone) : site?.zone;
    const places = site?.oneOf ?? (zone === undefined ? [] : [zone]);
    if (places.length > 0 && places.every((place) => zones.includes(place))) continue;
    assert.ok(!text.includes(word), `${what}: ${host} was told it`);
    assert.ok(method === "GET" && /\/models(\?|$)/.test(path), `${what}: ${host} was asked ${method} ${path}`);
  }
}

const WORLDS = 150;

test(`${WORLDS} worlds: whatever route, faults and rules there are, data stays in its zones`, {
  timeout: 300_000,
}, async () => {
  let inside = 0;
  let refused = 0;
  for (let seed = 1; seed <= WORLDS; seed++) {
    const { pick, some, is } = chance(seed);
    const residency = pick(ZONES);
    const byHeader = is(0.3);
    const rule = is(0.3) ? { residency, allow: some(ZONES, 2) } : undefined;
    const zones = rule?.allow ?? [residency];
    const backends = some(NAMES, 6).map((name) => ({
      name: `to-${name}`,
      providerRef: { name },
      priority: pick([1, 1, 2, 3]),
      weight: pick([0, 1, 50]),
      ...(is(0.2) && { failover: pick(["Allowed", "Never"]) }),
    }));
    const route = {
      strategy: pick(["Weighted", "Weighted", "Cost", "Latency"]),
      failover: {
        retrySameProvider: pick([0, 1]),
        backoff: { base: "1ms", max: "2ms" },
        maxDuration: "2s",
        ...(is(0.3) && { hedgeAfter: "20ms" }),
      },
      ...(is(0.3) && { sticky: { by: [{ header: "x-session-id" }, { bodyField: "user" }] } }),
      ...(is(0.3) && { foreignIDs: "Probe" }),
      ...(rule ? { compliance: { rules: [rule] } } : is(0.3) ? { compliance: { unknownResidency: "Deny" } } : {}),
    };
    behaviours.clear();
    for (const { host } of Object.values(SITES)) behaviours.set(host, pick(BEHAVIOURS));
    harness.apply(objectsOf({ residency: byHeader ? undefined : residency, route, backends }));
    seen.length = 0;
    const headers = byHeader ? { "x-zone": residency } : { "x-zone": pick(ZONES) };
    const words = await Promise.all(
      some(ATTACKS, 8).map(async (one, i) => {
        const word = `secret-${seed}-${i}`;
        const status = await attack(one, word, { ...headers, "x-session-id": word });
        if (status === 403) refused++;
        return word;
      }),
    );
    inside += seen.length;
    for (const word of words) nothingLeft(zones, word, `world ${seed}, ${residency} in ${zones.join("+")}`);
  }
  // Worlds in which nothing was ever sent, or nothing ever refused, would prove nothing.
  assert.ok(inside > WORLDS, `${inside} requests inside`);
  assert.ok(refused > WORLDS, `${refused} refused`);
});

/** Each is sent many times, under keys of its own, and never leaves. */
async function storm(what: string, zones: readonly Zone[], times: number, more: Record<string, string> = {}) {
  const chat = ATTACKS[0] as (typeof ATTACKS)[number];
  const words = Array.from({ length: times }, (_, i) => `secret-${what.replaceAll(" ", "-")}-${i}`);
  const statuses = await Promise.all(words.map((word) => attack(chat, word, { "x-session-id": word, ...more })));
  for (const word of words) nothingLeft(zones, word, what);
  return statuses;
}

const to = (name: string, part: object = {}) => ({ name: `to-${name}`, providerRef: { name }, ...part });

test("a canary outside gets nothing, whatever its weight and whoever asks", async () => {
  const backends = [to("sweden", { weight: 1 }), to("openai", { weight: 100 }), to("virginia", { weight: 100 })];
  const sticky = { by: [{ header: "x-session-id" }] };
  harness.apply(objectsOf({ residency: "EU", backends, route: { sticky } }));
  assert.deepEqual([...new Set(await storm("canary", ["EU"], 60))], [200]);
});

test("a copy goes to a shadow inside, and to none outside, whoever else is asked meanwhile", async () => {
  const series = /^tandem_shadow_total\{.*outcome="(\w+)"\} (\d+)$/gm;
  const outcomes = async (): Promise<Record<string, number>> => {
    const text = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
    return Object.fromEntries([...text.matchAll(series)].map(([, outcome, count]) => [outcome, Number(count)]));
  };
  const settled = async (drawn: number) => {
    for (;;) {
      const found = await outcomes();
      if (Object.values(found).reduce((sum, count) => sum + count, 0) >= drawn) return found;
      await sleep(10);
    }
  };
  const shadow = { percent: 100, noisePercent: 100, maxInFlight: 1_000 };
  const outside = ["openai", "virginia", "openai-both", "sweden-global", "sweden-untold", "nowhere"];
  const backends = [to("sweden"), ...[...outside, "norway"].map((name) => to(name, { weight: 0 }))];
  const compliances = [undefined, { rules: [{ residency: "EU", allow: ["EU"] }] }, { unknownResidency: "Deny" }];
  const before = Object.values(await outcomes()).reduce((sum, count) => sum + count, 0);
  let drawn = before;
  for (const name of outside) {
    for (const compliance of compliances) {
      const route = { shadow: { ...shadow, backend: `to-${name}` }, ...(compliance && { compliance }) };
      harness.apply(objectsOf({ residency: "EU", backends, route }));
      const statuses = await storm(`a copy to ${name}`, ["EU"], 5);
      assert.deepEqual([...new Set(statuses)], [200]);
      drawn += 5;
      await settled(drawn);
      nothingLeft(["EU"], "secret-a-copy", `a copy to ${name}`);
    }
  }
  assert.equal((await outcomes()).residency, drawn - before);
  seen.length = 0;
  harness.apply(objectsOf({ residency: "EU", backends, route: { shadow: { ...shadow, backend: "to-norway" } } }));
  await storm("a copy inside", ["EU"], 10);
  assert.equal((await settled(drawn + 10)).copied, 10);
  assert.equal(seen.filter(({ host }) => host === SITES.norway?.host).length, 10);
});

test("a silent backend inside has its second one inside", async () => {
  const backends = [to("sweden"), to("openai", { priority: 2 }), to("norway", { priority: 3 })];
  harness.apply(objectsOf({ residency: "EU", backends, route: { failover: { hedgeAfter: "20ms" } } }));
  behaviours.set(SITES.sweden?.host ?? "", "slow");
  assert.deepEqual([...new Set(await storm("hedging", ["EU"], 20))], [200]);
  assert.ok(seen.some(({ host }) => host === SITES.norway?.host));
});

test("with every circuit inside open, and no health inside, outside stays closed", { timeout: 60_000 }, async () => {
  const backends = [to("sweden"), to("norway", { priority: 2 }), to("openai", { priority: 3 })];
  const health = { path: "/models", interval: "1s", timeout: "1s", failureThreshold: 1 };
  const route = { failover: { retrySameProvider: 0 } };
  harness.apply(objectsOf({ residency: "EU", backends, health, route }));
  for (const name of ["sweden", "norway"]) behaviours.set(SITES[name]?.host ?? "", "500");
  for (let i = 0; i < 4; i++) {
    const statuses = await storm(`outage ${i}`, ["EU"], 20);
    assert.ok(statuses.every((status) => status >= 500));
    await sleep(700);
  }
  // The checks ran, over every place, and told nobody anything.
  const checked = new Set(seen.filter(({ method }) => method === "GET").map(({ host }) => host));
  assert.equal(checked.size, NAMES.length);
});

test("headers that only pretend change nothing", async () => {
  const abroad = object("AIRoute", "abroad", { models: ["abroad"], backends: [to("openai"), to("virginia")] });
  harness.apply([...objectsOf({ residency: "EU", backends: [to("openai"), to("sweden")] }), abroad]);
  const fakes: Record<string, string>[] = [
    { "x-zone": "US" },
    { "x-forwarded-for": "198.51.100.1" },
    { "x-tandem-route": "abroad" },
    { "x-tandem-route": "ai/abroad" },
    { "x-tandem-backend": "to-openai", "x-tandem-provider": "openai", "x-tandem-residency": "US" },
    { "x-forwarded-host": "api.openai.com", forwarded: "for=198.51.100.1;host=api.openai.com" },
    { "x-ms-spillover-deployment": "chat", "x-policy-id": "none" },
  ];
  for (const [i, fake] of fakes.entries()) await storm(`fake ${i}`, ["EU"], 3, fake);
  for (const [i, one] of ATTACKS.entries()) {
    const word = `secret-abroad-${i}`;
    await attack(one, word, { "x-tandem-route": "abroad" });
    nothingLeft(["EU"], word, `attack ${i} by the route abroad`);
  }
});

test("a route that came back in an older form has today's providers and clients", async () => {
  // Nobody belongs anywhere yet, and data goes where the route would rather have it.
  harness.apply(objectsOf({ backends: [to("openai"), to("sweden", { priority: 2 })] }));
  await assert.rejects(storm("before", ["EU"], 1), /was (told|asked)/);
  seen.length = 0;
  // Then the client gets its residency, and the route's next form is refused: the one before stays.
  const broken = objectsOf({ residency: "EU", backends: [to("openai")], route: { strategy: "Nonsense" } });
  const verdicts = harness.apply(broken);
  const route = verdicts.find(({ kind }) => kind === "AIRoute");
  assert.match(route?.conditions[0]?.message ?? "", /The last accepted form stays in force/);
  assert.deepEqual([...new Set(await storm("an older form", ["EU"], 20))], [200]);
});

test("a table from before residency was known keeps everybody inside who says where that is", async () => {
  const objects = objectsOf({ residency: "EU", backends: [to("openai"), to("sweden")] });
  const pepper = new Redacted("pepper");
  const values = { openai: new Redacted(OPENAI_KEY), client: new Redacted(KEY) };
  const { facts, credentials } = describeSecret({ namespace: "ai", name: "keys", values }, pepper);
  const { table } = compile({ objects, secrets: [facts], dev: false });
  const older = JSON.parse(
    JSON.stringify(table, (name, value) => (["zones", "residency", "compliance"].includes(name) ? undefined : value)),
  ) as typeof table;
  const published = encodeTable(older);
  const idKeys = [new Redacted("harness-id-key")];
  assert.ok(harness.gateway.apply({ published, credentials: new Map(credentials), pepper, idKeys }).ok);
  const statuses = await storm("an older table", [], 10, { "x-zone": "EU" });
  assert.deepEqual([...new Set(statuses)], [403]);
});

test("a route that is held at a table from before it had to keep data inside keeps it inside", async () => {
  const compliance = { rules: [{ residency: "EU", allow: ["EU"] }] };
  // Nobody belongs anywhere yet, the route goes abroad, and allows it.
  const lax = { compliance: { rules: [{ residency: "EU", allow: ["EU", "US", "APAC"] }] } };
  harness.apply(objectsOf({ backends: [to("openai"), to("virginia"), to("sweden", { priority: 2 })], route: lax }));
  const { hash = "" } = harness.gateway;
  await assert.rejects(storm("before the rules", ["EU"], 1), /was (told|asked)/);
  harness.apply(objectsOf({ residency: "EU", backends: [to("sweden")], route: { compliance } }));
  seen.length = 0;
  const now = objectsOf({ residency: "EU", backends: [to("sweden")], route: { compliance } });
  const held = now.map((one) => {
    const { kind, metadata } = one as { kind: string; metadata: object };
    return kind === "AIRoute" ? { ...one, metadata: { ...metadata, annotations: { [PINNED_TABLE]: hash } } } : one;
  });
  const verdicts = harness.apply(held);
  const route = verdicts.find(({ kind }) => kind === "AIRoute");
  assert.equal(route?.conditions.find(({ type }) => type === "Pinned")?.status, "True");
  assert.match(route?.columns.weights ?? "", /virginia/);
  assert.deepEqual([...new Set(await storm("held", ["EU"], 20))], [200]);
  for (const [i, one] of ATTACKS.entries()) {
    const word = `secret-held-${i}`;
    await attack(one, word, {});
    nothingLeft(["EU"], word, `attack ${i} on a held route`);
  }
});
