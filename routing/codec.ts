/**
 * How does a routing table travel from the operator to the proxies?
 *
 * As content-addressed shards and one index that names them with their checksums. Which shard an object stands in is
 * given by a hash of its key: a shard that grows beyond the target is split by the next bit of that hash, so that an
 * edit rewrites the one shard it is in and leaves the others' names alone.
 */
import { byCodeUnit, canonicalJson, sha256Hex } from "./canonical.ts";
import { type Client, type Provider, type Route, type RoutingTable, SCHEMA_VERSION } from "./table.ts";
import { shardFault } from "./table-shape.ts";

/** A ConfigMap may hold 1 MiB; small shards make small rewrites. Bytes. */
const SHARD_TARGET_BYTES = 64 * 1024;
/** One object may be larger than the target, never than a ConfigMap. Bytes. */
const SHARD_MAX_BYTES = 1024 * 1024;
const INDEX_MAX_BYTES = 1024 * 1024;
const SHARD_PREFIX = "tandem-table-";
/** Hex digits of the checksum in a shard's name. */
const NAME_DIGITS = 16;
const HASH_BITS = 32;

/** What is published: the index's JSON, the shards' JSON by name, and the table's hash (64 hex digits). */
export interface Published {
  readonly index: string;
  readonly shards: Readonly<Record<string, string>>;
  readonly hash: string;
}

export type TableErrorCode = "newer_schema" | "missing_shard" | "damaged_shard" | "invalid_index" | "invalid_table";

/** Why a published table cannot be used, in one sentence. The table in force stays. */
export class TableError extends Error {
  override readonly name = "TableError";
  readonly code: TableErrorCode;
  constructor(code: TableErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface ShardRef {
  readonly name: string;
  readonly sha256: string;
}

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

function toItem(section: Section, value: Provider | Route | Client): Item {
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

/** Covers every byte of the table, by the shards' checksums; what else stands in the index is not part of it. */
function tableHash(refs: readonly ShardRef[]): string {
  return sha256Hex(canonicalJson({ schemaVersion: SCHEMA_VERSION, shards: refs }));
}

/** The table behind a published index. Throws a `TableError`; never gives half a table. */
export function decodeTable(published: Published): RoutingTable {
  const { refs, hash } = readIndex(published.index);
  if (published.hash !== hash) {
    throw new TableError("invalid_index", `The index is of table ${hash}, not of ${published.hash}.`);
  }
  const providers = new Map<string, Provider>();
  const routes = new Map<string, Route>();
  const clients = new Map<string, Client>();
  for (const ref of refs) {
    const shard = readShard(ref, published.shards);
    for (const provider of shard.providers) putOnce(providers, provider, ref);
    for (const route of shard.routes) putOnce(routes, route, ref);
    for (const client of shard.clients) putOnce(clients, client, ref);
  }
  return {
    schemaVersion: SCHEMA_VERSION,
    providers: Object.fromEntries(sortByKey(providers).map((provider) => [provider.key, provider])),
    routes: sortByKey(routes),
    clients: sortByKey(clients),
  };
}

function putOnce<T extends { readonly key: string }>(map: Map<string, T>, value: T, ref: ShardRef): void {
  if (map.has(value.key)) throw new TableError("invalid_table", `Shard ${ref.name} repeats ${value.key}.`);
  map.set(value.key, value);
}

function sortByKey<T extends { readonly key: string }>(map: ReadonlyMap<string, T>): T[] {
  return [...map.values()].sort((a, b) => byCodeUnit(a.key, b.key));
}

function readIndex(text: string): { refs: readonly ShardRef[]; hash: string } {
  const index = parse(text, INDEX_MAX_BYTES, "invalid_index", "The index");
  const { schemaVersion, hash, shards } = index as { schemaVersion?: unknown; hash?: unknown; shards?: unknown };
  if (!Number.isSafeInteger(schemaVersion) || (schemaVersion as number) < 1) {
    throw new TableError("invalid_index", "The index names no schemaVersion.");
  }
  if (schemaVersion !== SCHEMA_VERSION) {
    throw new TableError(
      "newer_schema",
      `The table has schema version ${schemaVersion} and this proxy reads ${SCHEMA_VERSION}: upgrade the proxy.`,
    );
  }
  if (!Array.isArray(shards) || !shards.every(isShardRef)) {
    throw new TableError("invalid_index", "The index's shards are not a list of names with SHA-256 checksums.");
  }
  const refs = shards.map(({ name, sha256 }) => ({ name, sha256 }));
  if (hash !== tableHash(refs)) throw new TableError("invalid_index", "The index's hash does not fit its shards.");
  return { refs, hash };
}

function isShardRef(value: unknown): value is ShardRef {
  const { name, sha256 } = (value ?? {}) as { name?: unknown; sha256?: unknown };
  return typeof name === "string" && typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
}

interface ShardContent {
  readonly providers: readonly Provider[];
  readonly routes: readonly Route[];
  readonly clients: readonly Client[];
}

function readShard(ref: ShardRef, shards: Published["shards"]): ShardContent {
  const text = Object.hasOwn(shards, ref.name) ? shards[ref.name] : undefined;
  if (typeof text !== "string") {
    throw new TableError("missing_shard", `Shard ${ref.name} is named in the index and not there.`);
  }
  if (sha256Hex(text) !== ref.sha256) {
    throw new TableError("damaged_shard", `Shard ${ref.name} does not have the checksum that the index names.`);
  }
  const content = parse(text, SHARD_MAX_BYTES, "invalid_table", `Shard ${ref.name}`);
  const fault = shardFault(content, ref.name);
  if (fault !== undefined) throw new TableError("invalid_table", `The table is malformed: ${fault}.`);
  return content as ShardContent;
}

/** A JSON object of a bounded size. */
function parse(text: string, maxBytes: number, code: TableErrorCode, what: string): object {
  if (typeof text !== "string") throw new TableError(code, `${what} is not a text.`);
  if (Buffer.byteLength(text) > maxBytes) throw new TableError(code, `${what} is larger than ${maxBytes} bytes.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TableError(code, `${what} is not JSON.`, { cause });
  }
  if (typeof value !== "object" || value === null) throw new TableError(code, `${what} is not a JSON object.`);
  return value;
}
