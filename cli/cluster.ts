/** What do a cluster's objects make? As the operator would compile them, read once with the caller's own rights. */
import { ApiError, type KubeClient, type Kubeconfig, loadClient } from "../kube/client.ts";
import { listAll } from "../kube/list.ts";
import type { KubeObject } from "../kube/objects.ts";
import { type ConfigMap, SHARD_KEY, SHARD_LABEL } from "../kube/table-objects.ts";
import { type FormerTable, formerTable } from "../routing/history.ts";
import { type NamedKey, namedSecretKeys } from "../routing/named-secrets.ts";
import { Redacted, type SecretFacts, type SecretValues } from "../routing/secrets.ts";
import { StoredTables } from "../routing/stored-tables.ts";
import type { RoutingTable } from "../routing/table.ts";
import { CommandError, UsageError } from "./command.ts";
import { tell } from "./tell.ts";

export interface ClusterObjects {
  readonly objects: readonly KubeObject[];
  readonly secrets: readonly SecretValues[];
  /** Of Secrets that this caller may not read: taken to be there and right. */
  readonly assumed: readonly SecretFacts[];
  /** What is published, where that may be read: it lends broken routes their last accepted form. */
  readonly lastTable: RoutingTable | undefined;
  /** What routes may be held at. */
  readonly history: readonly FormerTable[];
}

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

const API = "/apis/tandem.dev/v1alpha1";
const PLURALS = ["aiproviders", "airoutes", "aiclients"] as const;
const OWN = "app.kubernetes.io/name=tandem,app.kubernetes.io/managed-by=tandem-operator";
/** Milliseconds. */
const TIMEOUT = 60_000;
const FORBIDDEN = 403;
const NOT_FOUND = 404;

/** Throws CommandError when the API server does not answer or refuses the objects. */
export async function readCluster(kubeconfig: Kubeconfig): Promise<ClusterObjects> {
  const client = clientFor(kubeconfig);
  const signal = AbortSignal.timeout(TIMEOUT);
  try {
    const lists = await Promise.all(
      PLURALS.map((plural) => listAll<KubeObject>(client, `${API}/${plural}`, {}, signal)),
    );
    const objects = lists.flatMap((listed) => [...listed.objects.values()]);
    const [secrets, releases] = await Promise.all([readSecrets(client, objects), readTables(client, signal)]);
    const [tables] = releases.values();
    return { objects, ...secrets, lastTable: tables?.current()?.table, history: historyOf(tables) };
  } catch (error) {
    if (error instanceof ApiError && error.status === NOT_FOUND) {
      throw new CommandError("the cluster does not know Tandem's kinds: install the chart, or kubectl apply -f crds/");
    }
    throw new CommandError(`the cluster could not be read: ${(error as Error).message}`);
  } finally {
    await client.close();
  }
}

/** As the pod without a kubeconfig. Throws UsageError when it cannot be used. */
export function clientFor(kubeconfig: Kubeconfig | undefined): KubeClient {
  try {
    return loadClient({ kubeconfig });
  } catch (error) {
    throw new UsageError(`--kubeconfig: ${(error as Error).message}`);
  }
}

async function readSecrets(client: KubeClient, objects: readonly KubeObject[]) {
  const byName = Map.groupBy(objects.flatMap(namedSecretKeys), ({ namespace, name }) => `${namespace}/${name}`);
  const secrets: SecretValues[] = [];
  const assumed: SecretFacts[] = [];
  for (const [key, named] of byName) {
    const [namespace, name] = key.split("/") as [string, string];
    const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
    const secret = await client.request<Secret>("GET", path).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === NOT_FOUND) return undefined;
      if (error.status !== FORBIDDEN) throw error;
      tell(`note: Secret ${key} may not be read with this kubeconfig; it is taken to be there and right`);
      assumed.push(assume(namespace, name, named));
      return undefined;
    });
    if (secret !== undefined) secrets.push({ namespace, name, values: valuesOf(secret) });
  }
  return { secrets, assumed };
}

function valuesOf({ data = {} }: Secret): Record<string, Redacted> {
  const decode = (value: string) => new Redacted(Buffer.from(value, "base64").toString("utf8"));
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decode(value)]));
}

/** Long enough for every warning about short keys. */
const ASSUMED_LENGTH = 64;

function assume(namespace: string, name: string, named: readonly NamedKey[]): SecretFacts {
  const facts = named.map(({ key }) => {
    const version = `unread ${namespace}/${name}/${key}`;
    return [key, { state: "Usable", version, hmac: version, isToken: true, length: ASSUMED_LENGTH }] as const;
  });
  return { namespace, name, keys: Object.fromEntries(facts) };
}

/** By the namespaces of the releases; none where nothing is published, or may not be read. */
export async function readTables(client: KubeClient, signal: AbortSignal): Promise<ReadonlyMap<string, StoredTables>> {
  const query = { labelSelector: OWN };
  const listed = await listAll<ConfigMap>(client, "/api/v1/configmaps", query, signal).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === FORBIDDEN) return undefined;
    throw error;
  });
  const found = [...(listed?.objects.values() ?? [])];
  const indexes = found.filter(({ data }) => data?.index !== undefined);
  return new Map(indexes.map((index) => [index.metadata.namespace ?? "", tablesOf(index, found)]));
}

function tablesOf(index: ConfigMap, found: readonly ConfigMap[]): StoredTables {
  const shards = found.filter(({ metadata }) => {
    return metadata.labels?.[SHARD_LABEL] !== undefined && metadata.namespace === index.metadata.namespace;
  });
  const texts = new Map(
    shards.map(({ metadata, data }) => [metadata.name.replace(/^.*-shard-/, "tandem-table-"), data?.[SHARD_KEY]]),
  );
  return new StoredTables(index.data, (name) => texts.get(name));
}

/** As an operator compiles with: what routes may be held at. */
export function historyOf(tables: StoredTables | undefined): readonly FormerTable[] {
  return (tables?.list() ?? []).map((one) => formerTable(one, () => tables?.read(one)?.table.routes ?? []));
}
