/**
 * Does this proxy take one more request?
 *
 * A proxy that runs out of memory dies with all its streams, and one whose event loop is late is late for all of them.
 * So while either is short, fewer requests are let in than were in flight, step by step, and more again when it is over.
 * Never fewer than a few: what is freed is only found by going on.
 */
import type { ServerResponse } from "node:http";
import { totalmem } from "node:os";
import { constants, PerformanceObserver } from "node:perf_hooks";
import { getHeapStatistics } from "node:v8";
import { GatewayError } from "./errors.ts";

export type Pressure = "memory" | "event_loop";

/** What the process measures of itself. Bytes and milliseconds. */
export interface Reading {
  /** Memory that the process has; may have; and uses of it, which is less: what was freed is not always given back. */
  readonly resident: number;
  readonly residentLimit: number;
  readonly used: number;
  /** What was left of V8's heap when it was last collected; and how much may be left. */
  readonly heap: number;
  readonly heapLimit: number;
  /** How much later than due this reading is: as long as a new request waits to be looked at. */
  readonly late: number;
}

export interface LoadLimits {
  /** Requests in flight, sessions included, whatever the memory: a guard against a leak of connections. */
  readonly most: number;
  /** So many are let in whatever the pressure. */
  readonly fewest: number;
  /** Milliseconds between two readings. */
  readonly every: number;
}

export const LOAD_LIMITS: LoadLimits = { most: 16_384, fewest: 64, every: 250 };

/** Share of the memory where pressure begins. */
const FULL = 0.9;
/** Share of the heap that may be left by a collection: many answers that end at once need some for a moment. */
const HEAP_FULL = 0.75;
/** Pressure is over when so much of what made it is free again. */
const RELIEF = 0.95;
/** Share of its memory that a process must use before having all of it is a danger: the rest is free for it to use. */
const IN_USE = 0.6;
/** Milliseconds late, so many readings in a row: a pause of the collector, or a reload, is neither. */
const LATE = 1_000;
const LATE_IN_A_ROW = 2;
/** Down by a tenth at each reading under pressure; up by a tenth, and a few, at each without. */
const DOWN = 0.9;
const UP = 1.1;
const UP_BY = 16;
/** Milliseconds after which a caller may come again: between this and twice of it, so that they do not all come at once. */
const RETRY_AFTER = 1_000;

export class Load {
  inFlight = 0;
  /** Requests in flight that are let in now. */
  limit: number;
  pressure: Pressure | undefined;
  /** Requests refused so far. */
  refused = 0;
  readonly #limits: LoadLimits;
  readonly #onChange: (pressure: Pressure | undefined, load: Load) => void;
  #lateInARow = 0;
  #timer: NodeJS.Timeout | undefined;
  #collections: PerformanceObserver | undefined;
  /** Of V8's heap when it was last collected. */
  #heap = 0;

  constructor(limits: LoadLimits, onChange: (pressure: Pressure | undefined, load: Load) => void) {
    this.#limits = limits;
    this.#onChange = onChange;
    this.limit = limits.most;
  }

  /** Throws GatewayError. Call when the request is counted in `inFlight` already. */
  admit(response: ServerResponse): void {
    if (this.inFlight <= this.limit) return;
    this.refused++;
    // An open connection takes memory as well, and its caller may find another proxy with the next one.
    response.shouldKeepAlive = false;
    const message = "The gateway has more to do than it can. Ask again in a moment.";
    throw new GatewayError("overloaded", message, { retryAfter: RETRY_AFTER * (1 + Math.random()) });
  }

  /** What nobody waits for should not be begun now: under pressure, not over it yet, or half full. */
  get isBusy(): boolean {
    return this.pressure !== undefined || this.inFlight > this.limit / 2;
  }

  /** Takes a reading every now and then, until `stop`. */
  start(): void {
    const { every } = this.#limits;
    let due = performance.now() + every;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.take(readingOf(this.#heap, now - due));
      due = now + every;
    }, every);
    this.#timer.unref();
    this.#collections = new PerformanceObserver((list) => {
      if (list.getEntries().some(isMajor)) this.#heap = process.memoryUsage().heapUsed;
    });
    this.#collections.observe({ entryTypes: ["gc"] });
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#collections?.disconnect();
  }

  /** What follows from a reading. */
  take(reading: Reading): void {
    const before = this.pressure;
    this.pressure = this.#pressureOf(reading);
    const { most, fewest } = this.#limits;
    if (this.pressure) this.limit = Math.max(fewest, Math.floor(Math.min(this.limit, this.inFlight) * DOWN));
    else if (this.limit < most) this.limit = Math.min(most, Math.ceil(this.limit * UP) + UP_BY);
    if (this.pressure !== before) this.#onChange(this.pressure, this);
  }

  #pressureOf({ resident, residentLimit, used, heap, heapLimit, late }: Reading): Pressure | undefined {
    this.#lateInARow = late >= LATE ? this.#lateInARow + 1 : 0;
    const bar = this.pressure === "memory" ? RELIEF : 1;
    if (resident >= bar * FULL * residentLimit && used >= IN_USE * residentLimit) return "memory";
    if (heap >= bar * HEAP_FULL * heapLimit) return "memory";
    return this.#lateInARow >= LATE_IN_A_ROW ? "event_loop" : undefined;
  }
}

/** A container's limit, where there is one: else what the machine has. */
const RESIDENT_LIMIT = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
/**
 * V8's limit counts room for young objects that old ones may not take: three semi-spaces of 32 MiB (Node 26; measured:
 * `--max-old-space-size=64` gives a limit of 160 MiB, and the process dies at 64).
 */
const YOUNG_BYTES = 96 * 1024 * 1024;
const WHOLE_LIMIT = getHeapStatistics().heap_size_limit;
const HEAP_LIMIT = Math.max(WHOLE_LIMIT - YOUNG_BYTES, WHOLE_LIMIT / 4);

function readingOf(heap: number, late: number): Reading {
  const { rss, heapUsed, external } = process.memoryUsage();
  const used = heapUsed + external;
  return { resident: rss, residentLimit: RESIDENT_LIMIT, used, heap, heapLimit: HEAP_LIMIT, late };
}

function isMajor(entry: object): boolean {
  return (
    (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR
  );
}
