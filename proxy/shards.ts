/** How does a proxy get the shards that it lacks? They never change, so one that came need not come again. */
import { ApiError, type KubeClient } from "../kube/client.ts";
import { type ConfigMap, SHARD_KEY, shardObjectName } from "../kube/table-objects.ts";
import type { Release } from "./published-objects.ts";

/** At a time: enough that 5,000 new routes come in a second, few enough for an API server that many proxies ask. */
const PARALLEL = 8;
const NOT_FOUND = 404;

export class Shards {
  readonly #client: KubeClient;
  readonly #release: Release;
  readonly #texts = new Map<string, string>();

  constructor(client: KubeClient, release: Release) {
    this.#client = client;
    this.#release = release;
  }

  /** By their names; not here is one that the API server does not have either. Rejects when it cannot be asked. */
  async fetch(names: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const wanted = new Set(names);
    for (const name of this.#texts.keys()) if (!wanted.has(name)) this.#texts.delete(name);
    const left = names.filter((name) => !this.#texts.has(name)).values();
    let isFailed = false;
    const work = async () => {
      for (const name of left) {
        if (isFailed) return;
        const text = await this.#get(name).catch((error: unknown) => {
          isFailed = true;
          throw error;
        });
        if (text !== undefined) this.#texts.set(name, text);
      }
    };
    // All of them: nothing of this fetch may still be under way when the next one begins.
    const ends = await Promise.allSettled(Array.from({ length: PARALLEL }, work));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return Object.fromEntries(this.#texts);
  }

  /** They were taken over, or one of them is not what it should be. */
  forget(): void {
    this.#texts.clear();
  }

  async #get(name: string): Promise<string | undefined> {
    const { name: release, namespace } = this.#release;
    const path = `/api/v1/namespaces/${namespace}/configmaps/${shardObjectName(release, name)}`;
    try {
      return (await this.#client.request<ConfigMap>("GET", path)).data?.[SHARD_KEY];
    } catch (error) {
      if (error instanceof ApiError && error.status === NOT_FOUND) return undefined;
      throw error;
    }
  }
}
