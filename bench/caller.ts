/**
 * How is one request sent, timed, and its answer checked? A raw socket with at most one request on it.
 */

import net from "node:net";
import { performance } from "node:perf_hooks";
import { MessageReader } from "./http1.ts";
import type { Order } from "./load.ts";

const OK = "HTTP/1.1 200";
/** How much of a wrong answer is shown. */
const ERROR_BYTES = 200;
/** Shared by all connections: what was read is looked at before the next read. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

/** Latencies are milliseconds from the write of the request. */
export interface LoadResult {
  readonly requests: number;
  readonly errors: number;
  /** What the first wrong answer looked like. */
  readonly firstError: string | undefined;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  /** Until the first payload byte. */
  readonly firstByteP50: number;
}

/** What the requests of one order came to. */
export class Tally {
  readonly latencies: number[] = [];
  readonly firstBytes: number[] = [];
  errors = 0;
  firstError: string | undefined;
  readonly startedAt = performance.now();
  lastAt = this.startedAt;

  fail(message: string): void {
    this.errors += 1;
    this.firstError ??= message;
  }

  result(): LoadResult {
    const sorted = this.latencies.sort((a, b) => a - b);
    const firstBytes = this.firstBytes.sort((a, b) => a - b);
    return {
      requests: sorted.length,
      errors: this.errors,
      firstError: this.firstError,
      seconds: (this.lastAt - this.startedAt) / 1000,
      p50: quantile(sorted, 0.5),
      p99: quantile(sorted, 0.99),
      firstByteP50: quantile(firstBytes, 0.5),
    };
  }
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** One connection with at most one request on it. `idle` is called after each answer, right or wrong. */
export class Caller {
  closed = false;
  readonly #reader = new MessageReader();
  readonly #socket: net.Socket;
  readonly #order: Order;
  readonly #tally: Tally;
  readonly #idle: (caller: Caller) => void;
  #busy = false;
  #sentAt = 0;
  #sawPayload = false;

  constructor(order: Order, tally: Tally, idle: (caller: Caller) => void) {
    this.#order = order;
    this.#tally = tally;
    this.#idle = idle;
    this.#socket = net.connect({
      host: order.host,
      port: order.port,
      noDelay: true,
      onread: { buffer: readBuffer, callback: (bytes, buffer) => this.#read(buffer as Buffer, bytes) },
    });
    this.#socket.on("error", (error) => this.#end(error.message));
    this.#socket.on("close", () => this.#end("the connection closed before the answer was whole"));
  }

  send(request: Buffer): void {
    this.#busy = true;
    this.#sawPayload = false;
    this.#reader.reset();
    this.#sentAt = performance.now();
    this.#socket.write(request);
  }

  destroy(): void {
    this.#busy = false;
    this.closed = true;
    this.#socket.destroy();
  }

  #read(buffer: Buffer, bytes: number): boolean {
    try {
      const whole = this.#reader.push(buffer.subarray(0, bytes));
      if (!this.#sawPayload && this.#reader.payloadBytes > 0) this.#firstPayload();
      if (whole) this.#answered(buffer, bytes);
    } catch (error) {
      this.#socket.destroy();
      this.#end((error as Error).message);
    }
    return true;
  }

  #firstPayload(): void {
    this.#sawPayload = true;
    this.#tally.firstBytes.push(performance.now() - this.#sentAt);
    if (this.#order.payload === undefined && this.#reader.head.startsWith(OK)) this.#count();
  }

  #answered(buffer: Buffer, bytes: number): void {
    const { head, payloadBytes } = this.#reader;
    const { least, most } = this.#order.payload ?? { least: 0, most: 0 };
    if (head.startsWith(OK) && payloadBytes >= least && payloadBytes <= most) {
      this.#count();
      return;
    }
    const status = head.slice(0, head.indexOf("\r"));
    const end = buffer.toString("latin1", Math.max(0, bytes - ERROR_BYTES), bytes);
    this.#tally.fail(`${status}, ${payloadBytes} of ${least} bytes: ${end}`);
    this.#free();
  }

  #count(): void {
    const now = performance.now();
    this.#tally.latencies.push(now - this.#sentAt);
    this.#tally.lastAt = now;
    this.#free();
  }

  #free(): void {
    this.#busy = false;
    this.#idle(this);
  }

  #end(reason: string): void {
    if (this.closed) return;
    this.closed = true;
    if (!this.#busy) return;
    this.#tally.fail(reason);
    this.#free();
  }
}
