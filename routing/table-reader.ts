/**
 * How does a proxy read one published table after another without stopping for it?
 *
 * Shards are content-addressed: one that was read and checked for an earlier table is taken as it is, so an edit of one
 * route among thousands costs one shard. All work is done in small pieces with a `yield` between them; who drives the
 * generator decides when to go on. Objects that did not change stay the same objects from table to table.
 */
import { byCodeUnit, sha256Hex } from "./canonical.ts";
import { PIECE, type Pieces } from "./pieces.ts";
import { type Published, parseObject, readIndex, type ShardRef, TableError } from "./published.ts";
import { type Client, type Provider, type Route, type RoutingTable, SCHEMA_VERSION } from "./table.ts";
import { shardFault } from "./table-shape.ts";

/** One object may be larger than a shard's target, never than a ConfigMap. Bytes. */
const SHARD_MAX_BYTES = 1024 * 1024;
/** One shard, checked; every list sorted by key. */
interface Shard {
  readonly providers: readonly Provider[];
  readonly routes: readonly Route[];
  readonly clients: readonly Client[];
}

export class TableReader {
  /** By checksum: those of the table that was read last, and of ones that were begun since. */
  readonly #shards = new Map<string, Shard>();

  /** Names of the shards that this index needs and that are not known yet. Throws a `TableError`. */
  missing(index: string): string[] {
    return readIndex(index)
      .refs.filter(({ sha256 }) => !this.#shards.has(sha256))
      .map(({ name }) => name);
  }

  /**
   * The table behind a published index; shards that are not `missing` need not be there. Throws a `TableError`; never
   * gives half a table.
   */
  *read(published: Published): Pieces<RoutingTable> {
    const { refs, hash } = readIndex(published.index);
    if (published.hash !== hash) {
      throw new TableError("invalid_index", `The index is of table ${hash}, not of ${published.hash}.`);
    }
    const shards: Shard[] = [];
    for (const ref of refs) {
      const known = this.#shards.get(ref.sha256);
      const shard = known ?? readShard(ref, published.shards);
      shards.push(shard);
      this.#shards.set(ref.sha256, shard);
      if (!known) yield;
    }
    const table = yield* assemble(shards);
    const used = new Set(refs.map(({ sha256 }) => sha256));
    for (const sha256 of this.#shards.keys()) if (!used.has(sha256)) this.#shards.delete(sha256);
    return table;
  }
}

function readShard(ref: ShardRef, shards: Published["shards"]): Shard {
  const text = Object.hasOwn(shards, ref.name) ? shards[ref.name] : undefined;
  if (typeof text !== "string") {
    throw new TableError("missing_shard", `Shard ${ref.name} is named in the index and not there.`);
  }
  if (sha256Hex(text) !== ref.sha256) {
    throw new TableError("damaged_shard", `Shard ${ref.name} does not have the checksum that the index names.`);
  }
  const content = parseObject(text, SHARD_MAX_BYTES, "invalid_table", `Shard ${ref.name}`);
  const fault = shardFault(content, ref.name);
  if (fault !== undefined) throw new TableError("invalid_table", `The table is malformed: ${fault}.`);
  const { providers, routes, clients } = content as Shard;
  return { providers: sorted(providers), routes: sorted(routes), clients: sorted(clients) };
}

function* assemble(shards: readonly Shard[]): Pieces<RoutingTable> {
  const providers = yield* merge(shards.map((shard) => shard.providers));
  const routes = yield* merge(shards.map((shard) => shard.routes));
  const clients = yield* merge(shards.map((shard) => shard.clients));
  return { schemaVersion: SCHEMA_VERSION, providers: yield* recordOf(providers), routes, clients };
}

interface Keyed {
  readonly key: string;
}

/** As the encoder writes them they are sorted, and sorting what is sorted is one pass. */
function sorted<T extends Keyed>(list: readonly T[]): readonly T[] {
  return list.toSorted((a, b) => byCodeUnit(a.key, b.key));
}

/** One sorted list of many: two at a time, until one is left. */
function* merge<T extends Keyed>(lists: readonly (readonly T[])[]): Pieces<readonly T[]> {
  let left = lists.filter((list) => list.length > 0);
  if (left.length === 1) noneTwice(left[0] as readonly T[]);
  while (left.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let i = 0; i < left.length; i += 2) {
      merged.push(yield* mergeTwo(left[i] as readonly T[], left[i + 1] ?? []));
    }
    left = merged;
  }
  return left[0] ?? [];
}

function noneTwice(list: readonly Keyed[]): void {
  for (const [i, { key }] of list.entries()) if (list[i + 1]?.key === key) throw twice(key);
}

function* mergeTwo<T extends Keyed>(a: readonly T[], b: readonly T[]): Pieces<readonly T[]> {
  const merged: T[] = [];
  let before: string | undefined;
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [first, second] = [a[i], b[j]];
    const fromA = second === undefined || (first !== undefined && first.key <= second.key);
    const next = (fromA ? first : second) as T;
    if (fromA) i++;
    else j++;
    if (next.key === before) throw twice(next.key);
    before = next.key;
    merged.push(next);
    if (merged.length % PIECE === 0) yield;
  }
  return merged;
}

function twice(key: string): TableError {
  return new TableError("invalid_table", `The table holds ${key} twice.`);
}

function* recordOf(providers: readonly Provider[]): Pieces<RoutingTable["providers"]> {
  const record: Record<string, Provider> = {};
  for (const [i, provider] of providers.entries()) {
    // Not by assignment: the key may be anything, `__proto__` included.
    Object.defineProperty(record, provider.key, {
      value: provider,
      enumerable: true,
      configurable: true,
      writable: true,
    });
    if (i % PIECE === PIECE - 1) yield;
  }
  return record;
}
