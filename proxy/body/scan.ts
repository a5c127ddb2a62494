/**
 * Where are the top-level fields of a JSON body, without parsing it?
 *
 * A resumable byte scan over the chunks as they arrive. It keeps the chunks, finds the byte ranges of the values of
 * the fields it is asked for, and sees what must be refused: a body that is not one JSON object, and a field that
 * Tandem reads standing twice (a provider might take the other one). What nested values hold is the provider's to judge.
 */
import { isSpace } from "../json-bytes.ts";
import { type Field, type FieldKind, NONE, type ScanProblem } from "./field.ts";
import { bytesOf, PassedChunks } from "./passed-chunks.ts";
import { mayBeWatched, type WatchedKeys } from "./watched-keys.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const BOM = [0xef, 0xbb, 0xbf];

/**
 * A string is looked through byte by byte this far, then by native search: most keys are short, most prompts long.
 * Where the search finds a quote at once (quoted JSON), its call costs more than the loop: the stretch doubles.
 */
const SHORT_STRETCH_BYTES = 16;
const LONG_STRETCH_BYTES = 4096;
/** The string goes on in the next chunk. */
const OPEN = -1;
/** Keys longer than this, as written, are nobody's field: 64 characters, each escaped as six bytes, are shorter. */
const LONGEST_KEY_BYTES = 512;

type State =
  | "start"
  | "firstKey"
  | "key"
  | "inKey"
  | "colon"
  | "value"
  | "inString"
  | "inLiteral"
  | "inNested"
  | "inNestedString"
  | "afterValue"
  | "done"
  | "broken";

const UNKNOWN = -1;

export class BodyScan {
  /** As they came, but for a byte order mark. */
  readonly chunks: Buffer[] = [];
  length = 0;
  readonly fields = new Map<string, Field>();
  problem: ScanProblem | undefined;
  /** Fields that are a problem from now on. */
  tooLate: ReadonlySet<string> | undefined;
  /** Just behind the opening brace: where a field can be put in. */
  firstKeyAt = 0;
  /** Fields of the object, read ones and others, as far as it was scanned. */
  size = 0;

  readonly #wanted: ReadonlySet<string>;
  #state: State = "start";
  #depth = 0;
  /** The chunk before ended in the middle of an escape. */
  #escaped = false;
  #tokenStart = 0;
  /** The chunk under way as a string, made when it is first searched: a string's search costs half of a buffer's. */
  #text: string | undefined;
  #field: string | undefined;
  #keyStart = 0;
  #keyEnd = 0;
  #lastComma = NONE;
  /** The field that was found last, while what stands behind it is not known. */
  #open: { -readonly [Part in keyof Field]: Field[Part] } | undefined;
  /** The last chunks that were passed on, for keys that span them. */
  #passed: PassedChunks | undefined;

  /** A key that is watched for may stand in the body, at whatever depth and in whatever spelling. */
  mentions = false;
  readonly #watched: WatchedKeys | undefined;
  /** Of the last string inside a nested value, as far as it stands in this chunk. */
  #stringStart = UNKNOWN;
  #stringEnd = UNKNOWN;

  constructor(wanted: ReadonlySet<string>, watched?: WatchedKeys) {
    this.#wanted = wanted;
    this.#watched = watched;
  }

  /** True when the body is one whole JSON object as far as this scan can tell. */
  get complete(): boolean {
    return this.#state === "done";
  }

  push(arrived: Buffer): void {
    const chunk = this.length === 0 ? withoutByteOrderMark(arrived) : arrived;
    this.chunks.push(chunk);
    this.#scan(chunk);
  }

  /** Scans a chunk that is passed on and not kept. Not for the first one. */
  pass(chunk: Buffer): void {
    this.#passed ??= new PassedChunks(this.length, LONGEST_KEY_BYTES);
    this.#passed.add(chunk);
    this.#scan(chunk);
    this.#passed.trim();
  }

  #scan(chunk: Buffer): void {
    const base = this.length;
    this.length += chunk.length;
    this.#text = undefined;
    this.#stringStart = UNKNOWN;
    let i = 0;
    while (i < chunk.length && this.#state !== "broken") i = this.#step(chunk, i, base);
  }

