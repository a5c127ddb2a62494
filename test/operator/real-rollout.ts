/**
 * How does a rollout run with nothing played?
 *
 * An operator and three proxies as processes before a real API server, simulated providers, and requests at a steady pace.
 * Pods are objects that no kubelet runs.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Memory } from "../../routing/rollout/memory.ts";
import { startSimulators } from "../../simulators/main.ts";
import { type Started, start, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { StandInOperator } from "../proxy/stand-in-operator.ts";
import { post, provider, RELEASE, route, type Stage } from "./harness.ts";

/** Milliseconds. */
const IN_TIME = 30_000;
const DECIDED_WITHIN = 100_000;
const PROXIES = 3;
/** Of each answer: 40 % more of it is well above what a busy machine adds. */
const FIRST_TOKEN_MS = 100;
const REQUESTS_PER_SECOND = 150;
/** More are not begun: a gateway that hangs is not asked for ever. */
const MOST_IN_FLIGHT = 150;
const KEY = "tdm-client-key-of-real-rollouts";
const CANDIDATE_HOST = "other.example.com";
const LABELS = {
  "app.kubernetes.io/name": "tandem",
  "app.kubernetes.io/instance": RELEASE,
  "app.kubernetes.io/component": "proxy",
};
const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

/** As `simulators/README.md` has it. */
export interface PlannedFault {
  readonly fault: string;
  readonly probability?: number;
}

export interface Case {
  readonly steps: readonly object[];
  readonly analysis: object;
  /** Of the candidate. */
  readonly faults?: readonly PlannedFault[];
  /** Of both sides. */
  readonly noise?: readonly PlannedFault[];
}

export interface Told {
  readonly outcome: Memory["outcome"];
  readonly message: string;
  readonly requests: number;
  /** Requests that the candidate was to answer, whoever answered then. */
  readonly met: number;
  /** How many were not answered with 200. */
  readonly failed: number;
  /** Answers of copies that were looked at. */
  readonly copies: number;
  readonly seconds: number;
}

/** Runs until the rollout has an outcome. */
export async function roll(t: TestContext, stage: Stage, it: Case): Promise<Told> {
  const simulators = await startSimulators({
    options: { keys: "any", counting: "estimate", latency: { firstTokenMs: FIRST_TOKEN_MS, perTokenMs: 0 } },
  });
  t.after(() => simulators.close());
  const proxies = await startProxies(stage, simulators.openai.url);
  t.after(() => Promise.all(proxies.map(end)));
  await stage.startOperator();
  await putObjects(stage);
  const { openai } = simulators;
  let seed = 1;
  for (const fault of it.faults ?? []) openai.fault({ match: { host: CANDIDATE_HOST }, seed: seed++, ...fault });
  for (const fault of it.noise ?? []) openai.fault({ match: {}, seed: seed++, ...fault });
  const traffic = new Traffic(proxies.map(({ url }) => url));
  t.after(() => traffic.stop());
  const begun = performance.now();
  const rollout = {
    stable: "openai",
    candidate: "other",
    steps: it.steps,
    shadow: { tools: "Allow" },
    analysis: it.analysis,
  };
  await stage.put(route("gpt-4o", { openai: 1, other: 1 }, { rollout }));
  const memory = await ended(stage, traffic);
  const seconds = (performance.now() - begun) / 1_000;
  await traffic.stop();
  const { live, copies } = await measuredBy(stage, proxies);
  const { outcome, message } = memory;
  return { outcome, message, requests: traffic.requests, met: live, failed: traffic.failed, copies, seconds };
}

/** For the diagnostics of a test. */
export function describeRoll({ outcome, message, requests, met, failed, copies, seconds }: Told): string {
  const share = ((100 * met) / requests).toFixed(2);
  return `${outcome} after ${seconds.toFixed(0)} s: ${requests} requests, ${failed} failed, ${met} (${share} %) met the candidate, ${copies} copies. ${message}`;
}

interface Proxy extends Started {
  readonly url: string;
  readonly adminUrl: string;
}

async function startProxies(stage: Stage, providerUrl: string): Promise<Proxy[]> {
  const token = await new StandInOperator(stage.server, stage.home, RELEASE).proxyToken();
  const kubeconfig = join(await temporaryFolder(), "kubeconfig");
  await writeFile(kubeconfig, stage.server.kubeconfig(token));
  return Promise.all(Array.from({ length: PROXIES }, (_, n) => startProxy(stage, kubeconfig, providerUrl, n)));
}

