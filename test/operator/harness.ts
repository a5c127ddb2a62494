/**
 * How do tests run the real operator?
 *
 * As a process with a service account's token, before a real API server and a network that can be made bad. Proxies are
 * played by `played-proxy.ts`. Each stage has namespaces of its own, so that many share one API server.
 */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Started, start, temporaryFolder, waitFor } from "../cli/tandem.ts";
import type { ApiServer } from "../control-plane/api-server.ts";
import { pathOf } from "../control-plane/tandem-api.ts";
import { type FaultyApi, type SeenRequest, startFaultyApi } from "../kube/faulty-api.ts";
import { ownRules, WATCHED_RULES } from "./rights.ts";

export const RELEASE = "tandem";
/** Milliseconds for what the operator does at once. */
export const SOON = 6_000;

export interface Stored {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
  readonly status?: {
    readonly conditions?: readonly StoredCondition[];
    readonly proxies?: { readonly serving: number; readonly programmed: number };
  };
}

export interface StoredCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

export interface ToldEvent {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
  readonly regarding: { readonly kind: string; readonly name: string };
}

export interface Replica extends Started {
  readonly adminUrl: string;
  /** By name and labels, as they are printed. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

interface Place {
  readonly home: string;
  readonly namespace: string;
}

/** One release and the namespace of its objects. */
export class Stage {
  readonly server: ApiServer;
  readonly network: FaultyApi;
  /** Of the release. */
  readonly home: string;
  /** Of Tandem's objects. */
  readonly namespace: string;
  readonly #flags: readonly string[];
  readonly #replicas: Replica[] = [];

  private constructor(server: ApiServer, network: FaultyApi, place: Place, flags: readonly string[]) {
    this.server = server;
    this.network = network;
    this.home = place.home;
    this.namespace = place.namespace;
    this.#flags = flags;
  }

  /** `everywhere`: with a ClusterRole and for all namespaces. */
  static async set(server: ApiServer, name: string, { everywhere = false } = {}): Promise<Stage> {
    const home = everywhere ? "tandem-system" : `tandem-${name}`;
    const namespace = everywhere ? "ai" : `ai-${name}`;
    await post(server, "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: home } });
    await post(server, "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    await grant(server, home, everywhere ? undefined : namespace);
    const network = await startFaultyApi(server);
    const kubeconfig = join(await temporaryFolder(), "kubeconfig");
    await writeFile(kubeconfig, network.kubeconfig(await tokenOf(server, home)));
    const watched = everywhere ? [] : ["--watch-namespaces", namespace];
    return new Stage(server, network, { home, namespace }, ["--kubeconfig", kubeconfig, ...watched]);
  }

  async end(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.kill()));
    await this.network.stop();
  }

  /** Resolves when it watches. The first is waited for until it leads. */
  async startOperator(identity = "operator-0", options: readonly string[] = []): Promise<Replica> {
    const names = ["--release", RELEASE, "--namespace", this.home, "--identity", identity];
    const isFirst = !this.#replicas.some(({ child }) => child.exitCode === null && child.signalCode === null);
    const started = start(["operator", ...names, ...this.#flags, "--admin", "127.0.0.1:0", ...options]);
    const [, adminUrl = ""] = await started.says(/"admin":"(http:[^"]+)"/);
    const replica: Replica = {
      ...started,
      adminUrl,
      metrics: () => metricsOf(adminUrl),
      stop: async () => {
        started.child.kill("SIGTERM");
        return (await started.ended).code;
      },
      kill: async () => {
        started.child.kill("SIGKILL");
        await started.ended;
      },
    };
    this.#replicas.push(replica);
    await started.says(isFirst ? /this replica leads"/ : /all objects are known/);
    return replica;
  }

  async put(object: TandemObject): Promise<Stored> {
    const path = pathOf(object.kind, this.namespace, object.metadata.name);
    return this.#apply(path, { apiVersion: "tandem.dev/v1alpha1", ...object });
  }

  async putSecret(name: string, values: Readonly<Record<string, string>>): Promise<void> {
    const data = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toBase64(value)]));
    const path = `/api/v1/namespaces/${this.namespace}/secrets/${name}`;
    await this.#apply(path, { apiVersion: "v1", kind: "Secret", metadata: { name }, data });
  }

