/**
 * How long does an edit take from `kubectl apply` to the first request that it decides?
 *
 * A real API server, the operator and two proxies as processes, simulated providers. In turn a random route of many gets
 * its weights reversed by a server-side apply, and one of the proxies is asked for its model until the other backend
 * answers. What the operator wrote meanwhile is read from its metrics. A request every few milliseconds shows what a
 * reload costs others.
 *
 *   node bench/propagation.ts [--routes 100,5000] [--edits 60]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { findBinaries } from "../cluster/binaries.ts";
import { CONTROL_PLANE } from "../cluster/programs.ts";
import { startSimulators } from "../simulators/main.ts";
import { type ApiServer, startApiServer } from "../test/control-plane/api-server.ts";
import { installCrds } from "../test/control-plane/tandem-api.ts";

const CLI = resolve(import.meta.dirname, "..", "cli", "bin.js");
const NAMESPACE = "tandem";
const KEY = "tdm-bench-key-0123456789";
const PROXIES = ["127.0.0.2", "127.0.0.3"] as const;
const OPERATOR_ADMIN = "127.0.0.1:19090";
const PARALLEL_CREATES = 16;
const PACE = 250;
const PROBE_INTERVAL = 10;
const POLL_INTERVAL = 5;
const PATIENCE = 10_000;

const { values } = parseArgs({
  options: { routes: { type: "string", default: "100,5000" }, edits: { type: "string", default: "60" } },
});

function routeObject(i: number, weights: readonly [number, number]) {
  const [a, b] = weights;
  return {
    apiVersion: "tandem.dev/v1alpha1",
    kind: "AIRoute",
    metadata: { name: `route-${i}`, namespace: "ai" },
    spec: {
      models: [`model-${i}`],
      backends: [
        { name: "openai", providerRef: { name: "openai" }, model: "gpt-4o", weight: a },
        { name: "azure", providerRef: { name: "azure" }, model: "gpt-4o", weight: b },
      ],
    },
  };
}

const PROVIDERS = [
  {
    apiVersion: "tandem.dev/v1alpha1",
    kind: "AIProvider",
    metadata: { name: "openai", namespace: "ai" },
    spec: {
      type: "OpenAI",
      auth: { apiKey: { secretRef: { name: "openai", key: "key" } } },
      models: [{ name: "gpt-4o" }],
    },
  },
  {
    apiVersion: "tandem.dev/v1alpha1",
    kind: "AIProvider",
    metadata: { name: "azure", namespace: "ai" },
    spec: {
      type: "AzureOpenAI",
      endpoint: "https://contoso-sweden.openai.azure.com",
      auth: { apiKey: { secretRef: { name: "azure", key: "key" } } },
      models: [{ name: "gpt-4o", deployment: "gpt-4o-prod" }],
    },
  },
  {
    apiVersion: "tandem.dev/v1alpha1",
    kind: "AIClient",
    metadata: { name: "bench", namespace: "ai" },
    spec: { keys: [{ name: "current", secretRef: { name: "client", key: "key" } }] },
  },
];

async function create(server: ApiServer, plural: string, object: object): Promise<void> {
  const path = `/apis/tandem.dev/v1alpha1/namespaces/ai/${plural}`;
  const { status, body } = await server.call("POST", path, object);
  if (status !== 201) throw new Error(JSON.stringify(body));
}

async function prepare(server: ApiServer, routes: number): Promise<void> {
  await installCrds(server);
  for (const name of ["ai", NAMESPACE]) {
    await server.call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  for (const [name, key] of Object.entries({ openai: "sk-demo-openai", azure: "demo-azure-key", client: KEY })) {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { key } };
    await server.call("POST", "/api/v1/namespaces/ai/secrets", secret);
  }
  for (const object of PROVIDERS) await create(server, `${object.kind.toLowerCase()}s`, object);
  let next = 0;
  const worker = async () => {
    while (next < routes) await create(server, "airoutes", routeObject(next++, [100, 0]));
  };
  await Promise.all(Array.from({ length: PARALLEL_CREATES }, worker));
  for (const [i, host] of PROXIES.entries()) await createPod(server, `proxy-${i}`, host);
}

/** No kubelet runs here: the pods that the operator asks are the two processes. */
async function createPod(server: ApiServer, name: string, podIP: string): Promise<void> {
  const app = "app.kubernetes.io";
  const labels = { [`${app}/name`]: "tandem", [`${app}/instance`]: "tandem", [`${app}/component`]: "proxy" };
  const spec = { containers: [{ name: "proxy", image: "none", ports: [{ name: "admin", containerPort: 9090 }] }] };
  const pods = `/api/v1/namespaces/${NAMESPACE}/pods`;
  await server.call("POST", pods, { apiVersion: "v1", kind: "Pod", metadata: { name, labels }, spec });
  const status = { phase: "Running", podIP, podIPs: [{ ip: podIP }], conditions: [{ type: "Ready", status: "True" }] };
  await server.call("PATCH", `${pods}/${name}/status`, { status }, { contentType: "application/merge-patch+json" });
}

