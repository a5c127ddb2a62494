/**
 * Which connection takes the next request?
 *
 * The one that became idle last, else a new one: each carries one request at a time. undici's own Pool asks all its
 * connections in turn (with 8,000 open streams 0.15 ms for each request) and loses one for good with every request that
 * it refuses to send; a stack of the idle ones does neither.
 */
import { Client } from "undici";
import { ConnectError } from "./connect-error.ts";
import type { Dispatcher, DispatchHandler, DispatchOptions } from "./connections.ts";
import type { Connector } from "./connectors.ts";

/**
 * Connections to one endpoint, and so requests in flight; further ones fail. Above what one process can serve: it
 * guards against a leak, not against load.
 */
export const MAX_CONNECTIONS = 16_384;
/**
 * How long an idle connection is kept when the provider does not say (`keep-alive: timeout=`). Both providers' edges
 * keep theirs for minutes; the sooner side should be ours, so that no request meets a connection that is just closing.
 */
const KEEP_ALIVE_MS = 30_000;
/** All headers of an answer. */
const MAX_HEADER_BYTES = 64 * 1024;

const CLIENT_OPTIONS = {
  pipelining: 1,
  allowH2: false,
  keepAliveTimeout: KEEP_ALIVE_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  // The attempt loop keeps all time limits.
  headersTimeout: 0,
  bodyTimeout: 0,
} as const;

/** Live connections to one provider. */
export interface Backbone extends Dispatcher {
  /** Takes no more requests, waits for those in flight. */
  close(): Promise<void>;
  /** Breaks off what is in flight. */
  destroy(): Promise<void>;
}

interface Seat {
  readonly client: Client;
  state: "idle" | "busy" | "gone";
  /** Its connection is open. */
  isOpen: boolean;
}

export class ClientPool implements Backbone {
  readonly #origin: string;
  readonly #connect: Connector;
  readonly #seats = new Set<Seat>();
  /** Idle seats, the latest on top; some may be gone. */
  #stack: Seat[] = [];
  #closed = false;

  constructor(origin: string, connect: Connector) {
    this.#origin = origin;
    this.#connect = connect;
  }

  /** Always false, as undici's when one more request would have to wait: nobody needs to. */
  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean {
    const seat = this.#idle() ?? this.#open();
    if (!seat) return refuse(handler, this.#closed ? "its connections are closed" : "it has too many connections");
    seat.state = "busy";
    if (seat.isOpen) handler.onUsedConnection?.();
    seat.client.dispatch(options, handler);
    // A request that undici refuses to send (an invalid header) is told to the handler at once and occupies nothing.
    if (seat.client.stats.size === 0) this.#free(seat);
    return false;
  }

  #idle(): Seat | undefined {
    for (let seat = this.#stack.pop(); seat; seat = this.#stack.pop()) if (seat.state === "idle") return seat;
    return undefined;
  }

  #open(): Seat | undefined {
    if (this.#closed || this.#seats.size >= MAX_CONNECTIONS) return undefined;
    const client = new Client(this.#origin, { ...CLIENT_OPTIONS, connect: this.#connect });
    const seat: Seat = { client, state: "idle", isOpen: false };
    this.#seats.add(seat);
    client.on("drain", () => this.#free(seat));
    client.on("connectionError", () => this.#drop(seat));
    client.on("connect", () => {
      seat.isOpen = true;
    });
    // Closed by the provider or after KEEP_ALIVE_MS. In the middle of a request `drain` follows.
    client.on("disconnect", () => {
      seat.isOpen = false;
      if (seat.state === "idle") this.#drop(seat);
    });
    return seat;
  }

  #free(seat: Seat): void {
    if (seat.state !== "busy") return;
    seat.state = "idle";
    this.#stack.push(seat);
  }

  #drop(seat: Seat): void {
    seat.state = "gone";
    this.#seats.delete(seat);
    // By callback: it may be destroyed already, which a promise would complain about.
    seat.client.close(() => {});
    // Those that idle longest lie at the bottom, where nobody comes by.
    if (this.#stack.length > 2 * this.#seats.size) this.#stack = this.#stack.filter(({ state }) => state === "idle");
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#seats, ({ client }) => client.close()));
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#seats, ({ client }) => client.destroy()));
  }
}

function refuse(handler: DispatchHandler, why: string): false {
  // undici's handlers get no controller either when a request did not begin.
  const controller = null as unknown as Parameters<NonNullable<DispatchHandler["onResponseError"]>>[0];
  handler.onResponseError?.(
    controller,
    new ConnectError("connect", "NO_CONNECTION", `the provider gets no request: ${why}`),
  );
  return false;
}
