/**
 * Which former table shall routes be held at?
 *
 * Writes the annotation that holds a route, or takes it away: what `kubectl annotate` would do, on the routes that changed
 * since then. What it does is said route by route; whether proxies run it is told by the routes' status.
 */
import type { KubeClient } from "../kube/client.ts";
import { listAll } from "../kube/list.ts";
import { type KubeObject, keyOf } from "../kube/objects.ts";
import { describeWeights } from "../routing/describe-weights.ts";
import { FEWEST_DIGITS, findTable, PINNED_TABLE, pinnedTableOf, shortHash } from "../routing/history.ts";
import { routeDifferently } from "../routing/route-protection.ts";
import type { StoredTables, TableInHistory } from "../routing/stored-tables.ts";
import type { Route, RoutingTable } from "../routing/table.ts";
import { clientFor, readTables } from "./cluster.ts";
import { type Command, CommandError, type Given, UsageError } from "./command.ts";
import { kubeconfigAsKubectl } from "./kubeconfig.ts";

export const rollback: Command = {
  name: "rollback",
  summary: "puts the routes of a former table back in force, and holds them there",
  options: [
    { name: "to", value: "HASH", help: "the table, by its hash or the beginning of it (default: the one before)" },
    { name: "release", help: "lets go of routes that are held: their specs are in force again" },
    { name: "list", help: "only shows which tables are kept, and what changed with each" },
    { name: "route", value: "NAME", many: true, help: "only these routes" },
    { name: "namespace", short: "n", value: "NAMESPACE", help: "only routes of this namespace" },
    {
      name: "installed-in",
      value: "NAMESPACE",
      help: "of the release whose tables are meant, where there are several",
    },
    {
      name: "kubeconfig",
      value: "FILE",
      help: "how the API server is reached (default $KUBECONFIG or ~/.kube/config); without a cluster, write the annotation into the manifest",
    },
  ],
  examples: [
    "tandem rollback",
    "tandem rollback --list",
    "tandem rollback --to 3f9a21 --namespace ai --route gpt-4o",
    "tandem rollback --release",
  ],
  run: runRollback,
};

const API = "/apis/tandem.dev/v1alpha1";
const MERGE_PATCH = "application/merge-patch+json";
/** Milliseconds. */
const TIMEOUT = 60_000;

async function runRollback(given: Given): Promise<number> {
  const isRelease = given.isOn("release");
  if (isRelease && given.text("to") !== undefined) throw new UsageError("--to and --release: choose one of the two");
  const client = clientFor(kubeconfigAsKubectl(given));
  try {
    const routes = await chosenRoutes(client, given);
    if (isRelease) return await release(client, routes);
    const tables = await publishedTables(client, given.text("installed-in"));
    return given.isOn("list") ? list(tables, routes) : await hold(client, routes, tables, given.text("to"));
  } finally {
    await client.close();
  }
}

async function publishedTables(client: KubeClient, namespace: string | undefined): Promise<StoredTables> {
  const releases = await readTables(client, AbortSignal.timeout(TIMEOUT));
  if (namespace === undefined && releases.size > 1) {
    throw new UsageError(`--installed-in NAMESPACE is missing: Tandem is in ${[...releases.keys()].join(", ")}`);
  }
  const tables = namespace === undefined ? [...releases.values()][0] : releases.get(namespace);
  if (tables !== undefined) return tables;
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  throw new CommandError(
    `no published table can be read${where}: is the chart installed there, and may you read its ConfigMaps?`,
  );
}

