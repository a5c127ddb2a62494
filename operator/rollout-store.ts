/**
 * Where is kept what rollouts remember, beside the routes' statuses?
 *
 * In a few ConfigMaps of the release. A route that was deleted and made anew, or restored without its status, goes on
 * where it was; of routes that are gone the younger are kept, so that nothing grows for ever.
 */
import type { KubeClient } from "../kube/client.ts";
import type { ConfigMap } from "../kube/table-objects.ts";
import { sha256Hex } from "../routing/canonical.ts";
import { type Memory, readMemory } from "../routing/rollout/memory.ts";
import type { ObjectKey } from "../routing/table.ts";
import { applyWhole } from "./apply-whole.ts";
import { inParallel } from "./in-parallel.ts";
import type { OwnObjects } from "./own-objects.ts";
import { ownMeta, type Release } from "./release.ts";

export interface RolloutStoreOptions {
  readonly client: KubeClient;
  readonly release: Release;
  readonly configMaps: OwnObjects<ConfigMap>;
  mayWrite(): void;
  onWrite(kind: "Rollouts"): void;
}

/** Undefined forgets. */
export type Changes = ReadonlyMap<ObjectKey, Memory | undefined>;

const KEY = "rollouts";
const PARALLEL_WRITES = 4;
/** By the first hexadecimal digit of the key's hash: 1 MiB is a ConfigMap's limit. */
const SHARDS = "0123456789abcdef";
/** In each. */
const MOST_GONE = 64;

export class RolloutStore {
  readonly #options: RolloutStoreOptions;

  constructor(options: RolloutStoreOptions) {
    this.#options = options;
  }

  read(): ReadonlyMap<ObjectKey, Memory> {
    return new Map([...SHARDS].flatMap((shard) => [...this.#shard(shard)]));
  }

  /** `exists`: whether there is such a route now. */
  async write(changes: Changes, exists: (key: ObjectKey) => boolean): Promise<void> {
    const shards = new Set([...changes.keys()].map(shardOf));
    await inParallel(PARALLEL_WRITES, [...shards], async (shard) => {
      const memories = new Map(this.#shard(shard));
      for (const [key, memory] of changes) {
        if (shardOf(key) !== shard) continue;
        if (memory === undefined) memories.delete(key);
        else memories.set(key, memory);
      }
      const gone = [...memories]
        .filter(([key]) => !exists(key))
        .sort(([, a], [, b]) => (a.startedAt < b.startedAt ? 1 : -1));
      for (const [key] of gone.slice(MOST_GONE)) memories.delete(key);
      await this.#write(shard, JSON.stringify(Object.fromEntries([...memories].sort())));
    });
  }

  async #write(shard: string, text: string): Promise<void> {
    const { client, release, configMaps, mayWrite, onWrite } = this.#options;
    const metadata = ownMeta(release, this.#name(shard));
    const object: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { [KEY]: text } };
    configMaps.wrote(await applyWhole(client, object, mayWrite));
    onWrite("Rollouts");
  }

  #shard(shard: string): ReadonlyMap<ObjectKey, Memory> {
    const { release, configMaps } = this.#options;
    const text = configMaps.get(`${release.namespace}/${this.#name(shard)}`)?.data?.[KEY];
    try {
      const entries = Object.entries(JSON.parse(text ?? "{}") as Record<string, unknown>);
      return new Map(
        entries.flatMap(([key, value]) => {
          const memory = readMemory(value);
          return memory === undefined ? [] : [[key, memory] as const];
        }),
      );
    } catch {
      return new Map();
    }
  }

  #name(shard: string): string {
    return `${this.#options.release.name}-rollouts-${shard}`;
  }
}

function shardOf(key: ObjectKey): string {
  return sha256Hex(key).slice(0, 1);
}
