/** What does one edit among thousands of routes cost, and how soon is it published? */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeTable } from "../../routing/codec.ts";
import type { Route, RoutingTable } from "../../routing/table.ts";
import { waitFor } from "../cli/tandem.ts";
import { pathOf } from "../control-plane/tandem-api.ts";
import { post, provider, type route, type Stage } from "./harness.ts";
import { playProxies, skip, stages } from "./stages.ts";

const ROUTES = 5_000;
/** Of each provider. */
const MODELS = 100;
const EDITS = 30;
const PARALLEL_POSTS = 24;
/** Of one edit. */
const MOST_STATUSES = 3;
/** Milliseconds for the first statuses of all. */
const FIRST_STATUSES = 120_000;
const MANY_MORE_ROUTES = 20_000;
/** A quarter of what a ConfigMap may hold. */
const CONFIG_MAP_BYTES = 256 * 1024;

describe("the operator among thousands of routes", { skip }, () => {
  const { set } = stages();

  test(`one edit among ${ROUTES} routes writes one shard and at most ${MOST_STATUSES} statuses`, async (t) => {
    const stage = await set("many");
    await playProxies(stage, 2);
    await stage.putSecret("openai", { "api-key": "sk-the-first-key-of-openai" });
    await stage.putSecret("other", { "api-key": "sk-the-first-key-of-other" });
    const models = Array.from({ length: MODELS }, (_, n) => ({ name: modelOf(n) }));
    await stage.put(provider("openai", { models }));
    await stage.put(provider("other", { models, endpoint: "https://other.example.com/v1" }));
    const operator = await stage.startOperator();
    await stage.until("AIProvider", "openai", "Ready", "True");

    const began = performance.now();
    await createRoutes(stage);
    const created = performance.now();
    const statuses = async () => (await operator.metrics()).get('tandem_operator_writes_total{kind="Status"}') ?? 0;
    await waitFor("all have a status", FIRST_STATUSES, async () => {
      const waiting = (await operator.metrics()).get("tandem_operator_statuses_waiting");
      return (await statuses()) >= ROUTES && waiting === 0;
    });
    const done = performance.now();
    t.diagnostic(
      `${ROUTES} routes created in ${seconds(created - began)}, all statuses ${seconds(done - created)} later`,
    );
    t.diagnostic(`${await statuses()} status writes for ${ROUTES} routes`);
    await stage.until("AIRoute", nameOf(ROUTES - 1), "Ready", "True", FIRST_STATUSES);
    await stage.quiet(1_500);

    const took: number[] = [];
    for (let edit = 0; edit < EDITS; edit++) {
      const name = nameOf((edit * 977) % ROUTES);
      const before = await stage.hash();
      const from = stage.network.requests.length;
      const asked = performance.now();
      await stage.put(many((edit * 977) % ROUTES, 10 + edit));
      await waitFor("another table", 10_000, async () => (await stage.hash()) !== before);
      took.push(performance.now() - asked);
      await stage.until("AIRoute", name, "Programmed", "True");
      await stage.quiet(400);
      const writes = stage.network.requests
        .slice(from)
        .filter(({ kind, path }) => kind === "write" && !path.includes("/leases"));
      const of = (pattern: RegExp) => writes.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length;
      assert.equal(of(/^PATCH .*-shard-/), 1, "one shard");
      assert.ok(of(/\/status$/) <= MOST_STATUSES, `${of(/\/status$/)} statuses`);
    }
    took.sort((a, b) => a - b);
    const at = (share: number) =>
      `${Math.round(took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0)} ms`;
    t.diagnostic(`from apply to the index: p50 ${at(0.5)}, p99 ${at(0.99)} over ${EDITS} edits`);
    const metrics = await operator.metrics();
    const [sum, count] = ["sum", "count"].map((part) => metrics.get(`tandem_operator_reconcile_seconds_${part}`) ?? 0);
    t.diagnostic(`${count} passes, ${Math.round((Number(sum) / Number(count)) * 1000)} ms each`);
    t.diagnostic(`memory ${Math.round((metrics.get("process_resident_memory_bytes") ?? 0) / 1024 / 1024)} MiB`);
    assert.equal(metrics.get("tandem_operator_reconcile_failures_total"), 0);
  });
});

test(`no ConfigMap comes near its limit at ${MANY_MORE_ROUTES} routes`, (t) => {
  const routes = Array.from({ length: MANY_MORE_ROUTES }, (_, n) => tableRoute(n));
  const { index, shards } = encodeTable(tableOf(routes));
  const largest = Math.max(...Object.values(shards).map((text) => Buffer.byteLength(text)));
  t.diagnostic(`${Object.keys(shards).length} shards of at most ${largest} bytes, an index of ${index.length}`);
  assert.ok(largest < CONFIG_MAP_BYTES, `a shard of ${largest} bytes`);
  // The index's ConfigMap names three tables before it, too.
  const history = JSON.stringify(
    Array.from({ length: 3 }, () => ({ hash: "h".repeat(64), shards: Object.keys(shards) })),
  );
  assert.ok(index.length + history.length < CONFIG_MAP_BYTES, `an index of ${index.length + history.length} bytes`);
});

function nameOf(n: number): string {
  return `route-${String(n).padStart(5, "0")}`;
}

function modelOf(n: number): string {
  return `model-${n}`;
}

/** Every route has a name of its own for its models, and the providers' name for it. */
function many(n: number, weight: number): ReturnType<typeof route> {
  const backend = (key: string, share: number) => {
    return { name: key, providerRef: { name: key }, weight: share, model: modelOf(n % MODELS) };
  };
  const backends = [backend("openai", 100 - weight), backend("other", weight)];
  return { kind: "AIRoute", metadata: { name: nameOf(n) }, spec: { models: [`asked-${n}`], backends } };
}

async function createRoutes(stage: Stage): Promise<void> {
  const rest = Array.from({ length: ROUTES }, (_, n) => n).values();
  const path = pathOf("AIRoute", stage.namespace);
  const work = async () => {
    for (const n of rest) await post(stage.server, path, { apiVersion: "tandem.dev/v1alpha1", ...many(n, 5) });
  };
  await Promise.all(Array.from({ length: PARALLEL_POSTS }, work));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function tableRoute(n: number): Route {
  const backend = { priority: 1, weight: 50, failover: "Allowed" as const };
  return {
    key: `a-team-with-a-long-name/${nameOf(n)}-of-a-long-name`,
    namespace: "a-team-with-a-long-name",
    name: `${nameOf(n)}-of-a-long-name`,
    uid: "01234567-89ab-cdef-0123-456789abcdef",
    generation: 7,
    created: "2026-01-01T00:00:00Z",
    models: [`a-model-with-a-long-name-${n}`, `another-model-with-a-long-name-${n}`],
    strategy: "Weighted",
    backends: ["one", "two", "three"].map((name) => ({ ...backend, name, provider: `ai/${name}`, model: modelOf(n) })),
    sticky: [{ header: "x-session-id" }],
    failover: {
      retrySameProvider: 1,
      fallbackToNext: true,
      maxAttempts: 3,
      maxDuration: 60_000,
      backoff: { base: 100, max: 1_000 },
    },
    allowedClients: "Same",
  };
}

function tableOf(routes: readonly Route[]): RoutingTable {
  return { schemaVersion: 1, providers: {}, routes, clients: [] };
}
