/**
 * How does a body come in?
 *
 * Chunks are scanned as they arrive and kept for replay, up to the limits of one request and of all together. When
 * the pool is full and the model is known already, the rest streams through: one attempt, no replay.
 */
import type { IncomingMessage } from "node:http";
import { GatewayError } from "../errors.ts";
import type { ScanProblem } from "./field.ts";
import type { ReplayPool } from "./replay-pool.ts";
import type { BodyScan } from "./scan.ts";

/** Milliseconds after which a caller who found the pool full may come again. */
const POOL_RETRY_AFTER = 1000;

/** What takes the chunks as they come, and says what is wrong with them. */
export interface Arriving {
  readonly length: number;
  readonly complete: boolean;
  readonly problem: ScanProblem | undefined;
  readonly fields: BodyScan["fields"];
  /** It may name ids, which have to be translated. */
  readonly mentions: boolean;
  push(chunk: Buffer): void;
  /** Of a chunk that is passed on and not kept. */
  pass(chunk: Buffer): void;
}

/** What is still to come of a body that is not kept whole. */
export type Rest = AsyncIterable<Buffer>;

/** A JSON body as far as it was read. */
export interface Received {
  readonly scan: BodyScan;
  /** Undefined when all is here. */
  readonly rest: Rest | undefined;
}

/** A body that is kept and not looked at while it comes. */
export class KeptBody implements Arriving {
  readonly chunks: Buffer[] = [];
  readonly complete = true;
  readonly problem = undefined;
  readonly fields = new Map<string, never>();
  readonly mentions = false;
  length = 0;

  push(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  pass(chunk: Buffer): void {
    this.length += chunk.length;
  }

  bytes(): Buffer {
    return this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks, this.length);
  }
}

export class BodyReceiver {
  readonly #request: IncomingMessage;
  readonly #limit: number;
  readonly #pool: ReplayPool;
  readonly #body: Arriving;
  readonly #need: "model" | "whole";
  #taken = 0;
  /** What was found wrong in a part that was only passed on: the provider's connection was broken for it. */
  refusal: GatewayError | undefined;

  /** `need`: what a body must have before the rest may stream through when the pool is full. */
  constructor(
    request: IncomingMessage,
    limit: number,
    pool: ReplayPool,
    body: Arriving,
    need: "model" | "whole" = "model",
  ) {
    this.#need = need;
    this.#request = request;
    this.#limit = limit;
    this.#pool = pool;
    this.#body = body;
  }

  /** Gives back what the body took of the pool. Call when the request has been answered. */
  release(): void {
    this.#pool.give(this.#taken);
    this.#taken = 0;
    // Who took the body in one piece has not seen its end; a connection would hold the request, and all of its, until the next.
    this.#request.read(0);
  }

  /**
   * What is still to come, undefined when all is here; nothing to wait for when all came along with the head, as small
   * bodies do. Throws or rejects with a GatewayError, with one that means nothing to anybody when the caller goes away.
   */
  receive(): Promise<Rest | undefined> | undefined {
    const request = this.#request;
    const declared = Number(request.headers["content-length"] ?? 0);
    if (declared > this.#limit) throw tooLarge(this.#limit);
    const here = request.readableLength;
    if (here === 0 || here !== declared || !this.#pool.take(here)) return this.#arriving();
    this.#taken += here;
    this.#body.push(request.read() as Buffer);
    const problem = this.#refusal() ?? problemOf(this.#body, true);
    if (problem) throw problem;
    return undefined;
  }

  #arriving(): Promise<Rest | undefined> {
    return new Promise((resolve, reject) => {
      const request = this.#request;
      const settle = (outcome: () => void) => {
        request.off("data", onData);
        request.off("end", onEnd);
        request.off("close", onClose);
        outcome();
      };
      const onData = (chunk: Buffer) => {
        this.#body.push(chunk);
        const refusal = this.#refusal();
        if (refusal) {
          request.pause();
          return settle(() => reject(refusal));
        }
        if (this.#pool.take(chunk.length)) {
          this.#taken += chunk.length;
          return undefined;
        }
        request.pause();
        return settle(() => this.#withoutReplay(resolve, reject));
      };
      const onEnd = () =>
        settle(() => {
          const problem = problemOf(this.#body, true);
          if (problem) reject(problem);
          else resolve(undefined);
        });
      const onClose = () => settle(() => reject(new GatewayError("bad_request", "The request was not sent whole.")));
      request.on("data", onData);
      request.on("end", onEnd);
      request.on("close", onClose);
    });
  }

  #refusal(): GatewayError | undefined {
    if (this.#body.length > this.#limit) return tooLarge(this.#limit);
    return problemOf(this.#body, false);
  }

  #withoutReplay(resolve: (rest: Rest) => void, reject: (error: Error) => void): void {
    if (this.#need === "model" && this.#body.fields.has("model") && !this.#body.mentions) resolve(this.#remaining());
    else reject(poolIsFull(""));
  }

  #untranslated(): GatewayError | undefined {
    return this.#body.mentions ? poolIsFull(", and this one names ids") : undefined;
  }

  /** The rest, still scanned: a second `model` further on ends the request. */
  async *#remaining(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#request as AsyncIterable<Buffer>) {
      this.#body.pass(chunk);
      this.refusal = this.#refusal() ?? this.#untranslated();
      if (this.refusal) throw this.refusal;
      yield chunk;
    }
    this.refusal = problemOf(this.#body, true);
    if (this.refusal) throw this.refusal;
  }
}

function poolIsFull(what: string): GatewayError {
  const message = `The gateway holds as many request bodies as it may${what}. Ask again in a moment.`;
  return new GatewayError("overloaded", message, { retryAfter: POOL_RETRY_AFTER });
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError(
    "request_too_large",
    `The request body is larger than the gateway's limit of ${limit} bytes.`,
  );
}

function problemOf(scan: Arriving, ended: boolean): GatewayError | undefined {
  const problem = scan.problem;
  if (problem?.code === "duplicate_field") {
    const message = `The field '${problem.field}' stands more than once in the body. Send it once.`;
    return new GatewayError("duplicate_field", message, { param: problem.field });
  }
  if (problem?.code === "late_field") {
    // Not a 400: with room in the pool the same body would have been served.
    const message = `The gateway holds as many request bodies as it may, so the field '${problem.field}' came too late to be changed for its provider. Ask again in a moment.`;
    return new GatewayError("overloaded", message, { param: problem.field, retryAfter: POOL_RETRY_AFTER });
  }
  if (problem) {
    return new GatewayError(
      "invalid_json",
      `The body is not a JSON object: unexpected byte at offset ${problem.offset}.`,
    );
  }
  if (!ended || scan.complete) return undefined;
  const what = scan.length === 0 ? "is empty" : "ends before the JSON object does";
  return new GatewayError("invalid_json", `The body ${what}. Send one JSON object.`);
}