async function chat(host: string, model: string): Promise<string> {
  const response = await fetch(`http://${host}:8080/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }], max_tokens: 1 }),
  });
  await response.arrayBuffer();
  return response.headers.get("x-tandem-backend") ?? String(response.status);
}

async function metric(url: string, pattern: RegExp): Promise<number> {
  const text = await (await fetch(url)).text();
  return Number(pattern.exec(text)?.[1] ?? 0);
}

const writes = (kind: string) =>
  metric(
    `http://${OPERATOR_ADMIN}/metrics`,
    new RegExp(`^tandem_operator_writes_total\\{kind="${kind}"\\} (\\d+)`, "m"),
  );

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `p50 ${percentile(sorted, 0.5).toFixed(0)} ms, p99 ${percentile(sorted, 0.99).toFixed(0)} ms, max ${sorted.at(-1)?.toFixed(0)} ms`;
}

/** The slowest of steady requests to a route that nobody edits, in and outside of reloads. */
class Steady {
  readonly quiet: number[] = [];
  readonly reloading: number[] = [];
  isReloading = false;
  #running = true;

  async run(host: string): Promise<void> {
    while (this.#running) {
      const during = this.isReloading;
      const began = performance.now();
      await fetch(`http://${host}:8080/v1/models/none`, { headers: { authorization: `Bearer ${KEY}` } }).then((r) =>
        r.arrayBuffer(),
      );
      (during || this.isReloading ? this.reloading : this.quiet).push(performance.now() - began);
      await sleep(PROBE_INTERVAL);
    }
  }

  stop(): void {
    this.#running = false;
  }
}