async function startProxy(stage: Stage, kubeconfig: string, providerUrl: string, n: number): Promise<Proxy> {
  const address = `127.0.2.${n + 2}`;
  const started = start([
    ...["proxy", "--release", RELEASE, "--namespace", stage.home, "--kubeconfig", kubeconfig],
    ...["--listen", "127.0.0.1:0", "--admin", `${address}:0`, "--dev"],
    ...["--connect-to", `api.openai.com=${providerUrl}`, "--connect-to", `${CANDIDATE_HOST}=${providerUrl}`],
  ]);
  const [, url = "", adminUrl = ""] = await started.says(/"listen":"([^"]+)","admin":"([^"]+)"/);
  const name = `proxy-${n}`;
  const ports = [{ name: "admin", containerPort: Number(new URL(adminUrl).port) }];
  const spec = { containers: [{ name: "proxy", image: "tandem", ports }] };
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, labels: LABELS }, spec };
  await post(stage.server, stage.ownPath("pods"), pod);
  const conditions = [{ type: "Ready", status: "True" }];
  const status = { phase: "Running", podIP: address, podIPs: [{ ip: address }], conditions };
  const path = `${stage.ownPath("pods", name)}/status`;
  const answer = await stage.server.call("PATCH", path, { status }, { contentType: "application/merge-patch+json" });
  assert.equal(answer.status, 200);
  return { ...started, url, adminUrl };
}

async function end({ child, ended: gone }: Proxy): Promise<void> {
  child.kill("SIGKILL");
  await gone;
}

async function putObjects(stage: Stage): Promise<void> {
  await stage.putSecret("openai", { "api-key": "sk-of-stable" });
  await stage.putSecret("other", { "api-key": "sk-of-the-candidate" });
  await stage.putSecret("client", { key: KEY });
  await stage.put(provider("openai"));
  await stage.put(provider("other", { endpoint: `https://${CANDIDATE_HOST}/v1` }));
  const keys = [{ name: "one", secretRef: { name: "client", key: "key" } }];
  await stage.put({ kind: "AIClient", metadata: { name: "app" }, spec: { keys } });
  await stage.put(route("gpt-4o", { openai: 1, other: 0 }));
  await stage.until("AIRoute", "gpt-4o", "Programmed", "True", IN_TIME);
}

async function ended(stage: Stage, traffic: Traffic): Promise<Memory> {
  let memory: Memory | undefined;
  await waitFor("the rollout's end", DECIDED_WITHIN, async () => {
    memory = ((await stage.get("AIRoute", "gpt-4o")) as { status?: { rollout?: Memory } }).status?.rollout;
    return memory?.outcome !== undefined;
  }).catch((error: Error) => {
    throw new Error(`${error.message}; it is ${JSON.stringify(memory)} after ${traffic.requests} requests`);
  });
  return memory as Memory;
}

interface Measured {
  readonly backend: string;
  readonly arm: "live" | "shadow";
  readonly requests: number;
}

/** What the candidate was asked, live and by copies, as the proxies counted it. */
async function measuredBy(stage: Stage, proxies: readonly Proxy[]): Promise<{ live: number; copies: number }> {
  const companion = await stage.companion();
  const token = Buffer.from(companion?.data?.["admin-token"] ?? "", "base64").toString();
  const rows = await Promise.all(
    proxies.map(async ({ adminUrl }) => {
      const response = await fetch(`${adminUrl}/status/summary`, { headers: { authorization: `Bearer ${token}` } });
      assert.equal(response.status, 200);
      return ((await response.json()) as { measures: Measured[] }).measures;
    }),
  );
  const sum = (arm: Measured["arm"]) =>
    rows
      .flat()
      .filter((row) => row.backend === "other" && row.arm === arm)
      .reduce((all, { requests }) => all + requests, 0);
  return { live: sum("live"), copies: sum("shadow") };
}

/** Chats, every second one with a tool, to all proxies in turn, at a pace that does not wait for answers. */
class Traffic {
  requests = 0;
  failed = 0;
  readonly #urls: readonly string[];
  readonly #timer: NodeJS.Timeout;
  readonly #running = new Set<Promise<void>>();
  readonly #begun = performance.now();
  #due = 0;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
    this.#timer = setInterval(() => this.#catchUp(), 1_000 / REQUESTS_PER_SECOND);
  }

  /** Resolves when all have been answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#running);
  }

  #catchUp(): void {
    const due = ((performance.now() - this.#begun) * REQUESTS_PER_SECOND) / 1_000;
    for (; this.#due < due; this.#due++) {
      if (this.#running.size >= MOST_IN_FLIGHT) continue;
      const asking = this.#ask(this.requests++).finally(() => this.#running.delete(asking));
      this.#running.add(asking);
    }
  }

  async #ask(n: number): Promise<void> {
    const isTool = n % 2 === 0;
    const tools = isTool ? { tools: [WEATHER], tool_choice: "required" } : {};
    const messages = [{ role: "user", content: `How is it in city ${n}?` }];
    const response = await fetch(`${this.#urls[n % this.#urls.length]}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o", messages, ...tools }),
    }).catch(() => undefined);
    await response?.arrayBuffer().catch(() => undefined);
    if (response?.status !== 200) this.failed++;
  }
}