async function chosenRoutes(client: KubeClient, given: Given): Promise<readonly KubeObject[]> {
  const namespace = given.text("namespace");
  const names = new Set(given.list("route"));
  const path = namespace === undefined ? `${API}/airoutes` : `${API}/namespaces/${namespace}/airoutes`;
  const listed = await listAll<KubeObject>(client, path, {}, AbortSignal.timeout(TIMEOUT)).catch((error: Error) => {
    throw new CommandError(`the routes could not be read: ${error.message}`);
  });
  const routes = [...listed.objects.values()].filter(({ metadata }) => names.size === 0 || names.has(metadata.name));
  for (const name of names) {
    if (!routes.some(({ metadata }) => metadata.name === name))
      throw new UsageError(`--route ${name}: there is no such AIRoute`);
  }
  return routes.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

async function hold(
  client: KubeClient,
  routes: readonly KubeObject[],
  tables: StoredTables,
  digits: string | undefined,
): Promise<number> {
  const now = formsIn(tables.current()?.table);
  const [, ...former] = tables.list();
  const chosen = digits === undefined ? lastOther(tables, former, now, routes) : findTable(tables.list(), digits);
  if (chosen === undefined) {
    const known = former.map(({ hash }) => shortHash(hash)).join(", ") || "none";
    throw new CommandError(
      digits === undefined
        ? "no table is kept in which these routes are other ones than now"
        : `--to ${digits}: not the hash of a table that is kept, nor the only one that begins so (at least ${FEWEST_DIGITS} digits); kept are: ${known}`,
    );
  }
  const then = formsIn(tables.read(chosen)?.table);
  const at = `table ${shortHash(chosen.hash)}${chosen.at === undefined ? "" : ` of ${chosen.at}`}`;
  let held = 0;
  for (const route of routes) {
    const form = then.get(keyOf(route));
    if (form === undefined || form.backends.length === 0) {
      say(`AIRoute ${keyOf(route)} did not serve in ${at}: it stays as it is`);
      continue;
    }
    await annotate(client, route, chosen.hash);
    held++;
    say(`AIRoute ${keyOf(route)} is held as in ${at}: ${describeWeights(form.backends, form.strategy)}`);
  }
  if (held > 0) say("It holds through edits and restarts until: tandem rollback --release");
  return held > 0 ? 0 : 1;
}

/** The newest one in which one of the routes is another than now. */
function lastOther(
  tables: StoredTables,
  former: readonly TableInHistory[],
  now: ReadonlyMap<string, Route>,
  routes: readonly KubeObject[],
): TableInHistory | undefined {
  return former.find((one) => {
    const then = formsIn(tables.read(one)?.table);
    return routes.some(
      (route) => then.has(keyOf(route)) && routeDifferently(then.get(keyOf(route)), now.get(keyOf(route))),
    );
  });
}

async function release(client: KubeClient, routes: readonly KubeObject[]): Promise<number> {
  const held = routes.filter((route) => pinnedTableOf(route) !== undefined);
  for (const route of held) {
    await annotate(client, route, null);
    say(`AIRoute ${keyOf(route)} is released: its spec is in force again`);
  }
  if (held.length === 0) say("no route is held");
  return 0;
}

function list(tables: StoredTables, routes: readonly KubeObject[]): number {
  const all = tables.list();
  const forms = all.map((one) => formsIn(tables.read(one)?.table));
  const rows = all.map((one, i) => {
    const before = forms[i + 1];
    const changed = routes.map(keyOf).filter((key) => before && routeDifferently(forms[i]?.get(key), before.get(key)));
    const held = routes.filter((route) => one.hash.startsWith(pinnedTableOf(route) ?? "-")).map(keyOf);
    const what =
      before === undefined ? "the oldest that is kept" : changed.length > 0 ? changed.join(", ") : "no route";
    const notes = [...(i === 0 ? ["in force"] : []), ...(held.length > 0 ? [`held: ${held.join(", ")}`] : [])];
    return [shortHash(one.hash), one.at ?? "", what, notes.join("; ")];
  });
  const header = ["TABLE", "SINCE", "CHANGED", ""];
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  for (const row of [header, ...rows])
    say(
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("   ")
        .trimEnd(),
    );
  return 0;
}

function formsIn(table: RoutingTable | undefined): ReadonlyMap<string, Route> {
  return new Map((table?.routes ?? []).map((route) => [route.key, route]));
}

async function annotate(client: KubeClient, { metadata }: KubeObject, hash: string | null): Promise<void> {
  const path = `${API}/namespaces/${metadata.namespace}/airoutes/${metadata.name}`;
  const body = { metadata: { annotations: { [PINNED_TABLE]: hash } } };
  await client.request("PATCH", path, { body, contentType: MERGE_PATCH }).catch((error: Error) => {
    throw new CommandError(`AIRoute ${metadata.namespace}/${metadata.name} could not be annotated: ${error.message}`);
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
