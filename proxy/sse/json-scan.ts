/**
 * Is this whole JSON, and what does it say about the stream?
 *
 * One pass over the bytes of an event, no parse, no allocation: it checks the grammar (RFC 8259) and notes on the
 * way what the proxy needs of a chat chunk: finish reasons, usage, an error, the first content.
 */

/** The bytes end before the value does. */
export const INCOMPLETE = -1;
export const MALFORMED = -2;

/** Deeper nesting than any provider's answer has; a bound for a hostile one. */
const DEEPEST = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const LETTER_N = 0x6e;
const SPACE = 0x20;

/** Keys that are looked at, by depth: 1 the chunk, 3 a choice, 4 its delta. */
const DEPTH_CHUNK = 1;
const DEPTH_CHOICE = 3;
const DEPTH_DELTA = 4;
const CONTENT_KEYS = new Set(["content", "reasoning_content", "refusal", "tool_calls", "function_call", "text"]);

const USAGE = Buffer.from("usage");
const ERROR = Buffer.from("error");
const FINISH_REASON = Buffer.from("finish_reason");
const NULL = Buffer.from("null");
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** 1 for bytes that a number or a literal is made of. */
const SCALAR = new Uint8Array(256);
for (const char of "0123456789+-.eEtrufalsn") SCALAR[char.charCodeAt(0)] = 1;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

export class JsonScan {
  /** Choices that came to their end: `finish_reason` was a string. */
  finishes = 0;
  /** Some content, not a keep-alive and not a role alone, was seen. */
  contentSeen = false;
  /** The last value had an `error` at its top. */
  error = false;
  /** Where the last value's `usage` object stands; -1 when it has none. */
  usageStart = -1;
  usageEnd = -1;

  readonly #isObject = new Uint8Array(DEEPEST + 1);

  /** The offset behind the value that starts at `from` (white space before it allowed), INCOMPLETE or MALFORMED. */
  end(data: Buffer, from: number): number {
    this.error = false;
    this.usageStart = -1;
    this.usageEnd = -1;
    const stack = this.#isObject;
    const length = data.length;
    let depth = 0;
    let key = "";
    let i = from;
    // What may come next: a value, a key, or a comma or end. `first` allows an end right after an opening.
    let expectKey = false;
    let first = false;
    for (;;) {
      if ((data[i] as number) <= SPACE) i = skipSpace(data, i);
      if (i >= length) return INCOMPLETE;
      let byte = data[i] as number;
      if (first && (byte === CLOSE_BRACE || byte === CLOSE_BRACKET)) {
        // An empty container: falls through to the closing below.
      } else if (expectKey) {
        if (byte !== QUOTE) return MALFORMED;
        const close = stringEnd(data, i + 1);
        if (close < 0) return close;
        key = this.#keyOfInterest(data, i + 1, close - 1, depth);
        i = (data[close] as number) <= SPACE ? skipSpace(data, close) : close;
        if (i >= length) return INCOMPLETE;
        if (data[i] !== COLON) return MALFORMED;
        i++;
        expectKey = false;
        first = false;
        continue;
      } else {
        first = false;
        if (key !== "") this.#note(key, byte, data[i + 1], i, depth);
        if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
          if (depth === DEEPEST) return MALFORMED;
          depth++;
          stack[depth] = byte === OPEN_BRACE ? 1 : 0;
          expectKey = byte === OPEN_BRACE;
          first = true;
          key = "";
          i++;
          continue;
        }
        key = "";
        i = byte === QUOTE ? stringEnd(data, i + 1) : scalarEnd(data, i);
        if (i < 0) return i;
        if (depth === 0) return i;
      }
      // Behind a value, or at the end of an empty container: a comma goes on, ends close.
      for (;;) {
        if ((data[i] as number) <= SPACE) i = skipSpace(data, i);
        if (i >= length) return INCOMPLETE;
        byte = data[i] as number;
        i++;
        if (byte === COMMA && !first) {
          expectKey = stack[depth] === 1;
          break;
        }
        first = false;
        if (byte !== (stack[depth] === 1 ? CLOSE_BRACE : CLOSE_BRACKET)) return MALFORMED;
        depth--;
        if (depth === DEPTH_CHUNK && this.usageStart >= 0 && this.usageEnd < 0) this.usageEnd = i;
        if (depth === 0) return i;
      }
    }
  }

  /** The key's name when it matters at this depth, else an empty string. */
  #keyOfInterest(data: Buffer, start: number, end: number, depth: number): string {
    const size = end - start;
    if (depth === DEPTH_CHUNK) {
      if (size !== USAGE.length) return "";
      return stands(data, start, USAGE) ? "usage" : stands(data, start, ERROR) ? "error" : "";
    }
    if (depth === DEPTH_CHOICE && size === FINISH_REASON.length) {
      return stands(data, start, FINISH_REASON) ? "finish_reason" : "";
    }
    if (this.contentSeen || (depth !== DEPTH_DELTA && depth !== DEPTH_CHOICE)) return "";
    const name = data.toString("latin1", start, end);
    return CONTENT_KEYS.has(name) ? name : "";
  }

  #note(key: string, byte: number, next: number | undefined, at: number, depth: number): void {
    if (depth === DEPTH_CHUNK) {
      if (key === "error") this.error = byte !== LETTER_N;
      else if (key === "usage" && byte === OPEN_BRACE) this.usageStart = at;
    } else if (key === "finish_reason") {
      if (byte === QUOTE) this.finishes++;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET || (byte === QUOTE && next !== QUOTE)) {
      this.contentSeen = true;
    }
  }
}

