/**
 * How does a table get to the proxies?
 *
 * In an order that is safe at every step: the companion Secret with old and new credentials, the new shards, then the
 * index, which is the switch. What nobody runs any more goes when every proxy has moved on. Nothing is written that
 * stands there already.
 */
import { apply } from "../kube/apply.ts";
import type { KubeClient } from "../kube/client.ts";
import { ApiError } from "../kube/client.ts";
import {
  type ConfigMap,
  companionName,
  type IndexData,
  indexName,
  SHARD_KEY,
  SHARD_LABEL,
  shardObjectName,
} from "../kube/table-objects.ts";
import type { Published } from "../routing/codec.ts";
import { companionData, credentialsIn, type Identity, pepperVersion } from "../routing/companion.ts";
import type { Credentials } from "../routing/secrets.ts";
import { StoredTables, type TableInHistory } from "../routing/stored-tables.ts";
import { applyWhole } from "./apply-whole.ts";
import { inParallel } from "./in-parallel.ts";
import type { SecretObject } from "./named-secrets.ts";
import type { OwnObjects } from "./own-objects.ts";
import { APPLY, ownMeta, type Release } from "./release.ts";

export interface PublisherOptions {
  readonly client: KubeClient;
  readonly release: Release;
  readonly configMaps: OwnObjects<ConfigMap>;
  readonly secrets: OwnObjects<SecretObject>;
  /** Throws when another operator may be writing by now. */
  mayWrite(): void;
  onWrite(kind: "Index" | "Secret" | "Shard" | "ShardDeletion"): void;
}

export interface Publication {
  readonly published: Published;
  readonly identity: Identity;
  /** Of this table alone. */
  readonly credentials: Credentials;
  /** How many proxies serve. */
  readonly proxies: number;
  /** When the change was seen that led to this table. */
  readonly changedAt: Date;
  /** Hashes of the tables at which routes are held. */
  readonly pinned: ReadonlySet<string>;
}

/** What must stay because a proxy may run it. */
export interface InUse {
  readonly shards: ReadonlySet<string>;
  readonly credentials: ReadonlySet<string>;
}

/** Before the one in force, to go back to. Beside them those stay at which a route is held. */
const KEPT_TABLES = 10;
const MOST_PINNED = 10;
const PARALLEL_WRITES = 8;
const NOT_FOUND = 404;
const UNPROCESSABLE = 422;