async function measure(routes: number, edits: number): Promise<void> {
  const found = await findBinaries(CONTROL_PLANE);
  if ("missing" in found) throw new Error(found.missing);
  const server = await startApiServer(found.binaries);
  const simulators = await startSimulators();
  const folder = await mkdtemp(join(tmpdir(), "tandem-propagation-"));
  const children: ChildProcess[] = [];
  const run = (args: readonly string[]) => {
    const common = ["--release", "tandem", "--namespace", NAMESPACE, "--kubeconfig", join(folder, "kubeconfig")];
    children.push(spawn(process.execPath, [CLI, ...args, ...common], { stdio: ["ignore", "ignore", "ignore"] }));
  };
  try {
    await writeFile(join(folder, "kubeconfig"), server.kubeconfig());
    await prepare(server, routes);
    const began = performance.now();
    run(["operator", "--admin", OPERATOR_ADMIN]);
    const connectTo = [
      `api.openai.com=${simulators.openaiUrl}`,
      `contoso-sweden.openai.azure.com=${simulators.azureUrl}`,
    ];
    for (const host of PROXIES) {
      run([
        "proxy",
        "--listen",
        `${host}:8080`,
        "--admin",
        `${host}:9090`,
        "--dev",
        ...connectTo.flatMap((to) => ["--connect-to", to]),
      ]);
    }
    await untilSettled(routes);
    const settled = (performance.now() - began) / 1000;
    await report(server, routes, edits, settled);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await simulators.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every route answers, and no status waits. */
async function untilSettled(routes: number): Promise<void> {
  for (;;) {
    await sleep(500);
    const answers = await Promise.all(PROXIES.map((host) => chat(host, `model-${routes - 1}`).catch(() => "")));
    const waiting = await metric(`http://${OPERATOR_ADMIN}/metrics`, /^tandem_operator_statuses_waiting (\d+)/m).catch(
      () => 1,
    );
    const written = await writes("Status").catch(() => 0);
    if (answers.every((answer) => answer === "openai") && waiting === 0 && written >= routes) return;
  }
}

async function report(server: ApiServer, routes: number, edits: number, settled: number): Promise<void> {
  const took: number[] = [];
  const statuses: number[] = [];
  const shards: number[] = [];
  const steady = new Steady();
  const steadyEnd = steady.run(PROXIES[1]);
  const isReversed = new Set<number>();
  for (let edit = 0; edit < edits; edit++) {
    const i = Math.floor(Math.random() * routes);
    const reversed = !isReversed.has(i);
    if (reversed) isReversed.add(i);
    else isReversed.delete(i);
    const [statusesBefore, shardsBefore] = await Promise.all([writes("Status"), writes("Shard")]);
    steady.isReloading = true;
    took.push(await editOne(server, i, reversed ? [0, 100] : [100, 0]));
    await sleep(PACE);
    steady.isReloading = false;
    await sleep(PACE + 500);
    statuses.push((await writes("Status")) - statusesBefore);
    shards.push((await writes("Shard")) - shardsBefore);
  }
  steady.stop();
  await steadyEnd;
  const [sum, count] = await Promise.all(
    ["sum", "count"].map((part) =>
      metric(`http://${PROXIES[0]}:9090/metrics`, new RegExp(`^tandem_config_propagation_seconds_${part} (\\S+)`, "m")),
    ),
  );
  process.stdout.write(
    [
      `${routes} routes, ${edits} edits`,
      `  all programmed and every status written ${settled.toFixed(1)} s after the start`,
      `  from the apply to the first request decided by it: ${summary(took)}`,
      `  tandem_config_propagation_seconds: mean ${(((sum ?? 0) / (count ?? 1)) * 1000).toFixed(0)} ms of ${count}`,
      `  DEBUG ${took.map((x) => x.toFixed(0)).join(",")} ${statuses.join(",")}`,
      `  written per edit, at most: ${Math.max(...statuses)} statuses, ${Math.max(...shards)} shards`,
      `  steady requests during reloads: ${summary(steady.reloading)}; outside: ${summary(steady.quiet)}`,
      "",
    ].join("\n"),
  );
}

/** Milliseconds from the begin of the apply. */
async function editOne(server: ApiServer, i: number, weights: readonly [number, number]): Promise<number> {
  const wanted = weights[0] > 0 ? "openai" : "azure";
  const path = `/apis/tandem.dev/v1alpha1/namespaces/ai/airoutes/route-${i}?fieldManager=kubectl&force=true`;
  const began = performance.now();
  const applied = server.call("PATCH", path, routeObject(i, weights), { contentType: "application/apply-patch+yaml" });
  for (;;) {
    if ((await chat(PROXIES[0], `model-${i}`)) === wanted) break;
    // A loop without a pause would take the processor from those that it measures.
    await sleep(POLL_INTERVAL);
    if (performance.now() - began > PATIENCE) throw new Error(`route-${i} is not at ${wanted} after ${PATIENCE} ms`);
  }
  const took = performance.now() - began;
  await applied;
  return took;
}

for (const routes of values.routes.split(",").map(Number)) await measure(routes, Number(values.edits));