  /** Joins the chunks into one, for a body that has come whole: a copy costs less than a write for each. */
  join(): void {
    if (this.chunks.length > 1) this.chunks.splice(0, this.chunks.length, Buffer.concat(this.chunks, this.length));
  }

  /** The bytes from `start` to `end`, joined only when they span chunks. */
  slice(start: number, end: number): Buffer {
    const passed = this.#passed;
    return passed && start >= passed.start ? passed.slice(start, end) : bytesOf(this.chunks, start, end);
  }

  /** Consumes what the state can from `i` on; returns where to go on. */
  #step(chunk: Buffer, i: number, base: number): number {
    switch (this.#state) {
      case "inNested":
        return this.#nested(chunk, i);
      case "inNestedString": {
        const next = this.#closingQuote(chunk, i);
        if (next === OPEN) return chunk.length;
        this.#state = "inNested";
        return next;
      }
      case "inString": {
        const next = this.#closingQuote(chunk, i);
        if (next === OPEN) return chunk.length;
        this.#state = "afterValue";
        this.#found("string", base + next);
        return next;
      }
      case "inKey": {
        const next = this.#closingQuote(chunk, i);
        if (next === OPEN) return chunk.length;
        this.#state = "colon";
        this.#key(base + next - 1, chunk, base);
        return next;
      }
      case "inLiteral":
        return this.#literal(chunk, i, base);
      default:
        return this.#punctuation(chunk, i, base);
    }
  }

  /** One byte between tokens. */
  #punctuation(chunk: Buffer, i: number, base: number): number {
    const byte = chunk[i] as number;
    if (isSpace(byte)) return i + 1;
    const at = base + i;
    switch (this.#state) {
      case "start":
        if (byte !== OPEN_BRACE) return this.#broken(at, chunk);
        this.#state = "firstKey";
        this.firstKeyAt = at + 1;
        return i + 1;
      case "firstKey":
      case "key":
        if (byte === QUOTE) {
          this.#state = "inKey";
          this.#tokenStart = at + 1;
          this.size++;
          return i + 1;
        }
        if (byte !== CLOSE_BRACE || this.#state === "key") return this.#broken(at, chunk);
        this.#state = "done";
        return i + 1;
      case "colon":
        if (byte !== COLON) return this.#broken(at, chunk);
        this.#state = "value";
        return i + 1;
      case "value":
        return this.#value(byte, i, at, chunk);
      case "afterValue":
        if (byte !== COMMA && byte !== CLOSE_BRACE) return this.#broken(at, chunk);
        if (byte === CLOSE_BRACE) this.#state = "done";
        else this.#comma(at);
        return i + 1;
      default:
        return this.#broken(at, chunk);
    }
  }

  #comma(at: number): void {
    this.#state = "key";
    this.#lastComma = at;
    if (this.#open === undefined) return;
    this.#open.commaAfter = at;
    this.#open = undefined;
  }

  #value(byte: number, i: number, at: number, chunk: Buffer): number {
    this.#tokenStart = at;
    if (byte === QUOTE) {
      this.#state = "inString";
      return i + 1;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      this.#state = "inNested";
      this.#depth = 1;
      return i + 1;
    }
    if (byte === COMMA || byte === COLON || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      return this.#broken(at, chunk);
    }
    this.#state = "inLiteral";
    return i;
  }

  #nested(chunk: Buffer, from: number): number {
    const end = chunk.length;
    let i = from;
    while (i < end) {
      const byte = chunk[i] as number;
      i++;
      if (byte === QUOTE) {
        const next = this.#closingQuote(chunk, i);
        if (next === OPEN) {
          this.#state = "inNestedString";
          return end;
        }
        this.#stringStart = i;
        this.#stringEnd = next - 1;
        i = next;
      } else if (byte === COLON) {
        if (this.#watched && !this.mentions) this.mentions = this.#mayBeWatched(this.#watched, chunk);
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#depth++;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        this.#depth--;
        if (this.#depth === 0) {
          this.#state = "afterValue";
          this.#found("nested", this.length - end + i);
          return i;
        }
      }
    }
    return i;
  }

  /** A key that spans chunks is not looked at: it might be one of them. */
  #mayBeWatched(watched: WatchedKeys, chunk: Buffer): boolean {
    const start = this.#stringStart;
    return start === UNKNOWN || mayBeWatched(watched, chunk, start, this.#stringEnd);
  }

  #literal(chunk: Buffer, from: number, base: number): number {
    let i = from;
    for (; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (byte === COMMA || byte === CLOSE_BRACE || isSpace(byte)) {
        this.#state = "afterValue";
        this.#found("literal", base + i);
        return i;
      }
      if (byte === QUOTE || byte === OPEN_BRACE || byte === OPEN_BRACKET || byte === CLOSE_BRACKET || byte === COLON) {
        return this.#broken(base + i, chunk);
      }
    }
    return i;
  }

  /** Where the string's closing quote ends, or `OPEN` when the chunk ends first. */
  #closingQuote(chunk: Buffer, from: number): number {
    const end = chunk.length;
    let i = this.#escaped ? from + 1 : from;
    let stretch = SHORT_STRETCH_BYTES;
    this.#escaped = false;
    while (i < end) {
      const near = Math.min(end, i + stretch);
      while (i < near) {
        const byte = chunk[i++];
        if (byte === QUOTE) return i;
        if (byte === BACKSLASH) i++;
      }
      if (i >= end) break;
      this.#text ??= chunk.toString("latin1");
      const quote = this.#text.indexOf('"', i);
      stretch = quote - i < SHORT_STRETCH_BYTES ? Math.min(stretch * 2, LONG_STRETCH_BYTES) : SHORT_STRETCH_BYTES;
      const stop = quote === -1 ? end : quote;
      const escaped = endsInEscape(chunk, i, stop);
      if (quote === -1) {
        this.#escaped = escaped;
        return OPEN;
      }
      if (!escaped) return quote + 1;
      i = quote + 1;
    }
    this.#escaped = i > end;
    return OPEN;
  }

  #key(end: number, chunk: Buffer, base: number): void {
    this.#field = undefined;
    const start = this.#tokenStart;
    if (end - start > LONGEST_KEY_BYTES) return;
    const written =
      start >= base ? chunk.toString("utf8", start - base, end - base) : this.slice(start, end).toString("utf8");
    const name = written.includes("\\") ? decodeString(written) : written;
    if (name === undefined) {
      this.problem ??= { code: "invalid_json", offset: this.#tokenStart };
      this.#state = "broken";
      return;
    }
    if (this.#watched?.top.has(name)) this.mentions = true;
    if (this.#wanted.has(name)) {
      if (this.fields.has(name)) this.problem ??= { code: "duplicate_field", field: name };
      if (this.tooLate?.has(name)) this.problem ??= { code: "late_field", field: name };
      this.#field = name;
      this.#keyStart = start - 1;
      this.#keyEnd = end + 1;
    }
  }

  #found(kind: FieldKind, end: number): void {
    if (this.#field === undefined) return;
    const keyStart = this.#keyStart;
    const keyEnd = this.#keyEnd;
    const commaBefore = this.#lastComma;
    this.#open = { kind, start: this.#tokenStart, end, keyStart, keyEnd, commaBefore, commaAfter: NONE };
    this.fields.set(this.#field, this.#open);
    this.#field = undefined;
  }

  #broken(offset: number, chunk: Buffer): number {
    this.problem ??= { code: "invalid_json", offset };
    this.#state = "broken";
    return chunk.length;
  }
}

/** Whether an odd run of backslashes stands right before `end`, none of it before `from`. */
function endsInEscape(chunk: Buffer, from: number, end: number): boolean {
  let i = end - 1;
  while (i >= from && chunk[i] === BACKSLASH) i--;
  return ((end - 1 - i) & 1) === 1;
}

function withoutByteOrderMark(chunk: Buffer): Buffer {
  return BOM.every((byte, i) => chunk[i] === byte) ? chunk.subarray(BOM.length) : chunk;
}

/** The text of a JSON string's inside, undefined when it is not one. */
function decodeString(inside: string): string | undefined {
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    return undefined;
  }
}
