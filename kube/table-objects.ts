/**
 * In which objects does a table travel from the operator to the proxies?
 *
 * One index ConfigMap, immutable shard ConfigMaps, and a companion Secret with what must not be seen. The index is the
 * only one that changes.
 */
import type { KubeObject } from "./objects.ts";

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** The index's `data`. */
export interface IndexData {
  /** As the codec writes it. */
  readonly index: string;
  /** ISO 8601: when the operator saw the change that led to this table. */
  readonly "changed-at": string;
  /** How many proxies serve, in decimal. */
  readonly proxies: string;
  /** Version of the pepper under which the clients' keys in this table are hashed. */
  readonly pepper: string;
  /** JSON: the tables before, newest first (`routing/stored-tables.ts`). */
  readonly history: string;
}

/** On shards. */
export const SHARD_LABEL = "tandem.dev/shard";
/** Of a shard's `data`. */
export const SHARD_KEY = "shard";

const CODEC_PREFIX = /^tandem-table-/;

export function indexName(release: string): string {
  return `${release}-table`;
}

export function companionName(release: string): string {
  return `${release}-companion`;
}

/** `shard` is the codec's name of it. */
export function shardObjectName(release: string, shard: string): string {
  return `${release}-shard-${shard.replace(CODEC_PREFIX, "")}`;
}
