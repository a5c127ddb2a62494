/**
 * What comes of one attempt at a provider?
 *
 * Receives undici's events for one request. Up to the first byte that may be passed on nothing is decided; then it
 * `settled`: an answer to relay, or a failure that the attempt loop judges. After that an answer flows into its sink.
 */

import type { ReplayPool } from "../body/replay-pool.ts";
import { type ProviderError, readProviderError } from "../dialects/provider-error.ts";
import { GatewayError } from "../errors.ts";
import type { AttemptOutcome, AttemptRecord } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import { EventReader, LARGEST_EVENT_BYTES, type ReaderOptions } from "../sse/reader.ts";
import { ENDING_BYTES, endingOf, isSpace, keepTail, plainUsage } from "../sse/usage.ts";
import type { Places } from "../upstream/concurrency.ts";
import type { DispatchController, DispatchHandler } from "../upstream/connections.ts";
import { transportFailure } from "../upstream/failure.ts";

/** A plain answer up to this size is held until it is whole, so that a broken one fails over. */
export const HELD_ANSWER_BYTES = 1024 * 1024;
/** One whose ids have to be translated is held whole, and refused when it is larger: images in base64 fit. */
const TRANSLATED_ANSWER_BYTES = 64 * 1024 * 1024;
/** An error inside an answer that began well counts as this status. */
const ERROR_INSIDE = 500;
/** Of its answer every call may keep so much; what goes beyond is taken of the pool. */
const FREE_BYTES = 64 * 1024;
/** `timeouts.idle` is watched in so many steps: a timer set anew for each chunk would cost a twentieth of its CPU. */
const IDLE_TICKS = 8;
/** Milliseconds after which a caller whose answer found no room may come again. */
const REFUSED_RETRY_AFTER = 1_000;
const NOTHING_TOLD = Buffer.alloc(0);
/** Milliseconds within which a request learns that its connection was closed already: longer than any round trip. */
const STALE_WITHIN = 2_000;
/** As much of an error's body is read. */
const ERROR_BODY_BYTES = 256 * 1024;

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Failure {
  readonly outcome: Exclude<AttemptOutcome, "ok" | "aborted" | "superseded">;
  /** One clause, no content. */
  readonly detail: string;
  readonly status: number | undefined;
  readonly headers: ResponseHeaders;
  readonly error: ProviderError | undefined;
  /** It met a connection that the provider had closed after the answer before: nothing is wrong with either of them. */
  readonly isStale?: boolean;
}

export type Settled = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

/** Where an answer goes once it is settled. */
export interface Sink {
  /** False: no more until `resume()`. */
  write(chunk: Buffer): boolean;
  /** The answer ended as it should. */
  whole(): void;
  /** It broke off; `detail` is one clause. */
  cut(detail: string): void;
}

/** What to expect of the answer. */
export interface CallOptions {
  readonly stream: boolean;
  /** It may be something else than JSON or events. */
  readonly bytes: boolean;
  /** It is translated before it is passed on. */
  readonly translated: boolean;
  readonly reading: ReaderOptions;
  /** Of what is kept in memory. */
  readonly pool: ReplayPool;
  /** A 404 says that a thing is not there, which is the caller's affair. */
  readonly resource: boolean;
}

type Mode = "waiting" | "plain" | "events" | "error";

export class UpstreamCall implements DispatchHandler {
  readonly settled: Promise<Settled>;
  status = 0;
  headers: ResponseHeaders = {};
  /** The gateway's key or token that was sent, which must not come back. */
  key: string | undefined;
  /** What of a plain answer was held; empty once it flows. */
  held: Buffer[] = [];
  /** The whole plain answer is in `held`. */
  complete = false;
  #events: EventReader | undefined;
  /** Made when first asked for: most answers are not streams. */
  get events(): EventReader {
    this.#events ??= new EventReader(this.reading);
    return this.#events;
  }
  mode: Mode = "waiting";

  /** The gateway has no memory left for the answer: no fault of the provider's. */
  refusal: GatewayError | undefined;

