/**
 * Which bytes of an event stream may be passed on, and has the stream come to its end?
 *
 * Chunks go through as they came (no copy) while they end on an event's end; a half event waits for its rest. An
 * event whose data is not whole JSON is left out. Line ends may be LF, CRLF or CR
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html); data is JSON or `[DONE]`.
 */
import type { Usage } from "../exchange.ts";
import { stands } from "../json-bytes.ts";
import { JsonScan } from "./json-scan.ts";
import { INCOMPLETE, OPEN_BRACE, SPACE, wholeNumber, wholeNumberEnd } from "./json-tokens.ts";
import { KeptText } from "./kept-text.ts";
import { blankLineEnd, type EventLines, eventEnd, hasBlankLine, lineEnd, linesOf, withData } from "./lines.ts";
import type { StreamProfile } from "./profile.ts";
import {
  chatInterruption,
  eventWithoutSecret,
  failureOf,
  responseInterruption,
  type StreamFailure,
  typedInterruption,
} from "./stream-error.ts";
import { EventTemplate } from "./template.ts";
import { contentOf, incompleteBecause, isDelta, kindOf } from "./typed-event.ts";
import { sumOf, usageOf } from "./usage.ts";

/** Largest single event: an image in base64 fits. A larger one breaks the stream. */
export const LARGEST_EVENT_BYTES = 32 * 1024 * 1024;

export const DONE_EVENT = Buffer.from("data: [DONE]\n\n");

const DATA = Buffer.from("data:");
const EVENT = Buffer.from("event:");
const NONE: readonly Buffer[] = [];
const EMPTY = Buffer.alloc(0);

/** Given the JSON of an event that carries ids, says what goes on in its place. */
export type Rewrite = (data: Buffer) => Buffer;

export interface ReaderOptions {
  readonly profile?: StreamProfile;
  /** Answers asked for (`n`): each must end before the stream is whole. */
  readonly choices?: number;
  /** For the events that carry ids; in a chat, for those with other content than text. */
  readonly rewrite?: Rewrite | undefined;
  /** Chat: the chunk that has usage and no choices was asked for by Tandem alone, and stays here. */
  readonly withholdUsage?: boolean;
}

export class EventReader {
  /** `[DONE]` was seen. */
  done = false;
  /** Something the caller waits for has come: a delta, not a keep-alive and not a role alone. */
  contentSeen = false;
  /** Events left out because they were not whole JSON. */
  dropped = 0;
  /** An event that says it is an error came; the stream is not whole whatever follows. */
  failure: StreamFailure | undefined;
  usage: Usage | undefined;
  /** The event that told it, as it came. */
  usageEvent: Buffer | undefined;
  /** What came as content. */
  readonly text = new KeptText();
  /** All content was text of the answer: what is kept of it is what the caller has. */
  onlyText = true;

  /** Of a response. */
  #truncated = false;
  #refused = false;
  #calledTools = false;
  #onlyTextDeltas = true;

  readonly #scan: JsonScan;
  readonly #template = new EventTemplate(this.text);
  /** The typed event just read is a piece of an answer, and that piece is text. */
  #isDelta = true;
  #keepsText = true;
  readonly #typed: boolean;
  readonly #choices: number;
  readonly #rewrite: Rewrite | undefined;
  readonly #withholdUsage: boolean;
  readonly #secret: string | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Typed events that were the last of their answer. */
  #endings = 0;
  #number = -1;
  /** What is passed in place of the event just read; undefined: the event itself. */
  #instead: readonly Buffer[] | undefined;

  /** `secret`: the gateway's own at the provider, which an error must not bring back. */
  constructor(options: ReaderOptions = {}, secret?: string | undefined) {
    this.#secret = secret;
    this.#typed = options.profile === "typed";
    this.#choices = options.choices ?? 1;
    this.#rewrite = options.rewrite;
    this.#withholdUsage = options.withholdUsage ?? false;
    this.#scan = new JsonScan(options.profile, this.text);
  }