/** Compared in place: a string made for each key would cost more than the scan. */
function stands(data: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (data[at + i] !== word[i]) return false;
  return true;
}

function skipSpace(data: Buffer, from: number): number {
  let i = from;
  for (;;) {
    const byte = data[i];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return i;
    i++;
  }
}

/** Behind the closing quote. A raw control character, a line end among them, cannot stand in a JSON string. */
function stringEnd(data: Buffer, from: number): number {
  const length = data.length;
  let i = from;
  while (i < length) {
    const byte = data[i++] as number;
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH) {
      const next = escapeEnd(data, i);
      if (next < 0) return next;
      i = next;
    } else if (byte < 0x20) return MALFORMED;
  }
  return INCOMPLETE;
}

function escapeEnd(data: Buffer, from: number): number {
  const byte = data[from];
  if (byte === undefined) return INCOMPLETE;
  if (byte !== 0x75) return '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? from + 1 : MALFORMED;
  for (let i = from + 1; i <= from + 4; i++) {
    const hex = data[i];
    if (hex === undefined) return INCOMPLETE;
    if (!/[0-9a-fA-F]/.test(String.fromCharCode(hex))) return MALFORMED;
  }
  return from + 5;
}

function scalarEnd(data: Buffer, from: number): number {
  let i = from;
  while (i < data.length && SCALAR[data[i] as number] === 1) i++;
  if (i === from) return MALFORMED;
  if (i === data.length) return INCOMPLETE;
  const size = i - from;
  const byte = data[from] as number;
  // Most scalars are a whole number or null.
  if (byte > DIGIT_0 && byte <= DIGIT_9 && digitsEnd(data, from) === i) return i;
  if (size === 1 && byte === DIGIT_0) return i;
  if (size === NULL.length && stands(data, from, NULL)) return i;
  const text = data.toString("latin1", from, i);
  return text === "null" || text === "true" || text === "false" || NUMBER.test(text) ? i : MALFORMED;
}

function digitsEnd(data: Buffer, from: number): number {
  let i = from;
  while ((data[i] as number) >= DIGIT_0 && (data[i] as number) <= DIGIT_9) i++;
  return i;
}
