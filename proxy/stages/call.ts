/**
 * What comes of one attempt at a provider?
 *
 * Receives undici's events for one request. Up to the first byte that may be passed on nothing is decided; then it
 * `settled`: an answer to relay, or a failure that the attempt loop judges. After that an answer flows into its sink.
 */
import type { ReplayPool } from "../body/replay-pool.ts";
import { type ProviderError, readProviderError } from "../dialects/provider-error.ts";
import type { GatewayError } from "../errors.ts";
import type { AttemptRecord } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import { EventReader, LARGEST_EVENT_BYTES, type ReaderOptions } from "../sse/reader.ts";
import type { Places } from "../upstream/concurrency.ts";
import type { DispatchController, DispatchHandler } from "../upstream/connections.ts";
import { transportFailure } from "../upstream/failure.ts";
import { contentTypeOf, isJson, type Mode, modeOf, requestIDOf } from "./answer-head.ts";
import { HeldAnswer, noRoom } from "./held-answer.ts";
import { isErrorInside, isWholeJson, plainUsage } from "./plain-answer.ts";
import type { Failure, ResponseHeaders, Settled, Sink } from "./settled.ts";
import { type Timed, TimeLimits } from "./time-limits.ts";

/** A plain answer up to this size is held until it is whole, so that a broken one fails over. */
export const HELD_ANSWER_BYTES = 1024 * 1024;
/** One whose ids have to be translated is held whole, and refused when it is larger: images in base64 fit. */
const TRANSLATED_ANSWER_BYTES = 64 * 1024 * 1024;
/** An error inside an answer that began well counts as this status. */
const ERROR_INSIDE = 500;
const INSIDE_STREAM = "sent an error inside a 200 stream";
const NOTHING_TOLD = Buffer.alloc(0);
/** Milliseconds within which a request learns that its connection was closed already: longer than any round trip. */
const STALE_WITHIN = 2_000;
/** As much of an error's body is read. */
const ERROR_BODY_BYTES = 256 * 1024;

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

export class UpstreamCall implements DispatchHandler, Timed {
  readonly settled: Promise<Settled>;
  status = 0;
  headers: ResponseHeaders = {};
  /** The gateway's key or token that was sent, which must not come back. */
  key: string | undefined;
  /** Chunks of the answer that were not passed on, among them the whole of most plain ones. */
  readonly held: HeldAnswer;
  #events: EventReader | undefined;
  /** Made when first asked for: most answers are not streams. */
  get events(): EventReader {
    this.#events ??= new EventReader(this.reading, this.key);
    return this.#events;
  }
  mode: Mode = "waiting";
  /** Its sink takes nothing now. */
  paused = false;

  /** The gateway has no memory left for the answer: no fault of the provider's. */
  refusal: GatewayError | undefined;

  readonly #record: AttemptRecord;
  readonly #options: CallOptions;
  /** How an answer that is an event stream is read. May be set until it begins. */
  reading: ReaderOptions;
  #settle: ((settled: Settled) => void) | undefined;
  #controller: DispatchController | undefined;
  #sink: Sink | undefined;
  #hasEnded = false;
  /** How it broke off, once it has ended. */
  #cut: string | undefined;
  #abortReason: string | undefined;
  /** The request goes over a connection that others used before. */
  #isReused = false;
  /** Taken for it at the provider; given back when it has ended, however it ends. */
  #place: Places | undefined;
  readonly #limits: TimeLimits;

  /** `target.places` must have a place for it. */
  constructor(target: Target, record: AttemptRecord, options: CallOptions) {
    this.#place = target.places;
    this.#record = record;
    this.#options = options;
    this.reading = options.reading;
    this.held = new HeldAnswer(options.pool);
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#limits = new TimeLimits(target, this, options.stream);
  }

