/**
 * Where is kept what rollouts remember, beside the routes' statuses?
 *
 * In a few ConfigMaps of the release. A route that was deleted and made anew, or restored without its status, goes on
 * where it was; of routes that are gone the younger are kept, so that nothing grows for ever.
 */
import type { KubeClient } from "../kube/client.ts";
import type { ConfigMap } from "../kube/table-objects.ts";
import { sha256Hex } from "../routing/canonical.ts";
import { validSpec } from "../routing/compile/validate.ts";
import type { AIRouteSpec } from "../routing/objects.generated.ts";
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

export interface Remembered {
  readonly memory: Memory;
  /** As it was written and valid last: for a restart while it is broken. */
  readonly spec: WrittenRollout | undefined;
}

export type WrittenRollout = NonNullable<AIRouteSpec["rollout"]>;

/** Undefined forgets. */
export type Changes = ReadonlyMap<ObjectKey, Remembered | undefined>;

const KEY = "rollouts";
const SPECS_KEY = "specs";
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

  read(): ReadonlyMap<ObjectKey, Remembered> {
    return new Map([...SHARDS].flatMap((shard) => [...this.#shard(shard)]));
  }

  /** `exists`: whether there is such a route now. */
  async write(changes: Changes, exists: (key: ObjectKey) => boolean): Promise<void> {
    const shards = new Set([...changes.keys()].map(shardOf));
    await inParallel(PARALLEL_WRITES, [...shards], async (shard) => {
      const memories = new Map(this.#shard(shard));
      for (const [key, remembered] of changes) {
        if (shardOf(key) !== shard) continue;
        if (remembered === undefined) memories.delete(key);
        else memories.set(key, remembered);
      }
      const gone = [...memories]
        .filter(([key]) => !exists(key))
        .sort(([, { memory: a }], [, { memory: b }]) => (a.startedAt < b.startedAt ? 1 : -1));
      for (const [key] of gone.slice(MOST_GONE)) memories.delete(key);
      await this.#write(shard, [...memories].sort());
    });
  }

  async #write(shard: string, entries: readonly (readonly [ObjectKey, Remembered])[]): Promise<void> {
    const { client, release, configMaps, mayWrite, onWrite } = this.#options;
    const memories = entries.map(([key, { memory }]) => [key, memory] as const);
    const specs = entries.map(([key, { spec }]) => [key, spec] as const);
    const data = {
      [KEY]: JSON.stringify(Object.fromEntries(memories)),
      [SPECS_KEY]: JSON.stringify(Object.fromEntries(specs)),
    };
    const metadata = ownMeta(release, this.#name(shard));
    const object: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
    configMaps.wrote(await applyWhole(client, object, mayWrite));
    onWrite("Rollouts");
  }

  #shard(shard: string): ReadonlyMap<ObjectKey, Remembered> {
    const { release, configMaps } = this.#options;
    const data = configMaps.get(`${release.namespace}/${this.#name(shard)}`)?.data;
    const specs = entriesIn(data?.[SPECS_KEY]);
    return new Map(
      [...entriesIn(data?.[KEY])].flatMap(([key, value]) => {
        const memory = readMemory(value);
        return memory === undefined ? [] : [[key, { memory, spec: validRollout(key, specs.get(key)) }] as const];
      }),
    );
  }

  #name(shard: string): string {
    return `${this.#options.release.name}-rollouts-${shard}`;
  }
}

function shardOf(key: ObjectKey): string {
  return sha256Hex(key).slice(0, 1);
}

function entriesIn(text: string | undefined): ReadonlyMap<string, unknown> {
  try {
    return new Map(Object.entries(JSON.parse(text ?? "{}") as Record<string, unknown>));
  } catch {
    return new Map();
  }
}

/** Another version of Tandem may have written it: what counts is today's schema, in a route that has nothing else. */
function validRollout(key: ObjectKey, rollout: unknown): WrittenRollout | undefined {
  if (typeof rollout !== "object" || rollout === null) return undefined;
  const { stable, candidate } = rollout as Partial<WrittenRollout>;
  const [namespace = "", name = ""] = key.split("/");
  const backends = [stable, candidate].map((one) => ({ name: one, providerRef: { name: "any" } }));
  const spec = { models: ["any"], backends, rollout };
  const route = { apiVersion: "tandem.dev/v1alpha1", kind: "AIRoute", metadata: { namespace, name }, spec };
  return (validSpec(route) as AIRouteSpec | undefined)?.rollout;
}