export class Publisher {
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** What stands there now. */
  tables(): StoredTables {
    return new StoredTables(this.#index(), (name) => this.#shard(name)?.data?.[SHARD_KEY]);
  }

  /** Whether anything had to be written. */
  async publish(publication: Publication): Promise<void> {
    const { published, identity, credentials } = publication;
    await this.#writeSecret(identity, new Map([...credentialsIn(this.#companion()), ...credentials]));
    await inParallel(PARALLEL_WRITES, Object.entries(published.shards), ([name, text]) => this.#writeShard(name, text));
    await this.#writeIndex(publication);
  }

  /** Takes away what is neither in use nor among the last tables. */
  async prune({ published, identity, credentials }: Publication, inUse: InUse): Promise<void> {
    const stored = credentialsIn(this.#companion());
    const needed = new Map(
      [...stored].filter(([version]) => inUse.credentials.has(version) || credentials.has(version)),
    );
    await this.#writeSecret(identity, new Map([...needed, ...credentials]));
    const kept = this.tables()
      .list()
      .flatMap(({ shards }) => shards);
    const keep = new Set(
      [...Object.keys(published.shards), ...kept, ...inUse.shards].map((name) => this.#shardName(name)),
    );
    const stale = this.#options.configMaps.list().filter(({ metadata }) => {
      return metadata.labels?.[SHARD_LABEL] !== undefined && !keep.has(metadata.name);
    });
    await inParallel(PARALLEL_WRITES, stale, ({ metadata }) => this.#delete(metadata.name));
  }

  async #writeSecret(identity: Identity, credentials: Credentials): Promise<void> {
    const { client, release, secrets } = this.#options;
    const data = companionData(identity, credentials);
    if (isSame(this.#companion()?.data, data)) return;
    const metadata = ownMeta(release, companionName(release.name));
    const secret: SecretObject = { apiVersion: "v1", kind: "Secret", metadata, data };
    secrets.wrote(await applyWhole(client, secret, () => this.#options.mayWrite()));
    this.#options.onWrite("Secret");
  }

  async #writeShard(name: string, text: string): Promise<void> {
    const { client, release, configMaps } = this.#options;
    const data = { [SHARD_KEY]: text };
    if (isSame(this.#shard(name)?.data, data)) return;
    const metadata = ownMeta(release, this.#shardName(name), { [SHARD_LABEL]: "true" });
    const shard = { apiVersion: "v1", kind: "ConfigMap", metadata, immutable: true, data };
    const write = () => {
      this.#options.mayWrite();
      return apply<ConfigMap>(client, shard, APPLY);
    };
    configMaps.wrote(
      await write().catch(async (error: unknown) => {
        // Somebody's ConfigMap of this name holds something else and cannot be changed.
        if (!(error instanceof ApiError) || error.status !== UNPROCESSABLE) throw error;
        await this.#delete(metadata.name);
        return write();
      }),
    );
    this.#options.onWrite("Shard");
  }

  async #writeIndex({ published, identity, proxies, changedAt, pinned }: Publication): Promise<void> {
    const { client, release, configMaps } = this.#options;
    const before = this.#index();
    const isSameTable = before?.index === published.index;
    const data: Record<string, string> = {
      index: published.index,
      "changed-at": (isSameTable && before["changed-at"]) || changedAt.toISOString(),
      proxies: String(proxies),
      pepper: pepperVersion(identity.pepper),
      history: JSON.stringify(historyAfter(this.tables(), published.hash, pinned)),
    };
    if (isSame(before, data)) return;
    const known = configMaps.get(`${release.namespace}/${indexName(release.name)}`)?.metadata.resourceVersion;
    // Guarded by the version it was made from: a write that comes late must not replace a newer one.
    const guard = known === undefined ? {} : { resourceVersion: known };
    const metadata = { ...ownMeta(release, indexName(release.name)), ...guard };
    const index: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
    configMaps.wrote(await applyWhole(client, index, () => this.#options.mayWrite()));
    this.#options.onWrite("Index");
  }

  async #delete(name: string): Promise<void> {
    const { client, release, configMaps } = this.#options;
    this.#options.mayWrite();
    await client
      .request("DELETE", `/api/v1/namespaces/${release.namespace}/configmaps/${name}`)
      .catch((error: unknown) => {
        if (!(error instanceof ApiError) || error.status !== NOT_FOUND) throw error;
      });
    configMaps.deleted(`${release.namespace}/${name}`);
    this.#options.onWrite("ShardDeletion");
  }

  #index(): IndexData | undefined {
    const { release, configMaps } = this.#options;
    return configMaps.get(`${release.namespace}/${indexName(release.name)}`)?.data as IndexData | undefined;
  }

  #companion(): SecretObject | undefined {
    const { release, secrets } = this.#options;
    return secrets.get(`${release.namespace}/${companionName(release.name)}`);
  }

  #shard(name: string): ConfigMap | undefined {
    return this.#options.configMaps.get(`${this.#options.release.namespace}/${this.#shardName(name)}`);
  }

  #shardName(name: string): string {
    return shardObjectName(this.#options.release.name, name);
  }
}

/** The last tables, newest first, for going back to. */
function historyAfter(stored: StoredTables, hash: string, pinned: ReadonlySet<string>): readonly TableInHistory[] {
  const former = stored.list().filter((one) => one.hash !== hash);
  const held = former.slice(KEPT_TABLES).filter((one) => pinned.has(one.hash));
  return [...former.slice(0, KEPT_TABLES), ...held.slice(0, MOST_PINNED)];
}

function isSame(one: object | undefined, other: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(one ?? {});
  return entries.length === Object.keys(other).length && entries.every(([key, value]) => other[key] === value);
}