  /** Lets the answer flow. Call once, after it settled well. */
  pipe(sink: Sink): void {
    this.#sink = sink;
    const held = this.held.chunks;
    this.held.chunks = [];
    let flowing = true;
    for (const chunk of held) flowing = sink.write(chunk) && flowing;
    this.held.mayKeep(0);
    if (this.#hasEnded) this.#finish();
    else if (flowing) this.resume();
    else this.#pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.#controller?.resume();
    this.#limits.heard();
  }

  /** Ends the attempt; whoever waits for it learns nothing more but `aborted`. */
  abort(reason: string): void {
    this.#abortReason ??= reason;
    this.#leave();
    this.#controller?.abort(new Error(reason));
  }

  expire(limit: string, ms: number): void {
    this.#fail("timeout", `timeouts.${limit} of ${ms} ms passed`);
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
    this.#record.providerRequestID = requestIDOf(headers);
    this.mode = modeOf(status, headers, this.#options.bytes);
    this.#limits.headCame(this.mode === "events");
    if (this.mode === "waiting") {
      const what = status < 300 ? `content-type ${contentTypeOf(headers) || "missing"}` : "a redirect";
      this.#fail("malformed", `answered ${status} with ${what}`);
    }
  }

  onResponseData(_controller: DispatchController, chunk: Buffer): void {
    const { held } = this;
    held.bytes += chunk.length;
    if (this.mode === "events") this.#onEvents(chunk);
    else if (this.mode === "plain") this.#onPlain(chunk);
    else if (this.mode === "error") this.#onErrorBody(chunk);
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
    if (this.#settle === undefined) this.#end(this.#abortReason ?? this.#broken(failure.detail));
    // What it means is said by the status already.
    else if (this.mode === "error") this.#failWithBody();
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
    return this.mode === "events" ? (this.events.usageEvent?.toString("latin1") ?? "") : this.held.ending;
  }

  /** What the answer said where it told that: a stream's event, or a plain answer, the end of it when it is a large one. */
  told(): Buffer {
    return this.mode === "events" ? (this.events.usageEvent ?? NOTHING_TOLD) : this.held.told();
  }

  #onEvents(chunk: Buffer): void {
    const { events } = this;
    this.#limits.heard();
    const passed = events.feed(chunk);
    if (this.#limits.awaitsToken && events.contentSeen) this.#limits.tokenCame();
    const { failure } = events;
    // An error instead of the first event: nothing was passed on, so another backend can still answer.
    if (failure && !failure.callersFault && this.#settle) {
      this.#failWith(readProviderError(ERROR_INSIDE, Buffer.from(failure.body), { key: this.key }), INSIDE_STREAM);
    } else if (events.pendingBytes > LARGEST_EVENT_BYTES) this.#fail("malformed", "sent an event that is too large");
    else if (!this.held.mayKeep(events.pendingBytes)) this.#refuse();
    else if (this.#mayYetFailOver()) this.held.chunks.push(...passed);
    else for (const bytes of passed) this.#emit(bytes);
  }

  /** With a limit for the first token, keep-alives and roles wait for it: until then another backend can answer. */
  #mayYetFailOver(): boolean {
    const isAwaited = this.#limits.awaitsToken && this.#settle !== undefined;
    return isAwaited && this.held.bytes <= HELD_ANSWER_BYTES && this.held.mayKeep(this.held.bytes);
  }

  /** A body that ended cleanly after everything that was asked for is whole even without `[DONE]`. */
  #onEventsEnd(): void {
    for (const bytes of this.events.end()) this.#emit(bytes);
    if (this.events.failure) this.#end("the provider sent an error event");
    else if (this.events.whole) this.#end(undefined);
    else if (this.#settle) this.#fail("cut", "ended a stream before its first event");
    else this.#end("the stream ended before its last event");
  }

  /** How its answer broke off: not at all where the last event had come and only the end of the body was awaited. */
  #broken(detail: string): string | undefined {
    return this.mode === "events" && this.events.complete ? undefined : detail;
  }

  #onPlain(chunk: Buffer): void {
    if (this.#settle === undefined) {
      this.held.passOn(chunk);
      this.#emit(chunk);
      return;
    }
    this.held.chunks.push(chunk);
    const { translated } = this.#options;
    const isKept = this.held.mayKeep(this.held.bytes);
    if (translated && !isKept) {
      this.#refuse();
      return;
    }
    if (translated && this.held.bytes > TRANSLATED_ANSWER_BYTES) {
      this.#fail("malformed", `answered with more than ${TRANSLATED_ANSWER_BYTES} bytes`);
      return;
    }
    // Audio is listened to while it comes.
    if (isJson(this.headers) && isKept && (translated || this.held.bytes <= HELD_ANSWER_BYTES)) return;
    for (const one of this.held.chunks) this.held.passOn(one);
    this.#pause();
    this.#settleWell();
  }

  #onPlainEnd(): void {
    const { held } = this;
    held.complete = this.#settle !== undefined;
    if (held.complete && isJson(this.headers) && !isWholeJson(held.opening, held.ending)) {
      this.#fail("malformed", `answered ${this.status} with a body that is not JSON`);
    } else if (held.complete && isErrorInside(held.opening)) this.#failWithBody(ERROR_INSIDE);
    else this.#end(undefined);
  }

