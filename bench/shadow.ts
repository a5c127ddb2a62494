/**
 * What do callers notice of a shadow?
 *
 * Two gateways over the same simulated providers, one that copies nothing and one that copies every request. Blocks of
 * requests visit them in turn (A B, then B A), on one connection, each request so long after the one before that its copy
 * has ended; with --pause 0 the next request meets the copy of the one before. Each pair of blocks gives one difference of
 * medians and one of 99th percentiles; told are the mean differences with bounds at 95 %.
 *
 *   node bench/shadow.ts [--pairs 40] [--requests 250] [--pause 5]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { meanOf } from "./figures.ts";

const CLI = resolve(import.meta.dirname, "..", "cli", "bin.js");
const OPENAI = "127.0.0.1:18101";
const AZURE = "127.0.0.1:18102";
const GATEWAYS = [
  { name: "no shadow", percent: 0, listen: "127.0.0.1:18110", admin: "127.0.0.1:18111" },
  { name: "every request copied", percent: 100, listen: "127.0.0.1:18120", admin: "127.0.0.1:18121" },
] as const;
const KEY = "tdm-bench-key-0123456789";
const PATIENCE = 20_000;
const POLL = 50;
/** Requests of each gateway before anything counts. */
const WARM_UP = 500;

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "40" },
    requests: { type: "string", default: "250" },
    pause: { type: "string", default: "5" },
  },
});
const pairs = Number(values.pairs);
const requests = Number(values.requests);
/** Milliseconds. */
const pause = Number(values.pause);

const object = (kind: string, name: string, spec: object) => ({
  apiVersion: "tandem.dev/v1alpha1",
  kind,
  metadata: { name, namespace: "bench" },
  spec,
});

function manifests(percent: number): string {
  const secretRef = (key: string) => ({ apiKey: { secretRef: { name: "keys", key } } });
  const list = [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "keys", namespace: "bench" },
      stringData: { openai: "sk-demo-openai", azure: "demo-azure-key", client: KEY },
    },
    object("AIProvider", "openai", { type: "OpenAI", auth: secretRef("openai"), models: [{ name: "gpt-4o" }] }),
    object("AIProvider", "azure", {
      type: "AzureOpenAI",
      endpoint: "https://bench.openai.azure.com",
      auth: secretRef("azure"),
      models: [{ name: "gpt-4o", deployment: "gpt-4o-prod" }],
    }),
    object("AIRoute", "chat", {
      models: ["gpt-4o"],
      backends: [
        { name: "live", providerRef: { name: "openai" } },
        { name: "copy", providerRef: { name: "azure" }, weight: 0 },
      ],
      shadow: { backend: "copy", percent, maxInFlight: 10_000 },
    }),
    object("AIClient", "bench", { keys: [{ name: "one", secretRef: { name: "keys", key: "client" } }] }),
  ];
  return list.map((one) => JSON.stringify(one)).join("\n---\n");
}

const running: ChildProcess[] = [];

function tandem(...args: string[]): void {
  running.push(spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "ignore", "inherit"] }));
}

async function ready(url: string): Promise<void> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    if (Date.now() > end) throw new Error(`${url} is not ready within ${PATIENCE} ms`);
    await sleep(POLL);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const BODY = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi, 50 words please" }] });
const HEADERS = {
  "content-type": "application/json",
  "content-length": BODY.length,
  authorization: `Bearer ${KEY}`,
};

/** Milliseconds. */
async function askOnce(listen: string): Promise<number> {
  const began = performance.now();
  const asked = request(`http://${listen}/v1/chat/completions`, { method: "POST", agent, headers: HEADERS });
  asked.end(BODY);
  const [response] = (await once(asked, "response")) as [import("node:http").IncomingMessage];
  response.resume();
  await once(response, "end");
  if (response.statusCode !== 200) throw new Error(`${listen} answered ${response.statusCode}`);
  return performance.now() - began;
}

async function block(listen: string, count: number): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    times.push(await askOnce(listen));
    if (pause > 0) await sleep(pause);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

function told(name: string, without: readonly number[], differences: readonly number[]): string {
  const { mean, low, high } = meanOf(differences);
  const bounds = `${low.toFixed(3)} to ${high.toFixed(3)}`;
  return `${name}: ${meanOf(without).mean.toFixed(3)} ms without, ${mean.toFixed(3)} ms more with every request copied (${bounds})`;
}

const folder = await mkdtemp(join(tmpdir(), "tandem-bench-shadow-"));
try {
  tandem("simulate", "--instant", "--openai", OPENAI, "--azure", AZURE);
  for (const { percent, listen, admin } of GATEWAYS) {
    const file = join(folder, `${percent}.yaml`);
    await writeFile(file, manifests(percent));
    const connect = [`api.openai.com=http://${OPENAI}`, `bench.openai.azure.com=http://${AZURE}`];
    const dev = ["--dev", ...connect.flatMap((one) => ["--connect-to", one])];
    tandem("run", "--manifests", file, "--listen", listen, "--admin", admin, "--state", join(folder, listen), ...dev);
  }
  for (const simulator of [OPENAI, AZURE]) await ready(`http://${simulator}/_sim/requests`);
  for (const { admin } of GATEWAYS) await ready(`http://${admin}/readyz`);
  for (const { listen } of GATEWAYS) await block(listen, WARM_UP);
  const [none, all] = GATEWAYS;
  const without = { p50: [] as number[], p99: [] as number[] };
  const more = { p50: [] as number[], p99: [] as number[] };
  for (let pair = 0; pair < pairs; pair++) {
    const turn = pair % 2 === 0 ? [none, all] : [all, none];
    const seen = new Map<string, { p50: number; p99: number }>();
    for (const { name, listen } of turn) seen.set(name, await block(listen, requests));
    for (const percentile of ["p50", "p99"] as const) {
      const base = seen.get(none.name)?.[percentile] ?? Number.NaN;
      without[percentile].push(base);
      more[percentile].push((seen.get(all.name)?.[percentile] ?? Number.NaN) - base);
    }
  }
  say(`${pairs} pairs of blocks of ${requests} requests`);
  say(told("median", without.p50, more.p50));
  say(told("99th percentile", without.p99, more.p99));
  const metrics = await (await fetch(`http://${all.admin}/metrics`)).text();
  say(
    metrics
      .split("\n")
      .filter((line) => line.startsWith("tandem_shadow_total{"))
      .join("\n"),
  );
} finally {
  for (const child of running) child.kill("SIGTERM");
  agent.destroy();
  await rm(folder, { recursive: true, force: true });
}
