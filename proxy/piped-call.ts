/**
 * What becomes of one piped request?
 *
 * Watches it from both ends: time limits, the size of the body, the answer on its way back, and who broke it off. An
 * answer that breaks off breaks the caller's connection, so that it never looks whole.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable, Transform } from "node:stream";
import type { TLSSocket } from "node:tls";
import { readProviderError } from "./dialects/provider-error.ts";
import { GatewayError, insteadOf } from "./errors.ts";
import type { AttemptOutcome } from "./exchange.ts";
import { responseHeaders } from "./headers.ts";
import type { PassthroughCall, PassthroughOptions } from "./passthrough.ts";
import type { Way } from "./passthrough-agents.ts";
import { errorHeaders, idOf, invalid, tooLarge, unreachable } from "./piped-errors.ts";
import { hasBody, metered, ownLocation, sentHeaders, targetOf } from "./piped-request.ts";
import { EgressError } from "./upstream/connect-error.ts";

/** As much of a provider's error is read. */
const ERROR_BODY_BYTES = 256 * 1024;
const OK = 200;
/** What is not true any more of bytes that were translated. */
const OF_THE_BYTES = ["content-length", "content-md5", "etag", "accept-ranges", "digest"];
const BROKEN = "the provider's connection broke";

interface Settle {
  resolve(): void;
  reject(error: GatewayError): void;
}