  #refuse(): void {
    this.refusal = noRoom();
    this.#fail("malformed", "is larger than the gateway has room for now");
  }

  #emit(chunk: Buffer): void {
    if (this.#sink) {
      if (!this.#sink.write(chunk)) this.#pause();
      return;
    }
    this.held.chunks.push(chunk);
    this.#settleWell();
  }

  #pause(): void {
    this.paused = true;
    this.#controller?.pause();
  }

  #end(cut: string | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cut = cut;
    this.#record.endedAt = performance.now();
    this.#settleWell();
    if (this.#sink) this.#finish();
  }

  #finish(): void {
    if (this.#cut === undefined) this.#sink?.whole();
    else this.#sink?.cut(this.#cut);
  }

  #settleWell(): void {
    this.#settle?.({ ok: true });
    this.#settle = undefined;
  }

  #onErrorBody(chunk: Buffer): void {
    const { held } = this;
    if (this.#settle === undefined) return;
    const isKept = held.mayKeep(held.bytes);
    if (isKept) held.chunks.push(chunk);
    if (isKept && held.bytes < ERROR_BODY_BYTES) return;
    // What is so long says nothing more, and may never end.
    this.#failWithBody();
    this.#controller?.abort(new Error("the error is too long"));
  }

  #failWithBody(status = this.status): void {
    const error = readProviderError(status, Buffer.concat(this.held.chunks), {
      key: this.key,
      resource: this.#options.resource,
      coding: this.headers["content-encoding"],
    });
    this.held.chunks = [];
    this.#failWith(error, status === this.status ? `HTTP ${status}` : `sent an error inside a ${this.status}`);
  }

  #failWith(error: ProviderError, detail: string): void {
    this.#fail(error.rule.outcome, error.code ?? detail, error);
  }

  #fail(outcome: Failure["outcome"], detail: string, error?: ProviderError, isStale = false): void {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#leave();
    this.#record.endedAt ??= performance.now();
    if (settle === undefined) {
      this.#end(this.#broken(detail));
      this.abort(detail);
      return;
    }
    const status = this.status === 0 ? undefined : this.status;
    const failure = {
      outcome,
      detail,
      status,
      headers: this.headers,
      error,
      key: this.key,
      ...(isStale && { isStale }),
    };
    settle({ ok: false, failure });
    this.#abortReason ??= detail;
    if (this.mode !== "error") this.#controller?.abort(new Error(detail));
  }

  /** Nothing is expected any more. */
  #leave(): void {
    this.#place?.give();
    this.#place = undefined;
    this.held.release();
    this.#limits.end();
  }
}
