/**
 * Which tables stand in the ConfigMaps: the one in force, and those that were before it?
 */
import { decodeTable, indexOf, type Published, TableError } from "./codec.ts";
import type { RoutingTable } from "./table.ts";

/** Of the ConfigMap that names the table in force: its data, as far as it is there. */
export interface StoredIndex {
  /** As the codec writes it. */
  readonly index?: string;
  readonly "changed-at"?: string;
  /** JSON: a list of `TableInHistory`, the newest first. */
  readonly history?: string;
}

export interface TableInHistory {
  readonly hash: string;
  /** ISO 8601: when the change was seen that led to it. */
  readonly at?: string | undefined;
  /** By the codec's names. */
  readonly shards: readonly string[];
}

export interface StoredTable {
  readonly published: Published;
  readonly table: RoutingTable;
}

export class StoredTables {
  readonly #index: StoredIndex | undefined;
  readonly #shard: (name: string) => string | undefined;

  /** `shard` gives the text of a shard by the codec's name of it. */
  constructor(index: StoredIndex | undefined, shard: (name: string) => string | undefined) {
    this.#index = index;
    this.#shard = shard;
  }

  /** The table that the index names; undefined when it names none. */
  get inForce(): TableInHistory | undefined {
    try {
      const { hash, shards } = JSON.parse(this.#index?.index ?? "") as { hash: string; shards: { name: string }[] };
      return { hash, at: this.#index?.["changed-at"], shards: shards.map(({ name }) => name) };
    } catch {
      return undefined;
    }
  }

  /** The newest first, the one in force before all. */
  list(): readonly TableInHistory[] {
    const { inForce } = this;
    return inForce === undefined ? [] : [inForce, ...readHistory(this.#index)];
  }

  /** The table in force; undefined when it cannot be used. */
  current(): StoredTable | undefined {
    const { inForce } = this;
    return inForce && this.#decoded(inForce, () => this.#index?.index ?? "");
  }

  /** One of the list; undefined when it cannot be used. */
  read(table: TableInHistory): StoredTable | undefined {
    return this.#decoded(table, (shards) => indexOf(table.hash, shards));
  }

  #decoded(
    { hash, shards }: TableInHistory,
    index: (shards: readonly (readonly [string, string])[]) => string,
  ): StoredTable | undefined {
    const texts = shards.flatMap((name) => {
      const text = this.#shard(name);
      return text === undefined ? [] : [[name, text] as const];
    });
    const published = { index: index(texts), hash, shards: Object.fromEntries(texts) };
    try {
      return { published, table: decodeTable(published) };
    } catch (error) {
      if (error instanceof TableError) return undefined;
      throw error;
    }
  }
}

/** Empty when it is absent or unreadable. */
function readHistory(index: StoredIndex | undefined): readonly TableInHistory[] {
  try {
    const history = JSON.parse(index?.history ?? "[]") as unknown;
    return Array.isArray(history) ? history.filter(isTable) : [];
  } catch {
    return [];
  }
}

function isTable(value: unknown): value is TableInHistory {
  const { hash, at, shards } = (value ?? {}) as { hash?: unknown; at?: unknown; shards?: unknown };
  const isNamed = typeof hash === "string" && (at === undefined || typeof at === "string");
  return isNamed && Array.isArray(shards) && shards.every((name) => typeof name === "string");
}
