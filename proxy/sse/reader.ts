/**
 * Which bytes of an event stream may be passed on, and has the stream come to its end?
 *
 * Chunks go through as they came (no copy) while they end on an event's end; a half event waits for its rest. An
 * event whose data is not whole JSON is left out. Line ends may be LF, CRLF or CR
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html); data is JSON or `[DONE]`.
 */
import type { Usage } from "../exchange.ts";
import { INCOMPLETE, JsonScan } from "./json-scan.ts";

/** Largest single event: an image in base64 fits. A larger one breaks the stream. */
export const LARGEST_EVENT_BYTES = 32 * 1024 * 1024;

export const DONE_EVENT = Buffer.from("data: [DONE]\n\n");

const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
/** `data: ` and `data:` as bytes. */
const DATA = [0x64, 0x61, 0x74, 0x61, 0x3a];
const SPACE = 0x20;
const NONE: readonly Buffer[] = [];

export class EventReader {
  readonly scan = new JsonScan();
  /** `[DONE]` was seen. */
  done = false;
  /** Events left out because they were not whole JSON. */
  dropped = 0;
  /** An event that carries an error came; the stream is not whole whatever follows. */
  failed = false;
  usage: Usage | undefined;

  #pending: Buffer[] = [];
  #pendingBytes = 0;

  /** Bytes of an event that has not ended. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Takes a chunk; returns what may go on, in order. Nothing after `[DONE]`. */
  feed(chunk: Buffer): readonly Buffer[] {
    if (this.done) return NONE;
    if (this.#pendingBytes > 0 && !chunk.includes(LF) && !chunk.includes(CR)) {
      this.#keep(chunk);
      return NONE;
    }
    const data = this.#pendingBytes > 0 ? Buffer.concat([...this.#pending, chunk]) : chunk;
    this.#pending = [];
    this.#pendingBytes = 0;
    return this.#pass(data);
  }

  /** The body has ended: a CR at its end waits for no LF any more. What is then still half an event is lost. */
  end(): readonly Buffer[] {
    if (this.done || this.#pendingBytes === 0) return NONE;
    const data = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    return this.#pass(data, true);
  }

  #keep(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #pass(data: Buffer, last = false): readonly Buffer[] {
    const passed: Buffer[] = [];
    let passFrom = 0;
    let at = 0;
    while (at < data.length && !this.done) {
      const fast = this.#plainEvent(data, at);
      if (fast > at) {
        at = fast;
        continue;
      }
      const end = fast === INCOMPLETE ? INCOMPLETE : eventEnd(data, at, last);
      if (end === INCOMPLETE) break;
      if (!this.#isWhole(data.subarray(at, end))) {
        if (at > passFrom) passed.push(data.subarray(passFrom, at));
        passFrom = end;
        this.dropped++;
      }
      at = end;
    }
    if (at > passFrom) passed.push(data.subarray(passFrom, at));
    if (at < data.length && !this.done) this.#keep(data.subarray(at));
    return passed;
  }

  /** The end of an event of the one common form, `data: {…}` LF LF; INCOMPLETE, or 0 when it has another form. */
  #plainEvent(data: Buffer, at: number): number {
    for (let i = 0; i < DATA.length; i++) if (data[at + i] !== DATA[i]) return 0;
    const start = data[at + DATA.length] === SPACE ? at + DATA.length + 1 : at + DATA.length;
    if (data[start] !== OPEN_BRACE) return 0;
    const finishes = this.scan.finishes;
    const end = this.scan.end(data, start);
    if (end > 0 && data[end] === LF && data[end + 1] === LF) {
      this.#read(data);
      return end + 2;
    }
    // Looked at again, by another way or with more bytes: what this look counted does not count.
    this.scan.finishes = finishes;
    return end === INCOMPLETE && data.length - at < LARGEST_EVENT_BYTES ? INCOMPLETE : 0;
  }

  /** Any other form: lines of any ending, comments, several data lines. */
  #isWhole(event: Buffer): boolean {
    const data = event
      .toString("utf8")
      .split(/\r\n|\n|\r/)
      .filter((line) => line === "data" || line.startsWith("data:"))
      .map((line) => line.slice(DATA.length).replace(/^ /, ""));
    if (data.length === 0) return true;
    const text = data.join("\n");
    if (text.trim() === "[DONE]") {
      this.done = true;
      return true;
    }
    const bytes = Buffer.from(`${text}\n`);
    const finishes = this.scan.finishes;
    const end = this.scan.end(bytes, 0);
    if (end > 0 && bytes.subarray(end).toString().trim() === "") {
      this.#read(bytes);
      return true;
    }
    this.scan.finishes = finishes;
    return false;
  }

  /** Takes from the event just scanned what it says of the whole stream. */
  #read(data: Buffer): void {
    if (this.scan.error) this.failed = true;
    if (this.scan.usageStart >= 0) {
      this.usage = usageOf(data.subarray(this.scan.usageStart, this.scan.usageEnd)) ?? this.usage;
    }
  }
}

/** Behind the blank line that ends the event at `from`, or INCOMPLETE. */
function eventEnd(data: Buffer, from: number, last: boolean): number {
  let emptyLine = false;
  for (let i = from; i < data.length; i++) {
    const byte = data[i];
    if (byte !== LF && byte !== CR) {
      emptyLine = false;
      continue;
    }
    if (byte === CR && data[i + 1] === LF) i++;
    else if (byte === CR && i + 1 === data.length && !last) return INCOMPLETE;
    if (emptyLine) return i + 1;
    emptyLine = true;
  }
  return INCOMPLETE;
}

interface WireUsage {
  prompt_tokens?: number;
  completion_tokens?: number;
  prompt_tokens_details?: { cached_tokens?: number } | null;
  completion_tokens_details?: { reasoning_tokens?: number } | null;
}

/** Usage of a chat completion or an embedding from the JSON text of its `usage` object. */
export function usageOf(json: Buffer): Usage | undefined {
  let wire: WireUsage;
  try {
    wire = JSON.parse(json.toString("utf8")) as WireUsage;
  } catch {
    return undefined;
  }
  if (typeof wire.prompt_tokens !== "number") return undefined;
  return {
    input: wire.prompt_tokens,
    cachedInput: wire.prompt_tokens_details?.cached_tokens ?? 0,
    output: wire.completion_tokens ?? 0,
    reasoning: wire.completion_tokens_details?.reasoning_tokens ?? 0,
  };
}