export class PipedCall {
  readonly way: Way;
  readonly target: URL;
  /** What is sent instead of the request itself; undefined when it has no body. */
  body: Readable | undefined;
  /** Resolves when the answer has ended; rejects when none was begun. */
  readonly ended: Promise<void>;

  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #call: PassthroughCall;
  readonly #streams: PassthroughOptions["streams"];
  #settle: Settle | undefined;
  #upstream: ClientRequest | undefined;
  #connected = false;
  #timer: NodeJS.Timeout | undefined;
  #connectTimer: NodeJS.Timeout | undefined;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    call: PassthroughCall,
    way: Way,
    streams: PassthroughOptions["streams"],
  ) {
    this.#request = request;
    this.#response = response;
    this.#call = call;
    this.#streams = streams;
    this.way = way;
    this.target = targetOf(way.origin, call.path);
    this.ended = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** Before the middleware runs: what goes upstream, and the limits. Throws what need not be tried. */
  prepare(): void {
    const { provider, limit } = this.#call;
    if (this.way.refused) {
      this.#note("connect_error", this.way.refused.message);
      throw unreachable(provider.name);
    }
    if (Number(this.#request.headers["content-length"] ?? 0) > limit) {
      this.#note("aborted", "request_too_large");
      throw tooLarge(limit);
    }
    if (hasBody(this.#request)) {
      const tooMuch = () => this.#fail("aborted", "request_too_large", tooLarge(limit));
      this.body = this.#request.pipe(metered(this.#call.exchange, limit, tooMuch));
    }
    this.#request.headers = sentHeaders(this.#request, this.#call, this.way.host);
    this.#response.once("close", () => this.#onClose());
    const { request } = provider.timeouts;
    this.#timer = setTimeout(() => this.#expire(`timeouts.request of ${request} ms`), request);
  }

  /** The connection was taken from the pool or is being made. */
  onUpstream(upstream: ClientRequest): void {
    this.#upstream = upstream;
    if (this.#settle === undefined) upstream.destroy();
    const socket = upstream.socket as (Socket & Partial<TLSSocket>) | null;
    if (!socket?.connecting) {
      this.#connected = true;
      return;
    }
    const { connect } = this.#call.provider.timeouts;
    this.#connectTimer = setTimeout(() => this.#expire(`timeouts.connect of ${connect} ms`), connect);
    socket.once(socket.encrypted ? "secureConnect" : "connect", () => {
      this.#connected = true;
      clearTimeout(this.#connectTimer);
    });
  }

  onAnswer(answer: IncomingMessage): void {
    const { attempt } = this.#call;
    const status = answer.statusCode ?? 0;
    attempt.respondedAt = performance.now();
    attempt.status = status;
    attempt.providerRequestID = idOf(answer);
    if (this.#settle === undefined) answer.destroy();
    else if (status >= 400) this.#collectError(status, answer);
    else this.#relay(status, answer);
  }

  /** The connection failed, or broke before the answer had begun; what breaks later is told by `close`. */
  onError(error: NodeJS.ErrnoException): void {
    if (this.#settle === undefined || this.#response.headersSent) return;
    const { name } = this.#call.provider;
    const code = error.code ?? error.name;
    if (this.#response.destroyed) this.#end("aborted", undefined);
    else if (error instanceof EgressError) this.#fail("connect_error", error.message, unreachable(name));
    else if (!this.#connected) this.#fail("connect_error", code, unreachable(name));
    else if (code.startsWith("HPE_")) this.#fail("malformed", code, invalid(name));
    else this.#fail("reset", code, unreachable(name));
  }

  #relay(status: number, answer: IncomingMessage): void {
    const { translator } = this.#call;
    answer.on("error", () => this.#cut(BROKEN));
    answer.on("close", () => {
      if (!answer.complete) this.#cut(BROKEN);
    });
    // A part of a file may begin within a line.
    this.#pass(status, answer, status === OK ? translator : undefined);
  }

  #pass(status: number, answer: IncomingMessage, translator: Transform | undefined): void {
    if (this.#settle === undefined) return;
    const { exchange, provider, answerHeaders } = this.#call;
    const headers = responseHeaders(answer.headers, this.#call.key);
    if (translator) for (const name of OF_THE_BYTES) delete headers[name];
    if (typeof headers.location === "string") headers.location = ownLocation(headers.location, provider.endpoint);
    exchange.status = status;
    exchange.firstByteAt = performance.now();
    exchange.stream = String(headers["content-type"]).startsWith("text/event-stream");
    if (exchange.stream) this.#watchStream();
    this.#response.writeHead(status, answerHeaders(headers));
    // The first event may be far away, but the caller wants to know that the request was taken.
    this.#response.flushHeaders();
    const { idle } = provider.timeouts;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onIdle(answer, idle), idle);
    answer.on("data", (chunk: Buffer) => {
      exchange.responseBytes += chunk.length;
      this.#timer?.refresh();
    });
    // A caller who takes nothing for a while is taken to be gone: Node breaks a connection whose time is over.
    const { readerPatience } = this.#call;
    answer.on("pause", () => this.#response.socket?.setTimeout(readerPatience));
    this.#response.on("drain", () => this.#response.socket?.setTimeout(0));
    answer.on("end", () => {
      if (this.#response.writableLength > 0) this.#response.socket?.setTimeout(readerPatience);
      this.#end("ok", undefined);
    });
    if (translator) answer.pipe(translator).pipe(this.#response);
    else answer.pipe(this.#response);
  }

  /** A caller who reads slowly is not a provider that is idle. */
  #onIdle(answer: IncomingMessage, idle: number): void {
    if (answer.isPaused()) this.#timer?.refresh();
    else this.#cut(`timeouts.idle of ${idle} ms passed`);
  }

  #watchStream(): void {
    this.#streams?.streamOpened();
    this.#response.once("close", () => this.#streams?.streamClosed());
  }

  #collectError(status: number, answer: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let size = 0;
    answer.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= ERROR_BODY_BYTES) chunks.push(chunk);
    });
    // httpxy breaks the caller's connection then: nothing else can be answered.
    answer.once("error", () => this.#cut(BROKEN));
    answer.once("close", () => this.#refuse(status, answer, Buffer.concat(chunks)));
  }

  #refuse(status: number, answer: IncomingMessage, body: Buffer): void {
    const { exchange, answerHeaders } = this.#call;
    if (this.#settle === undefined) return;
    const error = readProviderError(status, body, {
      key: this.#call.key,
      resource: true,
      coding: answer.headers["content-encoding"],
    });
    const { rule, shown } = error;
    const detail = error.code ?? `HTTP ${status}`;
    if (rule.instead) {
      this.#fail(rule.outcome, detail, insteadOf(rule.instead, status, error.code));
      return;
    }
    const length = Buffer.byteLength(shown.body);
    exchange.status = shown.status;
    exchange.outcome = "provider_error";
    exchange.errorCode = shown.code ?? String(shown.status);
    exchange.errorOrigin = "provider";
    exchange.firstByteAt = performance.now();
    exchange.responseBytes = length;
    const headers = errorHeaders(answer, length, this.#call.key);
    if (rule.retry === "never") headers["x-should-retry"] = "false";
    this.#response.writeHead(shown.status, answerHeaders(headers));
    this.#response.end(this.#request.method === "HEAD" ? undefined : shown.body);
    this.#end(rule.outcome, detail);
  }

  #expire(what: string): void {
    const { name } = this.#call.provider;
    this.#fail(
      "timeout",
      `${what} passed`,
      new GatewayError("upstream_timeout", `The provider ${name} did not answer in time: ${what} passed.`),
    );
  }

  /** The caller's connection has closed: after the answer, or before. */
  #onClose(): void {
    if (this.#settle === undefined) return;
    this.#call.exchange.outcome ??= "client_closed";
    this.#end("aborted", undefined);
  }

  #cut(detail: string): void {
    const { exchange } = this.#call;
    if (this.#settle === undefined) return;
    exchange.outcome = "cut";
    exchange.errorCode = "stream_interrupted";
    exchange.errorOrigin = "provider";
    this.#end("cut", detail);
    this.#response.destroy();
  }

  #fail(outcome: AttemptOutcome, detail: string, error: GatewayError): void {
    this.#finish(outcome, detail)?.reject(error);
  }

  #end(outcome: AttemptOutcome, detail: string | undefined): void {
    const { exchange } = this.#call;
    if (outcome === "ok") exchange.outcome ??= "ok";
    this.#finish(outcome, detail)?.resolve();
  }

  #note(outcome: AttemptOutcome, detail: string | undefined): void {
    const { attempt } = this.#call;
    attempt.outcome = outcome;
    attempt.detail = detail;
    attempt.endedAt = performance.now();
  }

  /** Whoever comes first tells how it ended; an unfinished request to the provider ends. */
  #finish(outcome: AttemptOutcome, detail: string | undefined): Settle | undefined {
    const settle = this.#settle;
    if (settle === undefined) return undefined;
    this.#settle = undefined;
    this.#note(outcome, detail);
    clearTimeout(this.#timer);
    clearTimeout(this.#connectTimer);
    this.#request.unpipe();
    // What the caller still sends is thrown away: the answer is there.
    this.#request.resume();
    if (outcome !== "ok") this.#upstream?.destroy();
    return settle;
  }
}