  /** Bytes of an event that has not ended. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Everything that was asked for has come: the body may end now. */
  get whole(): boolean {
    if (this.failure) return false;
    return this.done || (this.#typed ? this.#endings : this.#scan.finishes) >= this.#choices;
  }

  /** Its last event has come: what follows says nothing of the answer, even that the connection broke. */
  get complete(): boolean {
    return this.done ? this.failure === undefined : this.#typed && this.whole;
  }

  /** The last event of some answer has come: one that is made anew cannot go on from here. */
  get ending(): boolean {
    return this.#endings + this.#scan.finishes > 0;
  }

  /** An answer reached the length that it may have. */
  get truncated(): boolean {
    return this.#truncated || this.#scan.truncated;
  }

  /** The model would not answer, or a filter kept it from answering. */
  get refused(): boolean {
    return this.#refused || this.#scan.refused || this.#scan.filtered;
  }

  /** It ended by calling tools: what came as text are their arguments, or stands before them. */
  get calledTools(): boolean {
    return this.#calledTools || this.#scan.calledTools;
  }

  /** What came as content is the text of one kind: the answer's, or the arguments of tools. */
  get unmixed(): boolean {
    if (!this.#typed) return this.onlyText || this.#scan.calledTools;
    return this.#onlyTextDeltas || this.#calledTools;
  }

  /** What a whole stream still lacks: chat's clients may wait for `[DONE]`. */
  get missingEnd(): Buffer | undefined {
    return this.#typed || this.done ? undefined : DONE_EVENT;
  }

  /** The event that tells the caller of a stream that broke off, in its API's form. */
  interruption(): string {
    if (!this.#typed) return chatInterruption();
    return this.#number < 0 ? typedInterruption() : responseInterruption(this.#number + 1);
  }

  /** Takes a chunk; returns what may go on, in order. Nothing after `[DONE]`. */
  feed(chunk: Buffer): readonly Buffer[] {
    if (this.done) return NONE;
    if (this.#pendingBytes > 0 && !hasBlankLine(chunk, this.#pending.at(-1)?.at(-1))) {
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
    // Made only when it is needed: for nearly all chunks it is not.
    let passed: Buffer[] | undefined;
    let passFrom = 0;
    let at = 0;
    while (at < data.length && !this.done) {
      const end = this.#event(data, at, last);
      if (end === INCOMPLETE) break;
      if (this.#instead) {
        passed ??= [];
        passed.push(...piece(data, passFrom, at), ...this.#instead);
        passFrom = end;
        this.#instead = undefined;
      }
      at = end;
    }
    if (at < data.length && !this.done) this.#keep(data.subarray(at));
    const rest = piece(data, passFrom, at);
    passed?.push(...rest);
    return passed ?? rest;
  }

  /** Reads the event at `at`; returns its end, or INCOMPLETE. */
  #event(data: Buffer, at: number, last: boolean): number {
    const like = this.#likeBefore(data, at);
    if (like > 0) return like;
    const { finishes } = this.#scan;
    const textBytes = this.text.bytes;
    const plain = this.#plainEvent(data, at);
    if (plain > 0) return plain;
    // Looked at again, by another way or with more bytes: what this look counted does not count.
    this.#scan.finishes = finishes;
    this.text.backTo(textBytes);
    if (plain === INCOMPLETE) return INCOMPLETE;
    const end = eventEnd(data, at, last);
    if (end !== INCOMPLETE) this.#anyEvent(linesOf(data.subarray(at, end)));
    return end;
  }

  /** The end of an event that is like the one before; 0 when it is not. */
  #likeBefore(data: Buffer, at: number): number {
    const template = this.#template;
    const end = template.end(data, at);
    if (end === 0) return 0;
    if (template.contentSeen) this.contentSeen = true;
    if (template.numberStart >= 0) {
      this.#number = wholeNumber(data, template.numberStart, wholeNumberEnd(data, template.numberStart));
    }
    return end;
  }

  /**
   * The end of an event of the common form: `data: {…}`, before it an `event:` line or none. INCOMPLETE, or 0 when it
   * has another form.
   */
  #plainEvent(data: Buffer, at: number): number {
    const { finishes } = this.#scan;
    const named = this.#typed && stands(data, at, EVENT);
    const from = named ? lineEnd(data, at + EVENT.length) : at;
    if (from < 0) return 0;
    if (!stands(data, from, DATA)) return 0;
    const colonEnd = from + DATA.length;
    const start = data[colonEnd] === SPACE ? colonEnd + 1 : colonEnd;
    if (data[start] !== OPEN_BRACE) return 0;
    const end = this.#scan.end(data, start);
    // A line that ends between two tokens ends the data, or goes on in another data line.
    if (this.#scan.lineEnds) return 0;
    if (end === INCOMPLETE && data.length - at < LARGEST_EVENT_BYTES) return INCOMPLETE;
    const next = end > 0 ? blankLineEnd(data, end) : 0;
    if (next === 0 || (named && this.#scan.typeStart < 0)) return 0;
    const replaced = this.#read(data, start, end, "");
    // What was replaced must be replaced in the next one like it, too.
    if (!replaced && this.#onlyText(finishes)) this.#template.learn(data, at, next, this.#scan, this.#keepsText);
    if (replaced)
      this.#instead = replaced.length === 0 ? NONE : [data.subarray(at, start), replaced, data.subarray(end, next)];
    return next;
  }

  /** Any other form: lines of any ending, comments, several data lines. */
  #anyEvent(event: EventLines): void {
    if (event.data === undefined) return;
    if (event.data.trim() === "[DONE]") {
      this.done = true;
      return;
    }
    const { finishes } = this.#scan;
    const textBytes = this.text.bytes;
    const json = Buffer.from(`${event.data}\n`);
    const end = this.#scan.end(json, 0);
    if (end < 0 || json.toString("latin1", end).trim() !== "") {
      this.#scan.finishes = finishes;
      this.text.backTo(textBytes);
      this.dropped++;
      this.#instead = NONE;
      return;
    }
    const replaced = this.#read(json, 0, end, event.name ?? "");
    if (replaced) this.#instead = replaced.length === 0 ? NONE : [withData(event, replaced)];
  }

  /**
   * Takes from the data just scanned what it says of the whole stream. `name`: of its `event:` line.
   * Returns what goes on instead: nothing, or other data.
   */
  #read(data: Buffer, start: number, end: number, name: string): Buffer | undefined {
    const instead = this.#typed ? this.#readTyped(data, start, end, name) : this.#readChat(data, start, end);
    if (this.failure === undefined || !this.#secret) return instead;
    const passed = instead ?? data.subarray(start, end);
    return eventWithoutSecret(passed.toString("utf8"), this.#secret) ?? instead;
  }

  #noteIncomplete(json: string): void {
    const reason = incompleteBecause(json);
    if (reason === "content_filter") this.#refused = true;
    else this.#truncated = true;
  }

  /** The event just read said nothing but its text, its number and its padding. `finishes`: before it. */
  #onlyText(finishes: number): boolean {
    const scan = this.#scan;
    return scan.hasSlots && this.#isDelta && scan.finishes === finishes && scan.usageStart < 0 && !scan.error;
  }

  #readChat(data: Buffer, start: number, end: number): Buffer | undefined {
    const scan = this.#scan;
    if (scan.contentSeen) this.contentSeen = true;
    if (scan.otherContentSeen) this.onlyText = false;
    if (scan.error) this.failure = failureOf(data.toString("utf8", start, end));
    const rewritten = scan.otherContentSeen ? this.#rewritten(data, start, end) : undefined;
    if (scan.usageStart < 0) return rewritten;
    this.usage = usageOf(data.toString("latin1", scan.usageStart, scan.usageEnd)) ?? this.usage;
    this.usageEvent = data.subarray(start, end);
    return this.#withholdUsage && hasNoChoices(data.toString("utf8", start, end)) ? EMPTY : rewritten;
  }

  /** Undefined: the event is as it was. */
  #rewritten(data: Buffer, start: number, end: number): Buffer | undefined {
    if (!this.#rewrite) return undefined;
    const json = data.subarray(start, end);
    const rewritten = this.#rewrite(json);
    return rewritten === json ? undefined : rewritten;
  }

  #readTyped(data: Buffer, start: number, end: number, name: string): Buffer | undefined {
    const scan = this.#scan;
    if (scan.number >= 0) this.#number = scan.number;
    if (scan.error) this.failure = failureOf(data.toString("utf8", start, end));
    const said = scan.typeStart >= 0;
    const typeIn = said ? data : Buffer.from(name);
    const typeStart = said ? scan.typeStart : 0;
    const typeEnd = said ? scan.typeEnd : typeIn.length;
    this.#isDelta = isDelta(typeIn, typeStart, typeEnd);
    if (this.#isDelta) {
      this.contentSeen = true;
      const content = contentOf(typeIn, typeStart, typeEnd);
      this.#keepsText = content !== "sound";
      if (content === "refusal") this.#refused = true;
      else if (content === "arguments") this.#calledTools = true;
      else if (content === "other") this.#onlyTextDeltas = false;
      if (scan.deltaStart >= 0 && this.#keepsText) this.text.add(data, scan.deltaStart, scan.deltaEnd);
      return undefined;
    }
    const type = typeIn.toString("latin1", typeStart, typeEnd);
    const kind = kindOf(type);
    if (kind.content) this.contentSeen = true;
    if (kind.terminal) this.#endings++;
    if (kind.failure) this.failure = failureOf(data.toString("utf8", start, end));
    if (kind.incomplete) this.#noteIncomplete(data.toString("utf8", start, end));
    if (scan.usageStart >= 0) {
      const usage = usageOf(data.toString("latin1", scan.usageStart, scan.usageEnd));
      this.usageEvent = data.subarray(start, end);
      if (usage) this.usage = kind.adds ? sumOf(this.usage, usage) : usage;
    }
    return kind.ids ? this.#rewritten(data, start, end) : undefined;
  }
}

/** The one chunk beside Azure's first that is about no choice; parsed once in a stream. */
function hasNoChoices(json: string): boolean {
  const { choices } = JSON.parse(json) as { choices?: unknown };
  return Array.isArray(choices) && choices.length === 0;
}

/** Nearly always a chunk as it came. */
function piece(data: Buffer, from: number, to: number): readonly Buffer[] {
  if (to === from) return NONE;
  return [from === 0 && to === data.length ? data : data.subarray(from, to)];
}
