/** May a key that somebody watches for stand here? */
import { stands } from "../json-bytes.ts";

const BACKSLASH = 0x5c;
/** More bytes than the key's letter takes a letter that is escaped. */
const ESCAPED_MORE = 5;

/** Keys to be noticed, wherever they stand. */
export interface WatchedKeys {
  readonly names: ReadonlySet<string>;
  readonly bySize: ReadonlyMap<number, readonly Buffer[]>;
  /** Bytes of the shortest. */
  readonly shortest: number;
}

export function watchedKeys(names: readonly string[]): WatchedKeys {
  const bySize = new Map<number, Buffer[]>();
  for (const name of names) bySize.set(name.length, [...(bySize.get(name.length) ?? []), Buffer.from(name)]);
  return { names: new Set(names), bySize, shortest: Math.min(...bySize.keys()) };
}

/** Whether the key from `start` to `end`, as it is written between its quotes, may be one of them. */
export function mayBeWatched(watched: WatchedKeys, chunk: Buffer, start: number, end: number): boolean {
  const size = end - start;
  if (watched.bySize.get(size)?.some((key) => stands(chunk, start, key))) return true;
  return size >= watched.shortest + ESCAPED_MORE && includesBackslash(chunk, start, end);
}

function includesBackslash(chunk: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (chunk[i] === BACKSLASH) return true;
  return false;
}
