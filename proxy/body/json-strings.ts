/**
 * Where do the strings at given paths of a JSON text stand?
 *
 * One pass over the bytes, no parse: only what lies on a path is looked into, the rest is skipped. A key that stands
 * twice is found twice, so that nobody hides a value behind another.
 */
import { scalarEnd, skipSpace, textBetween } from "./json-values.ts";

/**
 * A path's steps joined by dots, `*` for the items of an array, and for what an object has under keys that no path names:
 * `output.*.container_id`.
 */
export type JsonPath = string;

/** A string's inside as written, without its quotes, in bytes from the start. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** What may follow a step of some path. */
interface Node {
  readonly keys: Map<string, Node>;
  items: Node | undefined;
  /** A path ends here. */
  ends: boolean;
}

export interface JsonPaths {
  readonly root: Node;
  /** The last keys of all paths that say anything: a text with none of them holds nothing to find. */
  readonly lastKeys: readonly string[];
  /** Those of them that stand at the top of the text. */
  readonly topKeys: readonly string[];
}

/** Deeper nesting than any request or answer has. */
const DEEPEST = 256;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
/** There is no end: the text is not JSON. */
const BROKEN = -1;

export function jsonPaths(paths: readonly JsonPath[]): JsonPaths {
  const root = node();
  const lastKeys = new Set<string>();
  const topKeys = new Set<string>();
  for (const path of paths) {
    const steps = path.split(".");
    let at = root;
    for (const step of steps) {
      let next = step === "*" ? at.items : at.keys.get(step);
      if (!next) {
        next = node();
        if (step === "*") at.items = next;
        else at.keys.set(step, next);
      }
      at = next;
    }
    at.ends = true;
    const last = steps.findLastIndex((step) => step !== "*" && step !== "id");
    const key = steps[last];
    if (key === undefined) continue;
    lastKeys.add(key);
    if (last === 0) topKeys.add(key);
  }
  return { root, lastKeys: [...lastKeys], topKeys: [...topKeys] };
}

function node(): Node {
  return { keys: new Map(), items: undefined, ends: false };
}

/** In the order in which they stand; undefined when the text is not JSON as far as it was looked at. */
export function stringsAt(bytes: Buffer, paths: JsonPaths): readonly TextRange[] | undefined {
  const walk = new Walk(bytes);
  const end = walk.value(skipSpace(bytes, 0), paths.root, 0);
  return end === BROKEN ? undefined : walk.found;
}

class Walk {
  readonly found: TextRange[] = [];
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The offset behind the value that starts at `at`. */
  value(at: number, node: Node, depth: number): number {
    const byte = this.#bytes[at];
    if (byte === QUOTE) {
      const end = stringEnd(this.#bytes, at + 1);
      if (end !== BROKEN && node.ends) this.found.push({ start: at + 1, end: end - 1 });
      return end;
    }
    if (byte === OPEN_BRACE && (node.keys.size > 0 || node.items)) return this.#object(at + 1, node, depth);
    if (byte === OPEN_BRACKET && node.items) return this.#array(at + 1, node.items, depth);
    return skipValue(this.#bytes, at);
  }

  #object(from: number, node: Node, depth: number): number {
    const bytes = this.#bytes;
    let at = skipSpace(bytes, from);
    if (bytes[at] === CLOSE_BRACE) return at + 1;
    if (depth === DEEPEST) return BROKEN;
    for (;;) {
      if (bytes[at] !== QUOTE) return BROKEN;
      const keyEnd = stringEnd(bytes, at + 1);
      if (keyEnd === BROKEN) return BROKEN;
      const next = node.keys.get(textBetween(bytes, at + 1, keyEnd - 1)) ?? node.items;
      at = skipSpace(bytes, keyEnd);
      if (bytes[at] !== COLON) return BROKEN;
      at = skipSpace(bytes, at + 1);
      at = next ? this.value(at, next, depth + 1) : skipValue(bytes, at);
      if (at === BROKEN) return BROKEN;
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_BRACE) return at + 1;
      if (bytes[at] !== COMMA) return BROKEN;
      at = skipSpace(bytes, at + 1);
    }
  }

  #array(from: number, items: Node, depth: number): number {
    const bytes = this.#bytes;
    let at = skipSpace(bytes, from);
    if (bytes[at] === CLOSE_BRACKET) return at + 1;
    if (depth === DEEPEST) return BROKEN;
    for (;;) {
      at = this.value(at, items, depth + 1);
      if (at === BROKEN) return BROKEN;
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_BRACKET) return at + 1;
      if (bytes[at] !== COMMA) return BROKEN;
      at = skipSpace(bytes, at + 1);
    }
  }
}

/** Behind a value that nobody asks about. */
function skipValue(bytes: Buffer, from: number): number {
  let at = from;
  let depth = 0;
  for (;;) {
    const byte = bytes[at];
    if (byte === undefined) return BROKEN;
    if (byte === QUOTE) {
      at = stringEnd(bytes, at + 1);
      if (at === BROKEN) return BROKEN;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++;
      at++;
      continue;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return BROKEN;
      depth--;
      at++;
    } else if (byte === COMMA || byte === COLON || byte <= 0x20) {
      if (depth === 0) return BROKEN;
      at++;
      continue;
    } else at = scalarEnd(bytes, at);
    if (depth === 0) return at;
  }
}

/** Behind the closing quote of the string whose inside begins at `from`. */
function stringEnd(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at++];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
    else if (byte === undefined) return BROKEN;
  }
}