  readonly #target: Target;
  readonly #record: AttemptRecord;
  readonly #options: CallOptions;
  /** How an answer that is an event stream is read. May be set until it begins. */
  reading: ReaderOptions;
  #settle: ((settled: Settled) => void) | undefined;
  #controller: DispatchController | undefined;
  #sink: Sink | undefined;
  #ended: { readonly cut: string | undefined } | undefined;
  #bytes = 0;
  /** Of the pool. */
  #taken = 0;
  /** The end of a plain answer that flows. */
  readonly #tail: Buffer[] = [];
  /** Of a plain answer, once it has been asked for. */
  #ending: string | undefined;
  #paused = false;
  #quietTicks = 0;
  #abortReason: string | undefined;
  /** The request goes over a connection that others used before. */
  #isReused = false;
  /** Taken for it at the provider; given back when it has ended, however it ends. */
  #place: Places | undefined;
  #requestTimer: NodeJS.Timeout;
  #phaseTimer: NodeJS.Timeout | undefined;
  #tokenTimer: NodeJS.Timeout | undefined;

  /** `target.places` must have a place for it. */
  constructor(target: Target, record: AttemptRecord, options: CallOptions) {
    this.#target = target;
    this.#place = target.places;
    this.#record = record;
    this.#options = options;
    this.reading = options.reading;
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#requestTimer = setTimeout(() => this.#expire("request", target.requestTimeout), target.requestTimeout);
    if (!options.stream) return;
    this.#phaseTimer = setTimeout(() => this.#expire("firstByte", target.firstByteTimeout), target.firstByteTimeout);
    const firstToken = target.firstTokenTimeout;
    if (firstToken !== undefined)
      this.#tokenTimer = setTimeout(() => this.#expire("firstToken", firstToken), firstToken);
  }

  get isJson(): boolean {
    return isJson(this.headers);
  }

