/**
 * Which tables stand in the ConfigMaps: the one in force, and those that were before it?
 */
import { decodeTable, indexOf, type Published, TableError } from "../routing/codec.ts";
import type { RoutingTable } from "../routing/table.ts";
import { type IndexData, readHistory, type TableInHistory } from "./table-objects.ts";

export interface StoredTable {
  readonly published: Published;
  readonly table: RoutingTable;
}

export class StoredTables {
  readonly #index: Partial<IndexData> | undefined;
  readonly #shard: (name: string) => string | undefined;

  /** `shard` gives the text of a shard by the codec's name of it. */
  constructor(index: Partial<IndexData> | undefined, shard: (name: string) => string | undefined) {
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
