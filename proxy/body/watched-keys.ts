/** May a key that somebody watches for stand here? */
import { stands } from "../json-bytes.ts";

const BACKSLASH = 0x5c;
/** More bytes than the key's letter takes a letter that is escaped. */
const ESCAPED_MORE = 5;

/** Keys to be noticed. */
export interface WatchedKeys {
  /** At the top of the body. */
  readonly top: ReadonlySet<string>;
  /** Below it: what a key of so many bytes may be. */
  readonly bySize: ReadonlyMap<number, WatchedSize>;
}

interface WatchedSize {
  readonly keys: readonly Buffer[];
  /** It may be a longer spelling of one of the keys. */
  readonly mayBeEscaped: boolean;
}

/** `names` are noticed at whatever depth, of those only `top` at the top of the body. */
export function watchedKeys(names: readonly string[], top: readonly string[] = names): WatchedKeys {
  const plain = new Map<number, Buffer[]>();
  const escaped = new Set<number>();
  for (const name of names) {
    plain.set(name.length, [...(plain.get(name.length) ?? []), Buffer.from(name)]);
    for (let letters = 1; letters <= name.length; letters++) escaped.add(name.length + letters * ESCAPED_MORE);
  }
  const bySize = new Map<number, WatchedSize>();
  for (const size of [...plain.keys(), ...escaped]) {
    bySize.set(size, { keys: plain.get(size) ?? [], mayBeEscaped: escaped.has(size) });
  }
  return { top: new Set(top), bySize };
}

/** Whether the key from `start` to `end`, as it is written between its quotes, may be one of them. */
export function mayBeWatched(watched: WatchedKeys, chunk: Buffer, start: number, end: number): boolean {
  const size = watched.bySize.get(end - start);
  if (size === undefined) return false;
  for (const key of size.keys) if (stands(chunk, start, key)) return true;
  return size.mayBeEscaped && includesBackslash(chunk, start, end);
}

function includesBackslash(chunk: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (chunk[i] === BACKSLASH) return true;
  return false;
}