  /** Lets the answer flow. Call once, after it settled well. */
  pipe(sink: Sink): void {
    this.#sink = sink;
    const held = this.held;
    this.held = [];
    let flowing = true;
    for (const chunk of held) flowing = sink.write(chunk) && flowing;
    this.#mayKeep(0);
    if (this.#ended) this.#finish();
    else if (flowing) this.resume();
    else this.#pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#controller?.resume();
    this.#quietTicks = 0;
  }

  /** Ends the attempt; whoever waits for it learns nothing more but `aborted`. */
  abort(reason: string): void {
    this.#abortReason ??= reason;
    this.#leave();
    this.#controller?.abort(new Error(reason));
  }

  onUsedConnection(): void {
    this.#isReused = true;
  }

  onRequestStart(controller: DispatchController): void {
    this.#controller = controller;
    if (this.#abortReason !== undefined) controller.abort(new Error(this.#abortReason));
  }

  onResponseStart(_controller: DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    this.#record.status = status;
    this.#record.respondedAt = performance.now();
    this.#record.providerRequestID = idOf(headers);
    clearTimeout(this.#phaseTimer);
    this.#phaseTimer = undefined;
    this.mode = modeOf(status, headers, this.#options.bytes);
    if (this.mode === "events") {
      const { idleTimeout } = this.#target;
      this.#phaseTimer = setInterval(() => this.#tick(idleTimeout), Math.ceil(idleTimeout / IDLE_TICKS));
    } else if (this.mode === "waiting") {
      const what = status < 300 ? `content-type ${contentTypeOf(headers) || "missing"}` : "a redirect";
      this.#fail("malformed", `answered ${status} with ${what}`);
    }
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.mode === "events") this.#onEvents(chunk);
    else if (this.mode === "plain") this.#onPlain(chunk);
    else if (this.mode === "error" && this.#bytes - chunk.length < ERROR_BODY_BYTES && this.#mayKeep(this.#bytes)) {
      this.held.push(chunk);
    }
  }

  onResponseEnd(): void {
    this.#leave();
    if (this.mode === "error") this.#failWithBody();
    else if (this.mode === "events") this.#onEventsEnd();
    else this.#onPlainEnd();
  }

  onResponseError(_controller: DispatchController | undefined, error: Error): void {
    this.#leave();
    const failure = transportFailure(error, this.#controller !== undefined);
    if (this.#settle === undefined) this.#end(this.#abortReason ?? failure.detail);
    else if (failure.outcome === "reset" && this.#isStale) {
      this.#fail("reset", `${failure.detail}: a kept connection was closed as the request went out`, undefined, true);
    } else this.#fail(failure.outcome, failure.detail);
  }

  /** No byte of an answer came, at once, over a connection that had been idle. */
  get #isStale(): boolean {
    return this.#isReused && this.status === 0 && performance.now() - this.#record.startedAt < STALE_WITHIN;
  }

  /** Tokens of the answer, as far as the provider told. */
  usage() {
    return this.mode === "events" ? this.events.usage : plainUsage(this.ending);
  }

  /** The end of the answer, or the stream's event that told its usage; a letter for each byte (latin1). */
  get ending(): string {
    if (this.#ending !== undefined) return this.#ending;
    if (this.mode === "events") return this.events.usageEvent?.toString("latin1") ?? "";
    this.#ending = endingOf(this.complete ? this.held : this.#tail);
    return this.#ending;
  }

  /** What the answer said where it told that: a stream's event, or a plain answer, the end of it when it is a large one. */
  told(): Buffer {
    if (this.mode === "events") return this.events.usageEvent ?? NOTHING_TOLD;
    const chunks = this.complete ? this.held : this.#tail;
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  }

  #onEvents(chunk: Buffer): void {
    const { events } = this;
    this.#quietTicks = 0;
    const passed = events.feed(chunk);
    if (this.#tokenTimer && events.contentSeen) {
      clearTimeout(this.#tokenTimer);
      this.#tokenTimer = undefined;
    }
    const { failure } = events;
    // An error instead of the first event: nothing was passed on, so another backend can still answer.
    if (failure && !failure.callersFault && this.#settle) {
      this.#fail("server_error", "sent an error inside a 200 stream");
    } else if (events.pendingBytes > LARGEST_EVENT_BYTES) this.#fail("malformed", "sent an event that is too large");
    else if (!this.#mayKeep(events.pendingBytes)) this.#refuse();
    else if (this.#mayYetFailOver()) this.held.push(...passed);
    else for (const bytes of passed) this.#emit(bytes);
  }

  /** With a limit for the first token, keep-alives and roles wait for it: until then another backend can answer. */
  #mayYetFailOver(): boolean {
    const isAwaited = this.#tokenTimer !== undefined && this.#settle !== undefined;
    return isAwaited && this.#bytes <= HELD_ANSWER_BYTES && this.#mayKeep(this.#bytes);
  }

  /** A body that ended cleanly after everything that was asked for is whole even without `[DONE]`. */
  #onEventsEnd(): void {
    for (const bytes of this.events.end()) this.#emit(bytes);
    if (this.events.failure) this.#end("the provider sent an error event");
    else if (this.events.whole) this.#end(undefined);
    else if (this.#settle) this.#fail("cut", "ended a stream before its first event");
    else this.#end("the stream ended before its last event");
  }

  #onPlain(chunk: Buffer): void {
    if (this.#settle === undefined) {
      keepTail(this.#tail, chunk);
      this.#emit(chunk);
      return;
    }
    this.held.push(chunk);
    const { translated } = this.#options;
    const isKept = this.#mayKeep(this.#bytes);
    if (translated && !isKept) {
      this.#refuse();
      return;
    }
    if (translated && this.#bytes > TRANSLATED_ANSWER_BYTES) {
      this.#fail("malformed", `answered with more than ${TRANSLATED_ANSWER_BYTES} bytes`);
      return;
    }
    // Audio is listened to while it comes.
    if (isJson(this.headers) && isKept && (translated || this.#bytes <= HELD_ANSWER_BYTES)) return;
    for (const one of this.held) keepTail(this.#tail, one);
    this.#pause();
    this.#settleWell();
  }

  #onPlainEnd(): void {
    this.complete = this.#settle !== undefined;
    if (this.complete && isJson(this.headers) && !(OPENING.test(this.#opening) && closes(this.ending))) {
      this.#fail("malformed", `answered ${this.status} with a body that is not JSON`);
    } else if (this.complete && ERROR_OPENING.test(this.#opening)) this.#failWithBody(ERROR_INSIDE);
    else this.#end(undefined);
  }

  /** How an answer that is held begins. */
  get #opening(): string {
    return this.#bytes <= ENDING_BYTES ? this.ending : (this.held[0]?.toString("latin1", 0, OPENING_BYTES) ?? "");
  }

  /** Whether so many bytes of the answer may be in memory now. */
  #mayKeep(bytes: number): boolean {
    if (bytes <= FREE_BYTES && this.#taken === 0) return true;
    const more = Math.max(0, bytes - FREE_BYTES) - this.#taken;
    if (more > 0 && !this.#options.pool.take(more)) return false;
    if (more < 0) this.#options.pool.give(-more);
    this.#taken += more;
    return true;
  }

  #refuse(): void {
    const message = "The gateway has no room for this answer among those that it keeps. Ask again in a moment.";
    this.refusal = new GatewayError("overloaded", message, { retryAfter: REFUSED_RETRY_AFTER });
    this.#fail("malformed", "is larger than the gateway has room for now");
  }

  #emit(chunk: Buffer): void {
    if (this.#sink) {
      if (!this.#sink.write(chunk)) this.#pause();
      return;
    }
    this.held.push(chunk);
    this.#settleWell();
  }

  #pause(): void {
    this.#paused = true;
    this.#controller?.pause();
  }

  #end(cut: string | undefined): void {
    if (this.#ended) return;
    this.#ended = { cut };
    this.#record.endedAt = performance.now();
    this.#settleWell();
    if (this.#sink) this.#finish();
  }

  #finish(): void {
    if (this.#ended?.cut === undefined) this.#sink?.whole();
    else this.#sink?.cut(this.#ended.cut);
  }

  #settleWell(): void {
    this.#settle?.({ ok: true });
    this.#settle = undefined;
  }

  #failWithBody(status = this.status): void {
    const error = readProviderError(status, Buffer.concat(this.held), {
      key: this.key,
      resource: this.#options.resource,
    });
    this.held = [];
    const detail = status === this.status ? `HTTP ${status}` : `sent an error inside a ${this.status}`;
    this.#fail(error.rule.outcome, error.code ?? detail, error);
  }

  #fail(outcome: Failure["outcome"], detail: string, error?: ProviderError, isStale = false): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#leave();
    this.#record.endedAt ??= performance.now();
    if (settle === undefined) {
      this.abort(detail);
      this.#end(detail);
      return;
    }
    const status = this.status === 0 ? undefined : this.status;
    const failure = { outcome, detail, status, headers: this.headers, error, ...(isStale && { isStale }) };
    settle({ ok: false, failure });
    this.#abortReason ??= detail;
    if (this.mode !== "error") this.#controller?.abort(new Error(detail));
  }

  #tick(idleTimeout: number): void {
    // A caller who reads slowly is not a provider that is idle. The first tick may come right after a chunk.
    if (!this.#paused && ++this.#quietTicks > IDLE_TICKS) this.#expire("idle", idleTimeout);
  }

  #expire(limit: string, ms: number): void {
    this.#fail("timeout", `timeouts.${limit} of ${ms} ms passed`);
  }

  /** Nothing is expected any more. */
  #leave(): void {
    this.#place?.give();
    this.#place = undefined;
    this.#options.pool.give(this.#taken);
    this.#taken = 0;
    clearTimeout(this.#requestTimer);
    clearTimeout(this.#phaseTimer);
    clearTimeout(this.#tokenTimer);
    this.#phaseTimer = undefined;
    this.#tokenTimer = undefined;
  }
}

function modeOf(status: number, headers: ResponseHeaders, bytes: boolean): Mode {
  if (status >= 400) return "error";
  if (status >= 300) return "waiting";
  const type = contentTypeOf(headers);
  if (type.startsWith("text/event-stream")) return "events";
  return bytes || isJson(headers) ? "plain" : "waiting";
}

function contentTypeOf(headers: ResponseHeaders): string {
  return String(headers["content-type"] ?? "");
}

function isJson(headers: ResponseHeaders): boolean {
  return contentTypeOf(headers).includes("json");
}

/** OpenAI's `x-request-id`; Azure's `apim-request-id`, which its support asks for. */
function idOf(headers: ResponseHeaders): string | undefined {
  const id = headers["apim-request-id"] ?? headers["x-request-id"];
  return typeof id === "string" ? id : undefined;
}

const OPENING_BYTES = 64;
const OPENING = /^\s*[{[]/;
/** Azure says so when it finds no capacity after it has begun to answer. */
const ERROR_OPENING = /^\s*\{\s*"error"\s*:\s*\{/;

/** Whether the last thing is the end of a JSON object or array. */
function closes(ending: string): boolean {
  let last = ending.length - 1;
  while (isSpace(ending.charCodeAt(last))) last--;
  return ending[last] === "}" || ending[last] === "]";
}
