/**
 * How does a routing table travel from the operator to the proxies?
 *
 * As content-addressed shards and one index that names them with their checksums. Which shard an object stands in is
 * given by a hash of its key: a shard that grows beyond the target is split by the next bit of that hash, so that an
 * edit rewrites the one shard it is in and leaves the others' names alone.
 */
import { byCodeUnit, canonicalJson, sha256Hex } from "./canonical.ts";
import { atOnce } from "./pieces.ts";
import { type Published, type ShardRef, tableHash } from "./published.ts";
import { type Client, type Provider, type Route, type RoutingTable, SCHEMA_VERSION } from "./table.ts";
import { TableReader } from "./table-reader.ts";

export { type Published, TableError, type TableErrorCode } from "./published.ts";

/** A ConfigMap may hold 1 MiB; small shards make small rewrites. Bytes. */
const SHARD_TARGET_BYTES = 64 * 1024;
const SHARD_PREFIX = "tandem-table-";
/** Hex digits of the checksum in a shard's name. */
const NAME_DIGITS = 16;
const HASH_BITS = 32;

type Section = "providers" | "routes" | "clients";

interface Item {
  readonly section: Section;
  readonly key: string;
  readonly text: string;
  readonly hash: number;
}

/** Equal tables give equal bytes. */
export function encodeTable(table: RoutingTable): Published {
  const items = [
    ...Object.values(table.providers).map((provider) => toItem("providers", provider)),
    ...table.routes.map((route) => toItem("routes", route)),
    ...table.clients.map((client) => toItem("clients", client)),
  ].sort((a, b) => byCodeUnit(a.key, b.key));
  const shards: Record<string, string> = {};
  const refs: ShardRef[] = [];
  for (const group of split(items, 0)) {
    const text = shardText(group);
    const sha256 = sha256Hex(text);
    const name = SHARD_PREFIX + sha256.slice(0, NAME_DIGITS);
    shards[name] = text;
    refs.push({ name, sha256 });
  }
  refs.sort((a, b) => byCodeUnit(a.name, b.name));
  const hash = tableHash(refs);
  return { index: canonicalJson({ schemaVersion: SCHEMA_VERSION, hash, shards: refs }), shards, hash };
}

/** The index of a table that was published: by its hash and the shards that it named, by name and text. */
export function indexOf(hash: string, shards: Iterable<readonly [name: string, text: string]>): string {
  const refs = Array.from(shards, ([name, text]): ShardRef => ({ name, sha256: sha256Hex(text) }));
  refs.sort((a, b) => byCodeUnit(a.name, b.name));
  return canonicalJson({ schemaVersion: SCHEMA_VERSION, hash, shards: refs });
}

const encodedBefore = new WeakMap<object, Item>();

/** Once per object: the compiler hands out the same one again where nothing changed, and never changes one. */
function toItem(section: Section, value: Provider | Route | Client): Item {
  const before = encodedBefore.get(value);
  if (before !== undefined) return before;
  const item = itemOf(section, value);
  encodedBefore.set(value, item);
  return item;
}

function itemOf(section: Section, value: Provider | Route | Client): Item {
  const hash = Number.parseInt(sha256Hex(`${section}/${value.key}`).slice(0, HASH_BITS / 4), 16);
  return { section, key: value.key, text: canonicalJson(value), hash };
}

/** Halves a group by bits of the hash, the highest first, until each half fits. */
function split(items: readonly Item[], bit: number): (readonly Item[])[] {
  if (items.length === 0) return [];
  const bytes = items.reduce((sum, item) => sum + Buffer.byteLength(item.text) + 1, 0);
  if (bytes <= SHARD_TARGET_BYTES || items.length === 1 || bit === HASH_BITS) return [items];
  const isHigh = (item: Item) => ((item.hash >>> (HASH_BITS - 1 - bit)) & 1) === 1;
  return [
    ...split(
      items.filter((item) => !isHigh(item)),
      bit + 1,
    ),
    ...split(items.filter(isHigh), bit + 1),
  ];
}

function shardText(items: readonly Item[]): string {
  const section = (name: Section) => {
    const texts = items.filter((item) => item.section === name).map((item) => item.text);
    return `"${name}":[${texts.join(",")}]`;
  };
  return `{${section("clients")},${section("providers")},${section("routes")}}`;
}

/** The table behind a published index. Throws a `TableError`; never gives half a table. */
export function decodeTable(published: Published): RoutingTable {
  return atOnce(new TableReader().read(published));
}
