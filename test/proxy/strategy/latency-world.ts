/** Proxies, backends and callers in virtual time: events in their order, numbers from a seed, nothing waits. */
import { type LeadRules, leadOf } from "../../../proxy/strategy/lead.ts";
import { Meter, type Pending } from "../../../proxy/strategy/meter.ts";

export interface Backend {
  /** Milliseconds of an answer; Infinity: none comes. `inFlight`: all proxies' requests at the backend. */
  latency(now: number, inFlight: number, location: string): number;
  readonly weight?: number;
}

export interface WorldOptions {
  readonly seed: number;
  readonly backends: readonly Backend[];
  readonly proxies?: number;
  /** Of all proxies together. */
  readonly perSecond: number;
  readonly rules?: Partial<LeadRules>;
  /** Of the callers, drawn evenly. */
  readonly locations?: readonly string[];
  /** How much an answer's time varies: 0.1 is ±10 %. */
  readonly noise?: number;
}

export interface Asked {
  readonly at: number;
  readonly backend: number;
  readonly location: string;
  readonly why: string;
}

interface Event {
  readonly at: number;
  readonly run: () => void;
}

/** Milliseconds after which a proxy gives an attempt up. */
const TIMEOUT = 30_000;

/** mulberry32. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class World {
  readonly asked: Asked[] = [];
  readonly #options: WorldOptions;
  readonly #rng: () => number;
  readonly #events: Event[] = [];
  readonly #proxies: readonly (readonly Meter[])[];
  readonly #inFlight: number[];
  #now = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#rng = random(options.seed);
    this.#inFlight = options.backends.map(() => 0);
    this.#proxies = Array.from({ length: options.proxies ?? 1 }, () =>
      options.backends.map(() => new Meter({ left: 1000 })),
    );
    this.#arrive();
  }

  runUntil(end: number): this {
    for (;;) {
      const next = this.#events[0];
      if (!next || next.at > end) break;
      this.#pop();
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
    return this;
  }

  /** Which part of the requests between two moments went to a backend, 0–1. */
  share(backend: number, from: number, to: number, location?: string): number {
    const all = this.asked.filter(
      ({ at, location: there }) => at >= from && at < to && (location === undefined || location === there),
    );
    return all.filter((one) => one.backend === backend).length / all.length;
  }

  #arrive(): void {
    const wait = (-Math.log(1 - this.#rng()) / this.#options.perSecond) * 1000;
    this.#at(this.#now + wait, () => {
      this.#ask();
      this.#arrive();
    });
  }

  #ask(): void {
    const { backends, rules, locations = ["here"], noise = 0.1 } = this.#options;
    const now = this.#now;
    const meters = this.#pick(this.#proxies);
    const location = this.#pick(locations);
    const known = meters.filter((meter) => meter.isKnown("answer", now));
    const level = known.every((meter) => meter.isKnownAt(location, "answer", now)) ? location : undefined;
    const entrants = meters.map((meter, index) => ({
      index,
      weight: backends[index]?.weight ?? 1,
      estimate: meter.isKnown("answer", now) ? meter.estimate("answer", level, now) : undefined,
      inFlight: meter.inFlight,
      silence: meter.silence("answer", now),
    }));
    const lead = leadOf(entrants, { explorePercent: 2, switchMarginPercent: 10, ...rules }, this.#rng);
    const index = lead?.first.index ?? 0;
    this.asked.push({ at: now, backend: index, location, why: lead?.why ?? "" });
    const meter = meters[index] as Meter;
    const record = { startedAt: now, outcome: undefined } as Pending["record"];
    const pending: Pending = { record, location, exchange: { stream: false, firstTokenAt: undefined } };
    meter.began(pending);
    this.#inFlight[index] = (this.#inFlight[index] ?? 0) + 1;
    const clean = (backends[index] as Backend).latency(now, this.#inFlight[index] ?? 0, location);
    const took = clean * (1 + noise * (2 * this.#rng() - 1));
    this.#at(now + Math.min(took, TIMEOUT), () => {
      this.#inFlight[index] = (this.#inFlight[index] ?? 0) - 1;
      meter.ended(pending);
      if (took < TIMEOUT) meter.observe("answer", location, took, this.#now);
      else meter.atLeast("answer", location, TIMEOUT, this.#now);
    });
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#rng() * list.length)] as T;
  }

  /** A binary heap: the first is always the next. */
  #at(at: number, run: () => void): void {
    const heap = this.#events;
    let i = heap.length;
    heap.push({ at, run });
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as Event).at <= (heap[i] as Event).at) break;
      [heap[parent], heap[i]] = [heap[i] as Event, heap[parent] as Event];
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && (heap[child] as Event).at < (heap[least] as Event).at) least = child;
      }
      if (least === i) return;
      [heap[least], heap[i]] = [heap[i] as Event, heap[least] as Event];
      i = least;
    }
  }
}
