/**
 * How does an answer flow to the caller that is not whole yet, and what happens when it breaks off?
 *
 * A cut answer never ends like a whole one: a stream ends with an error event, another one with a broken connection. With
 * `failover.streamRecovery: Splice` a stream is asked for again at the next backend first, and goes on where the new
 * answer begins with exactly what the caller has.
 */
import type { RequestContext } from "../context.ts";
import type { Headers } from "../headers.ts";
import { StoredChatStream } from "../ids/chat-stream.ts";
import { Continuation } from "../sse/continuation.ts";
import { measureFirstToken } from "../strategy/fastest.ts";
import { attempt } from "./attempt.ts";
import { originOf } from "./attempt-record.ts";
import type { UpstreamCall } from "./call.ts";
import { noteBroken } from "./count-usage.ts";
import { recoverableText } from "./recoverable.ts";
import type { Failure, Sink } from "./settled.ts";
import { awaitReader, readerIsBack } from "./slow-reader.ts";

export function flow(context: RequestContext, call: UpstreamCall, headers: Headers): Promise<void> {
  return new Promise((resolve) => new Flow(context, call, resolve).begin(headers));
}

class Flow implements Sink {
  readonly #context: RequestContext;
  readonly #resolve: () => void;
  readonly #events: boolean;
  readonly #stored: StoredChatStream | undefined;
  #call: UpstreamCall;
  /** Holds the answer that flows now against what the caller has of the one before. */
  #continuation: Continuation | undefined;
  #ended = false;

  constructor(context: RequestContext, call: UpstreamCall, resolve: () => void) {
    this.#context = context;
    this.#call = call;
    this.#resolve = resolve;
    this.#events = call.mode === "events";
    this.#stored = this.#events && context.stored ? new StoredChatStream(context) : undefined;
  }

  begin(headers: Headers): void {
    const { response, exchange, services } = this.#context;
    response.on("drain", () => {
      readerIsBack(this.#context);
      this.#call.resume();
    });
    if (this.#events) services.telemetry.streamOpened();
    exchange.firstByteAt = performance.now();
    response.writeHead(this.#call.status, headers);
    this.#call.pipe(this);
  }

  write(chunk: Buffer): boolean {
    const { exchange } = this.#context;
    if (this.#continuation) return this.#goOn(this.#continuation, chunk);
    exchange.responseBytes += chunk.length;
    if (this.#events && exchange.firstTokenAt === undefined && this.#call.events.contentSeen) {
      this.#noteFirstToken();
    }
    return this.#pass(this.#stored ? this.#stored.translate(chunk) : chunk);
  }

  #noteFirstToken(): void {
    const { exchange, timed } = this.#context;
    const at = performance.now();
    exchange.firstTokenAt = at;
    if (timed) measureFirstToken(this.#context, at);
  }

  /** False: the caller has not taken it yet. */
  #pass(bytes: Buffer): boolean {
    this.#context.sample?.kept.add(bytes);
    const isTaken = this.#context.response.write(bytes);
    if (!isTaken) awaitReader(this.#context);
    return isTaken;
  }

  whole(): void {
    if (this.#ended) return;
    if (!this.#isHeard) {
      this.#isAnother();
      return;
    }
    const { response, exchange, target, ticket } = this.#context;
    target?.availability.succeeded(ticket);
    const missing = this.#events ? this.#call.events.missingEnd : undefined;
    if (missing) response.write(missing);
    response.end();
    awaitReader(this.#context);
    exchange.outcome ??= "ok";
    this.#finish();
  }

  cut(detail: string): void {
    const context = this.#context;
    if (this.#ended) return;
    if (context.closed) {
      context.target?.availability.released(context.ticket);
      this.#finish();
      return;
    }
    const had = this.#isHeard ? recoverableText(context, this.#call) : this.#continuation?.had;
    this.#judge(detail);
    // A filter's refusal goes nowhere, also from here.
    if (had === undefined || this.#call.events.failure?.callersFault) this.#endCut();
    else void this.#askAgain(had, detail);
  }

  /** What comes now reaches the caller: it is not only held against what the caller has. */
  get #isHeard(): boolean {
    return this.#continuation === undefined || this.#continuation.state === "joined";
  }

  /** What the break says of the provider. */
  #judge(detail: string): void {
    const { exchange, target, ticket } = this.#context;
    const record = exchange.attempts.at(-1);
    if (record) {
      record.outcome = "cut";
      record.detail = detail;
    }
    if (this.#call.refusal) target?.availability.released(ticket);
    else if (this.#events && this.#call.events.failure?.callersFault) target?.availability.succeeded(ticket);
    else target?.availability.failed(ticket, "model", detail, record && originOf(this.#context, record));
  }

  async #askAgain(had: string, detail: string): Promise<void> {
    const context = this.#context;
    const { walk, target } = context;
    if (!walk || !target) return this.#endCut();
    // What was heard of it is paid for as well.
    context.counting = [...(context.counting ?? []), noteBroken(context, this.#call)];
    walk.recovers(target, cutFailure(detail));
    const answered = await attempt(context).then(
      () => context.call !== undefined,
      () => false,
    );
    if (context.closed) return this.#finish();
    if (!answered || !context.call) return this.#endCut();
    this.#call = context.call;
    this.#continuation = new Continuation(had);
    if (this.#call.mode === "events") this.#call.pipe(this);
    else this.#isAnother();
    return undefined;
  }

  #goOn(continuation: Continuation, chunk: Buffer): boolean {
    if (this.#ended) return false;
    const { exchange } = this.#context;
    let flowing = true;
    for (const bytes of continuation.take(chunk)) {
      exchange.responseBytes += bytes.length;
      flowing = this.#pass(bytes) && flowing;
    }
    if (continuation.state === "different") this.#isAnother();
    else if (exchange.firstTokenAt === undefined && this.#call.events.contentSeen) this.#noteFirstToken();
    return flowing;
  }

  /** The new answer does not begin with what the caller has. */
  #isAnother(): void {
    const { exchange, target, ticket } = this.#context;
    const record = exchange.attempts.at(-1);
    if (record) record.detail = "its answer begins otherwise than what the caller has";
    target?.availability.succeeded(ticket);
    this.#call.abort("the answer begins otherwise");
    this.#endCut();
  }

  #endCut(): void {
    const { response, exchange } = this.#context;
    const ownEvent = this.#events && this.#isHeard ? this.#call.events.failure : undefined;
    exchange.outcome = ownEvent ? "provider_error" : "cut";
    exchange.errorCode = "stream_interrupted";
    exchange.errorOrigin = "provider";
    if (!this.#events) response.destroy();
    else {
      if (!ownEvent) response.write(this.#call.events.interruption());
      response.end();
    }
    this.#finish();
  }

  #finish(): void {
    const { exchange, operation, services, call } = this.#context;
    this.#ended = true;
    // Who looks at an answer once more does not pay for it once more. What broke off is noted with its attempt.
    exchange.usage = operation?.handling === "inference" ? call?.usage() : undefined;
    if (this.#events) services.telemetry.streamClosed();
    this.#resolve();
  }
}

function cutFailure(detail: string): Failure {
  return { outcome: "cut", detail, status: undefined, headers: {}, error: undefined };
}
