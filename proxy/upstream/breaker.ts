/**
 * Has something failed so much that it is better left alone for a while?
 *
 * Closed → open after `failureThreshold` failures in a row, or when `failurePercent` of at least `minRequests` in the
 * last 30 s failed → after `recoveryTimeout` one attempt, and only one, goes through (half-open) → closed or open again.
 * A probe that says nothing for another `recoveryTimeout` (a long answer) no longer keeps the next one out.
 *
 * Attempts carry tickets: ever growing numbers. What an attempt that began before the last change of state says is
 * history and changes nothing.
 */
import type { Breaker } from "../../routing/table.ts";

/** Length of the window in which the share of failures is counted: BUCKETS × BUCKET_MS. */
export const WINDOW_MS = 30_000;
const BUCKETS = 10;
const BUCKET_MS = WINDOW_MS / BUCKETS;

/** `begin`'s answer and the name of an attempt: a positive number, 0 for none. */
export type Ticket = number;
export type CircuitState = "closed" | "open" | "half_open";

/** One of the failures that opened a circuit. */
export interface Cause {
  /** On the circuit's clock. */
  readonly at: number;
  /** One clause, no content. */
  readonly detail: string;
  /** Of the exchange, and the provider's own. */
  readonly requestId?: string | undefined;
  readonly providerRequestId?: string | undefined;
}

/** Failures that are remembered to say why. */
const KEPT_CAUSES = 3;

export class Circuit {
  state: CircuitState = "closed";
  /** When an open circuit lets its probe through. */
  openUntil = 0;
  consecutiveFailures = 0;
  #settings: Breaker | undefined;
  /** Tickets below this began before the present state. */
  #since: Ticket = 0;
  #probe: Ticket = 0;
  /** When the probe under way no longer keeps another one out. */
  #probeUntil = 0;
  readonly #window = new Window();
  #causes: Cause[] = [];
  /** Requests that have nobody else to ask, in the order in which they came. */
  readonly #waiting = new Set<() => void>();

  constructor(settings: Breaker | undefined) {
    this.#settings = settings;
  }

  /** Other thresholds from now on; none closes it. True when the state changed. */
  configure(settings: Breaker | undefined): boolean {
    this.#settings = settings;
    if (settings !== undefined || this.state === "closed") return false;
    this.#close(0);
    return true;
  }

  /** The last failures since it was closed, oldest first. */
  get causes(): readonly Cause[] {
    return this.#causes;
  }

  /** A probe is under way, and its end is worth waiting for. */
  isProbed(now: number): boolean {
    return this.state === "half_open" && this.#probe !== 0 && now < this.#probeUntil;
  }

  /**
   * Calls back when the probe has ended: everybody who waits when it closed the circuit, else one, who is the next probe.
   * Returns what ends the waiting.
   */
  onProbeEnd(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => void this.#waiting.delete(callback);
  }

  #wake(many: boolean): void {
    for (const callback of this.#waiting) {
      this.#waiting.delete(callback);
      callback();
      if (!many) return;
    }
  }

  /** Whether an attempt may begin now. */
  admits(now: number): boolean {
    if (this.state === "closed") return true;
    return this.state === "half_open" ? this.#probe === 0 || now >= this.#probeUntil : now >= this.openUntil;
  }

  /**
   * Starts an attempt; false when it may not. `force` is for when there is nobody else: it goes through whatever the
   * state, and is the probe when there is none.
   */
  begin(ticket: Ticket, now: number, force: boolean): boolean {
    if (this.state === "closed") return true;
    const admitted = this.admits(now);
    if (admitted || (force && this.#probe === 0)) {
      this.state = "half_open";
      this.#probe = ticket;
      this.#probeUntil = now + (this.#settings?.recoveryTimeout ?? 0);
    }
    return admitted || force;
  }

  /** True when the state changed. */
  succeeded(ticket: Ticket, now: number): boolean {
    if (this.#settings === undefined || ticket < this.#since) return false;
    if (this.state === "closed") {
      this.consecutiveFailures = 0;
      this.#window.add(now, false);
      return false;
    }
    this.#close(ticket + 1);
    return true;
  }

  /** True when the state changed. `latest` is the last ticket given out. */
  failed(ticket: Ticket, now: number, latest: Ticket, cause: Cause): boolean {
    if (this.#settings === undefined || ticket < this.#since) return false;
    // Another list each time: who was told of the former one may keep it.
    this.#causes = [...this.#causes.slice(1 - KEPT_CAUSES), cause];
    if (this.state !== "closed") {
      if (ticket !== this.#probe) return false;
      this.#open(now, latest, this.#settings);
      return true;
    }
    this.consecutiveFailures++;
    this.#window.add(now, true);
    if (!this.#isTooMuch(now, this.#settings)) return false;
    this.#open(now, latest, this.#settings);
    return true;
  }

  /** The attempt says nothing about failures. A probe's place is free again. */
  released(ticket: Ticket): void {
    if (ticket === 0 || ticket !== this.#probe) return;
    this.#probe = 0;
    this.#wake(false);
  }

  #isTooMuch(now: number, settings: Breaker): boolean {
    if (this.consecutiveFailures >= settings.failureThreshold) return true;
    const { requests, failures } = this.#window.count(now);
    return requests >= settings.minRequests && failures * 100 >= settings.failurePercent * requests;
  }

  #open(now: number, latest: Ticket, settings: Breaker): void {
    this.state = "open";
    this.openUntil = now + settings.recoveryTimeout;
    this.#since = latest + 1;
    this.#probe = 0;
    this.#wake(false);
  }

  #close(since: Ticket): void {
    this.state = "closed";
    this.openUntil = 0;
    this.consecutiveFailures = 0;
    this.#since = since;
    this.#probe = 0;
    this.#causes = [];
    this.#window.clear();
    this.#wake(true);
  }
}

/** Requests and failures of the last WINDOW_MS, in buckets that are reused in turn. */
class Window {
  readonly #requests = new Uint32Array(BUCKETS);
  readonly #failures = new Uint32Array(BUCKETS);
  #latest = 0;

  add(now: number, failure: boolean): void {
    const index = this.#advance(now);
    this.#requests[index] = (this.#requests[index] ?? 0) + 1;
    if (failure) this.#failures[index] = (this.#failures[index] ?? 0) + 1;
  }

  count(now: number): { requests: number; failures: number } {
    this.#advance(now);
    return { requests: sum(this.#requests), failures: sum(this.#failures) };
  }

  clear(): void {
    this.#requests.fill(0);
    this.#failures.fill(0);
  }

  /** Empties the buckets whose time has come round again. */
  #advance(now: number): number {
    const bucket = Math.floor(now / BUCKET_MS);
    const passed = Math.min(bucket - this.#latest, BUCKETS);
    for (let i = 0; i < passed; i++) {
      this.#requests[(bucket - i) % BUCKETS] = 0;
      this.#failures[(bucket - i) % BUCKETS] = 0;
    }
    if (passed > 0) this.#latest = bucket;
    return bucket % BUCKETS;
  }
}

function sum(counts: Uint32Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
