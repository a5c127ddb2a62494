/**
 * What is published, and what does its index say?
 *
 * The index is read apart from the shards: a proxy must know which ones it lacks before it can fetch them.
 */
import { canonicalJson, sha256Hex } from "./canonical.ts";
import { SCHEMA_VERSION } from "./table.ts";

const INDEX_MAX_BYTES = 1024 * 1024;

/** The index's JSON, the shards' JSON by name, and the table's hash (64 hex digits). */
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

export interface ShardRef {
  readonly name: string;
  readonly sha256: string;
}

export interface Index {
  readonly hash: string;
  readonly refs: readonly ShardRef[];
}

/** Throws a `TableError`. */
export function readIndex(text: string): Index {
  const index = parseObject(text, INDEX_MAX_BYTES, "invalid_index", "The index");
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

/** Covers every byte of the table, by the shards' checksums; what else stands in the index is not part of it. */
export function tableHash(refs: readonly ShardRef[]): string {
  return sha256Hex(canonicalJson({ schemaVersion: SCHEMA_VERSION, shards: refs }));
}

function isShardRef(value: unknown): value is ShardRef {
  const { name, sha256 } = (value ?? {}) as { name?: unknown; sha256?: unknown };
  return typeof name === "string" && typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
}

/** A JSON object of a bounded size. */
export function parseObject(text: string, maxBytes: number, code: TableErrorCode, what: string): object {
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