  async #apply(path: string, object: object): Promise<Stored> {
    const query = "fieldManager=test&force=true";
    const answer = await this.server.call("PATCH", `${path}?${query}`, object, {
      contentType: "application/apply-patch+yaml",
    });
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    return answer.body as Stored;
  }

  async remove(path: string): Promise<void> {
    const answer = await this.server.call("DELETE", path);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  }

  removeObject(kind: string, name: string): Promise<void> {
    return this.remove(pathOf(kind, this.namespace, name));
  }

  removeSecret(name: string): Promise<void> {
    return this.remove(`/api/v1/namespaces/${this.namespace}/secrets/${name}`);
  }

  async get(kind: string, name: string): Promise<Stored> {
    return (await this.server.call("GET", pathOf(kind, this.namespace, name))).body as Stored;
  }

  async condition(kind: string, name: string, type: string): Promise<StoredCondition | undefined> {
    const { status } = await this.get(kind, name);
    return status?.conditions?.find((one) => one.type === type);
  }

  /** Waits for `True`, or for a reason, in the object's present generation. */
  async until(kind: string, name: string, type: string, wanted: string, within = SOON): Promise<StoredCondition> {
    let seen: StoredCondition | undefined;
    const isThere = async () => {
      const { metadata, status } = await this.get(kind, name);
      seen = status?.conditions?.find((one) => one.type === type);
      return seen?.observedGeneration === metadata.generation && (seen.status === wanted || seen.reason === wanted);
    };
    await waitFor(`${kind} ${name} ${type} ${wanted}`, within, isThere).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(seen)}`);
    });
    return seen as StoredCondition;
  }

  async events(): Promise<readonly ToldEvent[]> {
    const { body } = await this.server.call("GET", `/apis/events.k8s.io/v1/namespaces/${this.namespace}/events`);
    return (body as { items: ToldEvent[] }).items;
  }

  async untilEvent(reason: string, name: string): Promise<ToldEvent> {
    let event: ToldEvent | undefined;
    await waitFor(`an event ${reason} about ${name}`, SOON, async () => {
      event = (await this.events()).find((one) => one.reason === reason && one.regarding.name === name);
      return event !== undefined;
    });
    return event as ToldEvent;
  }

  ownPath(plural: "configmaps" | "secrets" | "pods", name = ""): string {
    return `/api/v1/namespaces/${this.home}/${plural}${name === "" ? "" : `/${name}`}`;
  }

  /** Undefined while there is none. */
  async index(): Promise<Stored | undefined> {
    const answer = await this.server.call("GET", this.ownPath("configmaps", `${RELEASE}-table`));
    return answer.status === 200 ? (answer.body as Stored) : undefined;
  }

  async hash(): Promise<string> {
    const { data } = (await this.index()) ?? {};
    return (JSON.parse(data?.index ?? "{}") as { hash?: string }).hash ?? "";
  }

  /** The names of the table's shards as objects. */
  async shardNames(): Promise<string[]> {
    const { data } = (await this.index()) ?? {};
    const { shards = [] } = JSON.parse(data?.index ?? "{}") as { shards?: { name: string }[] };
    return shards.map(({ name }) => name.replace("tandem-table-", `${RELEASE}-shard-`)).sort();
  }

  async storedShards(): Promise<Stored[]> {
    const path = `${this.ownPath("configmaps")}?labelSelector=tandem.dev/shard`;
    return ((await this.server.call("GET", path)).body as { items: Stored[] }).items;
  }

  async companion(): Promise<Stored | undefined> {
    const answer = await this.server.call("GET", this.ownPath("secrets", `${RELEASE}-companion`));
    return answer.status === 200 ? (answer.body as Stored) : undefined;
  }

  /** As `kubectl annotate` does: by another manager, and nothing else of the Secret. */
  async annotateCompanion(annotations: Readonly<Record<string, string>>): Promise<void> {
    const name = `${RELEASE}-companion`;
    await this.#apply(this.ownPath("secrets", name), {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name, annotations },
    });
  }

  /** The values of the credentials in the companion Secret. */
  async credentials(): Promise<string[]> {
    const data = Object.entries((await this.companion())?.data ?? {});
    const credentials = data.filter(([key]) => key.startsWith("credential."));
    return credentials.map(([, value]) => Buffer.from(value, "base64").toString("utf8")).sort();
  }

  async lease(): Promise<{ holderIdentity?: string; leaseTransitions?: number }> {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${this.home}/leases/${RELEASE}-operator`;
    return ((await this.server.call("GET", path)).body as { spec?: object }).spec ?? {};
  }

  /** Waits until the operator has written nothing for so many milliseconds, its Lease apart. */
  async quiet(ms = 800): Promise<void> {
    const lastWrite = () => this.network.requests.findLast(isWrite)?.at ?? 0;
    await waitFor(`quiet for ${ms} ms`, 30_000, async () => performance.now() - lastWrite() > ms);
  }

  /** What the operator writes while something is done and until it is quiet again, its Lease apart. */
  async writesOf(action: () => Promise<unknown>): Promise<string[]> {
    await this.quiet();
    const from = this.network.requests.length;
    await action();
    await sleep(1_000);
    await this.quiet();
    return this.network.requests
      .slice(from)
      .filter(isWrite)
      .filter(({ path }) => !path.endsWith("/events"))
      .map(({ method, path }) => `${method} ${path.replace(/^.*\/namespaces\/[^/]+\//, "")}`);
  }
}

