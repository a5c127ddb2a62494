/**
 * Which members do the objects of a JSON text have, at whatever depth?
 *
 * One pass over the bytes, no parse: a parser shows only one of two members of the same name, and the provider may take
 * the other one. Every member is shown, in whatever spelling of its key.
 */
import { scalarEnd, skipSpace, textBetween } from "./json-values.ts";

/** One `key: value` of some object. Only good while it is shown. */
export interface Member {
  /** In lower case: some readers of JSON do not tell cases apart. */
  readonly key: string;
  /** The key under which its object stands, directly or in an array; in lower case, empty at the top. */
  readonly holder: string;
  /** The object is an item of an array. */
  readonly inArray: boolean;
  /** Objects and arrays around it; 1 at the top. */
  readonly depth: number;
  readonly kind: "string" | "object" | "array" | "literal";
  /** An empty object or array, an empty string, `null` or `false`. */
  readonly isEmpty: boolean;
  /** A string's text, a literal as written; undefined for what is nested. */
  text(): string | undefined;
}

/** Deeper nesting than any request has. */
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

/** False when the text is not JSON that can be followed to its end: then not all members were shown. */
export function eachMember(bytes: Buffer, visit: (member: Member) => void): boolean {
  const end = new Walk(bytes, visit).value(skipSpace(bytes, 0), "", false, 1);
  return end !== BROKEN && skipSpace(bytes, end) === bytes.length;
}

class Walk {
  readonly #bytes: Buffer;
  readonly #visit: (member: Member) => void;

  constructor(bytes: Buffer, visit: (member: Member) => void) {
    this.#bytes = bytes;
    this.#visit = visit;
  }

  /** The offset behind the value at `at`, which stands under the key `holder`. */
  value(at: number, holder: string, inArray: boolean, depth: number): number {
    const byte = this.#bytes[at];
    if (byte === QUOTE) return stringEnd(this.#bytes, at + 1);
    if (depth > DEEPEST) return BROKEN;
    if (byte === OPEN_BRACE) return this.#object(at + 1, holder, inArray, depth);
    if (byte === OPEN_BRACKET) return this.#array(at + 1, holder, depth);
    return scalarEnd(this.#bytes, at);
  }

  #object(from: number, holder: string, inArray: boolean, depth: number): number {
    const bytes = this.#bytes;
    let at = skipSpace(bytes, from);
    if (bytes[at] === CLOSE_BRACE) return at + 1;
    for (;;) {
      if (bytes[at] !== QUOTE) return BROKEN;
      const keyEnd = stringEnd(bytes, at + 1);
      if (keyEnd === BROKEN) return BROKEN;
      const key = textBetween(bytes, at + 1, keyEnd - 1).toLowerCase();
      at = skipSpace(bytes, keyEnd);
      if (bytes[at] !== COLON) return BROKEN;
      at = skipSpace(bytes, at + 1);
      const end = this.value(at, key, false, depth + 1);
      if (end === BROKEN) return BROKEN;
      this.#visit(new Shown(bytes, at, end, { key, holder, inArray, depth }));
      at = skipSpace(bytes, end);
      if (bytes[at] === CLOSE_BRACE) return at + 1;
      if (bytes[at] !== COMMA) return BROKEN;
      at = skipSpace(bytes, at + 1);
    }
  }

  #array(from: number, holder: string, depth: number): number {
    const bytes = this.#bytes;
    let at = skipSpace(bytes, from);
    if (bytes[at] === CLOSE_BRACKET) return at + 1;
    for (;;) {
      at = this.value(at, holder, true, depth + 1);
      if (at === BROKEN) return BROKEN;
      at = skipSpace(bytes, at);
      if (bytes[at] === CLOSE_BRACKET) return at + 1;
      if (bytes[at] !== COMMA) return BROKEN;
      at = skipSpace(bytes, at + 1);
    }
  }
}

class Shown implements Member {
  readonly key: string;
  readonly holder: string;
  readonly inArray: boolean;
  readonly depth: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;

  constructor(
    bytes: Buffer,
    start: number,
    end: number,
    { key, holder, inArray, depth }: Pick<Member, "key" | "holder" | "inArray" | "depth">,
  ) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.key = key;
    this.holder = holder;
    this.inArray = inArray;
    this.depth = depth;
  }

  get kind(): Member["kind"] {
    const first = this.#bytes[this.#start];
    if (first === QUOTE) return "string";
    if (first === OPEN_BRACE) return "object";
    return first === OPEN_BRACKET ? "array" : "literal";
  }

  get isEmpty(): boolean {
    if (this.kind === "literal") return ["null", "false"].includes(this.text() as string);
    return skipSpace(this.#bytes, this.#start + 1) === this.#end - 1;
  }

  text(): string | undefined {
    const { kind } = this;
    if (kind === "string") return textBetween(this.#bytes, this.#start + 1, this.#end - 1);
    return kind === "literal" ? this.#bytes.toString("latin1", this.#start, this.#end) : undefined;
  }
}

/** Behind the closing quote of the string whose inside begins at `from`. */
function stringEnd(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    // Native search: what is long in a request is text, sound and images.
    at = bytes.indexOf(QUOTE, at);
    if (at === BROKEN) return BROKEN;
    let slashes = at;
    while (slashes > from && bytes[slashes - 1] === BACKSLASH) slashes--;
    if ((at - slashes) % 2 === 0) return at + 1;
    at++;
  }
}
