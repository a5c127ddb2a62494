/**
 * What did an answer cost whose provider did not say?
 *
 * A stream that broke off, or one of an API version that cannot tell. Counted on a thread that is started when first
 * needed and ends when it has had nothing to do for a while. When more waits than it can take, four bytes are a token.
 */
import { Worker } from "node:worker_threads";
import type { Usage } from "../exchange.ts";
import { BYTES_PER_TOKEN } from "./bytes-per-token.ts";
import type { Counted, CountOrder } from "./count-worker.ts";
import { textBytes } from "./text-bytes.ts";

/** Larger bodies are not copied to be counted. */
const COUNTED_BODY_BYTES = 1024 * 1024;
/** What may wait for the thread. */
const MOST_WAITING = 256;
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
/** The tokenizer's tables take 50 MB. */
const IDLE_MS = 60_000;
/** A thread that ends by itself this often is not started again. */
const MOST_CRASHES = 3;

export interface Said {
  /** The request's body, in chunks; empty when it was not kept. */
  readonly request: readonly Buffer[];
  readonly requestBytes: number;
  /** The beginning of the answer's text as it stood in JSON strings. */
  readonly answer: Buffer;
  readonly answerBytes: number;
}

interface Waiting {
  readonly rough: Usage;
  readonly bytes: number;
  readonly resolve: (usage: Usage) => void;
}

export class UsageEstimator {
  readonly #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #lastID = 0;
  #worker: Worker | undefined;
  #crashes = 0;
  #idle: NodeJS.Timeout | undefined;

  /** Never rejects. What was said is read at once. */
  estimate(said: Said): Promise<Usage> {
    const rough = roughly(said);
    const bytes = said.answer.length + (said.requestBytes <= COUNTED_BODY_BYTES ? said.requestBytes : 0);
    const full = this.#waiting.size >= MOST_WAITING || this.#waitingBytes + bytes > MOST_WAITING_BYTES;
    if (full || this.#crashes >= MOST_CRASHES) return Promise.resolve(rough);
    return new Promise((resolve) => {
      const id = ++this.#lastID;
      this.#waiting.set(id, { rough, bytes, resolve });
      this.#waitingBytes += bytes;
      this.#send(id, said);
    });
  }

  /** What still waits is told roughly. */
  async close(): Promise<void> {
    this.#giveUp();
    await this.#stop();
  }

  #send(id: number, said: Said): void {
    const answer = Uint8Array.from(said.answer);
    const request = bodyOf(said);
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    const order: CountOrder = { id, answer, answerBytes: said.answerBytes, request };
    this.#worker.postMessage(order, request ? [answer.buffer, request.buffer] : [answer.buffer]);
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./count-worker.${extension}`, import.meta.url));
    worker.unref();
    worker.on("message", (counted: Counted) => this.#counted(counted));
    worker.on("error", () => {
      this.#crashes++;
      this.#worker = undefined;
      this.#giveUp();
    });
    return worker;
  }

  #counted({ id, input, output }: Counted): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#waitingBytes -= waiting.bytes;
    waiting.resolve({ ...waiting.rough, input: input ?? waiting.rough.input, output });
    if (this.#waiting.size > 0) return;
    this.#idle = setTimeout(() => void this.#stop(), IDLE_MS);
    this.#idle.unref();
  }

  #giveUp(): void {
    for (const { rough, resolve } of this.#waiting.values()) resolve(rough);
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

function roughly({ request, requestBytes, answerBytes }: Said): Usage {
  const inputBytes = request.length > 0 ? textBytes(request) : requestBytes;
  const tokens = (bytes: number) => Math.ceil(bytes / BYTES_PER_TOKEN);
  return { input: tokens(inputBytes), cachedInput: 0, output: tokens(answerBytes), reasoning: 0, estimated: true };
}

/** A copy, because it goes over to the thread. */
function bodyOf({ request, requestBytes }: Said): Uint8Array<ArrayBuffer> | undefined {
  if (request.length === 0 || requestBytes > COUNTED_BODY_BYTES) return undefined;
  const body = new Uint8Array(requestBytes);
  let at = 0;
  for (const chunk of request) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}