export function isWrite({ kind, path }: SeenRequest): boolean {
  return kind === "write" && !path.includes("/leases");
}

interface TandemObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: object;
}

export function provider(name: string, spec: object = {}): TandemObject {
  const auth = { apiKey: { secretRef: { name, key: "api-key" } } };
  const models = ["gpt-4o", "gpt-4o-mini", "gpt-4.1"].map((model) => ({ name: model }));
  return { kind: "AIProvider", metadata: { name }, spec: { type: "OpenAI", auth, models, ...spec } };
}

/** `{openai: 90, other: 10}`: the backends are called as their providers. */
export function route(name: string, weights: Readonly<Record<string, number>>, spec: object = {}): TandemObject {
  const backends = Object.entries(weights).map(([key, weight]) => ({ name: key, providerRef: { name: key }, weight }));
  return { kind: "AIRoute", metadata: { name }, spec: { models: [name], backends, ...spec } };
}

export function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}

export async function post(server: ApiServer, path: string, object: object): Promise<Stored> {
  const answer = await server.call("POST", path, object);
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return answer.body as Stored;
}

const SERVICE_ACCOUNT = "tandem-operator";

async function tokenOf(server: ApiServer, namespace: string): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${SERVICE_ACCOUNT}/token`;
  const request = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3_600 } };
  const { status } = (await post(server, path, request)) as { status?: { token?: string } };
  return status?.token ?? "";
}

/** `watched` undefined: everything. */
async function grant(server: ApiServer, home: string, watched: string | undefined): Promise<void> {
  const api = "rbac.authorization.k8s.io";
  const metadata = { name: SERVICE_ACCOUNT };
  const subjects = [{ kind: "ServiceAccount", name: SERVICE_ACCOUNT, namespace: home }];
  const bind = async (place: string, scope: "" | "Cluster", rules: readonly object[]) => {
    const path = `/apis/${api}/v1${place}`;
    const plural = scope === "" ? "role" : "clusterrole";
    const typed = { apiVersion: `${api}/v1`, metadata };
    const roleRef = { apiGroup: api, kind: `${scope}Role`, name: SERVICE_ACCOUNT };
    await post(server, `${path}/${plural}s`, { ...typed, kind: `${scope}Role`, rules });
    await post(server, `${path}/${plural}bindings`, { ...typed, kind: `${scope}RoleBinding`, subjects, roleRef });
  };
  const accounts = `/api/v1/namespaces/${home}/serviceaccounts`;
  await post(server, accounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  await bind(`/namespaces/${home}`, "", ownRules(RELEASE));
  if (watched === undefined) await bind("", "Cluster", WATCHED_RULES);
  else await bind(`/namespaces/${watched}`, "", WATCHED_RULES);
}

async function metricsOf(adminUrl: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${adminUrl}/metrics`, { headers: { connection: "close" } })).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.replace(/^.* /, ""))]));
}
