/**
 * How does Tandem send these requests, in virtual time?
 *
 * Real gateways over the simulated providers, by HTTP; only the clock is ours. A request begins when the trace says, the
 * provider holds its answer until the time of its last token has come, and nothing else happens meanwhile: each step waits
 * for the one before it, so every run is the same.
 */
import { Agent, request } from "undici";
import { loadManifests } from "../../manifests/load.ts";
import { type Gateway, startGateway } from "../../proxy/gateway.ts";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { createLogger, LogDestination } from "../../proxy/telemetry/log.ts";
import { encodeTable } from "../../routing/codec.ts";
import { compile } from "../../routing/compile.ts";
import { describeSecret, Redacted } from "../../routing/secrets.ts";
import type { RoutingTable } from "../../routing/table.ts";
import { startSimulators } from "../../simulators/main.ts";
import type { Sent } from "./bill.ts";
import type { TraceRequest } from "./trace.ts";

const HOSTS = { openai: "api.openai.com", azure: "contoso-sweden.openai.azure.com" };
const MODEL = "gpt-4o";
const CHARACTERS_PER_TOKEN = 4;
/** Of a chat's frame: one message, its role, and the beginning of the answer, as the simulators count. */
const FRAME_TOKENS = 8;

/** Milliseconds of virtual time until an answer is whole: the first token and each of the rest. */
const FIRST_TOKEN = 400;
const PER_TOKEN = 20;

/** One for all: each would wait for the end of the process. */
const SILENT = createLogger(new LogDestination("/dev/null"));

export interface ReplayOptions {
  readonly manifests: readonly string[];
  readonly trace: readonly TraceRequest[];
  /** How many proxies share the traffic: each request goes to one of them by chance, the same in every run. */
  readonly proxies: number;
}

export interface Replayed {
  readonly sent: readonly Sent[];
  readonly table: RoutingTable;
  /** What the providers say that they answered: requests and tokens must be those of `sent`. */
  readonly billed: { readonly requests: number; readonly tokens: number };
}

export async function replay(options: ReplayOptions): Promise<Replayed> {
  const clock = { now: options.trace[0]?.at ?? 0 };
  const holds = new Holds();
  const simulators = await startSimulators({
    options: { counting: "estimate", keepRequests: 0, hold: () => holds.hold() },
  });
  const world = await gateways(options, clock, simulators);
  const agent = new Agent({ connections: null, pipelining: 1 });
  try {
    const random = randomNumbers(1);
    const sent = await run(options.trace, clock, holds, (i, one) => {
      const { url } = world.gateways[Math.floor(random() * world.gateways.length)] as Gateway;
      return ask(agent, url, world.key, i, one);
    });
    const lines = [simulators.openai, simulators.azure].flatMap((one) => one.bill().lines as readonly BillLine[]);
    const billed = {
      requests: lines.reduce((sum, line) => sum + line.requests, 0),
      tokens: lines.reduce((sum, line) => sum + line.promptTokens + line.completionTokens, 0),
    };
    return { sent, table: world.table, billed };
  } finally {
    await agent.destroy();
    for (const gateway of world.gateways) await gateway.close({ drainMs: 0 });
    await simulators.close();
  }
}

/** Mulberry32: numbers in [0, 1), the same for the same seed. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface BillLine {
  readonly requests: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** Answers that wait at the providers. */
class Holds {
  #arrived: ((release: () => void) => void) | undefined;

  /** Resolves when the next request has come to a provider, with what lets its answer go. */
  next(): Promise<() => void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  hold(): Promise<void> {
    return new Promise((release) => this.#arrived?.(release));
  }
}

interface UnderWay {
  readonly until: number;
  readonly release: () => void;
  readonly answer: Promise<void>;
}

async function run(
  trace: readonly TraceRequest[],
  clock: { now: number },
  holds: Holds,
  send: (i: number, one: TraceRequest) => Promise<Omit<Sent, "at">>,
): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  const underWay: UnderWay[] = [];
  const finishUntil = async (time: number) => {
    for (let next = underWay[0]; next && next.until <= time; next = underWay[0]) {
      underWay.shift();
      clock.now = next.until;
      next.release();
      await next.answer;
    }
  };
  for (const [i, one] of trace.entries()) {
    await finishUntil(one.at);
    clock.now = one.at;
    const arrival = holds.next();
    const answer = send(i, one).then((where) => {
      sent[i] = { at: one.at, ...where };
    });
    const release = await Promise.race([arrival, answer.then(notHeld)]);
    const until = one.at + FIRST_TOKEN + one.output * PER_TOKEN;
    const place = underWay.findLastIndex((other) => other.until <= until) + 1;
    underWay.splice(place, 0, { until, release, answer });
  }
  await finishUntil(Number.POSITIVE_INFINITY);
  return sent;
}

function notHeld(): never {
  throw new Error("an answer came that no provider had held");
}

async function ask(agent: Agent, url: string, key: string, i: number, one: TraceRequest): Promise<Omit<Sent, "at">> {
  // Its own beginning, so that nothing of it is cached.
  const asked = `${i} exactly ${one.output} tokens `;
  const content = asked.padEnd((one.input - FRAME_TOKENS) * CHARACTERS_PER_TOKEN, "abc ");
  const { statusCode, headers, body } = await request(`${url}/v1/chat/completions`, {
    dispatcher: agent,
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content }] }),
  });
  const answer = (await body.json()) as { usage: Usage };
  if (statusCode !== 200) throw new Error(`request ${i} was answered ${statusCode}: ${JSON.stringify(answer)}`);
  const { prompt_tokens, completion_tokens, prompt_tokens_details } = answer.usage;
  return {
    backend: headers["x-tandem-backend"] === "committed" ? "committed" : "burst",
    input: prompt_tokens,
    cachedInput: prompt_tokens_details?.cached_tokens ?? 0,
    output: completion_tokens,
  };
}

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number };
}

async function gateways(
  { manifests, proxies }: ReplayOptions,
  clock: { readonly now: number },
  { openaiUrl, azureUrl }: { readonly openaiUrl: string; readonly azureUrl: string },
): Promise<{ readonly gateways: readonly Gateway[]; readonly table: RoutingTable; readonly key: string }> {
  const pepper = new Redacted("bench");
  const loaded = await loadManifests(manifests);
  const described = loaded.secrets.map((secret) => describeSecret(secret, pepper));
  const { table } = compile({ objects: loaded.objects, secrets: described.flatMap(({ facts }) => facts), dev: false });
  const client = loaded.secrets.find(({ name }) => name === "demo-client-key")?.values.key;
  if (client === undefined) throw new Error("the manifests have no Secret demo-client-key");
  const started: Gateway[] = [];
  for (let i = 0; i < proxies; i++) {
    const gateway = await startGateway({
      listen: { host: "127.0.0.1", port: 0 },
      admin: { host: "127.0.0.1", port: 0 },
      settings: DEFAULT_SETTINGS,
      connectTo: new Map([
        [HOSTS.openai, openaiUrl],
        [HOSTS.azure, azureUrl],
      ]),
      clock: () => clock.now,
      log: SILENT,
      env: {},
    });
    gateway.shareAmong(proxies);
    const applied = gateway.apply({
      published: encodeTable(table),
      credentials: new Map(described.flatMap(({ credentials }) => credentials)),
      pepper,
      idKeys: [new Redacted("bench")],
    });
    if (!applied.ok) throw new Error(applied.error.message);
    started.push(gateway);
  }
  return { gateways: started, table, key: client.reveal() };
}
