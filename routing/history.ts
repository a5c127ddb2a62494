/**
 * Which tables were in force before, and which of them holds a route?
 *
 * A route with the annotation is served in the form that it had in that table: what is routing, not what protects.
 */
import type { ObjectKey, Route } from "./table.ts";

/** On an AIRoute: hash of the table whose form of the route is in force, or at least its first six digits. */
export const PINNED_TABLE = "tandem.dev/pinned-table";

/** Of a hash, to name a table by. */
export const FEWEST_DIGITS = 6;
const HASH_SHAPE = /^[0-9a-f]{6,64}$/;

/** A table that is kept to go back to. */
export interface FormerTable {
  /** 64 hex digits. */
  readonly hash: string;
  /** ISO 8601: when the change was seen that led to it; absent: not known. */
  readonly at?: string | undefined;
  /** Undefined: the table does not hold it. */
  route(key: ObjectKey): Route | undefined;
}

/** Its routes are read when the first is asked for. */
export function formerTable(
  { hash, at }: Pick<FormerTable, "hash" | "at">,
  routes: () => readonly Route[],
): FormerTable {
  let byKey: ReadonlyMap<ObjectKey, Route> | undefined;
  return {
    hash,
    at,
    route(key) {
      byKey ??= new Map(routes().map((route) => [route.key, route]));
      return byKey.get(key);
    },
  };
}

/** What an object's annotation says; undefined: nothing. */
export function pinnedTableOf(object: object): string | undefined {
  const { metadata } = object as { readonly metadata?: { readonly annotations?: unknown } | null };
  const annotations = metadata?.annotations;
  if (typeof annotations !== "object" || annotations === null) return undefined;
  const value = (annotations as Readonly<Record<string, unknown>>)[PINNED_TABLE];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The only table whose hash begins so, or undefined. */
export function findTable<One extends Pick<FormerTable, "hash">>(
  history: readonly One[],
  digits: string,
): One | undefined {
  if (!HASH_SHAPE.test(digits)) return undefined;
  const found = history.filter(({ hash }) => hash.startsWith(digits));
  return found.length === 1 ? found[0] : undefined;
}

/** So many digits as tell tables apart for people. */
export function shortHash(hash: string): string {
  return hash.slice(0, SHOWN_DIGITS);
}

const SHOWN_DIGITS = 12;
