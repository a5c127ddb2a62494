/**
 * How many calls does a provider have in flight, and who waits for a place?
 *
 * One count per provider, on this proxy (`spec.concurrency`). Who finds all places taken may wait in a queue, bounded in
 * length here and in time by who waits; they are served in their order and nobody overtakes them. Counted without a
 * limit too, so that one that comes with a reload finds the calls under way.
 */
import type { Concurrency, ObjectKey, Provider } from "../../routing/table.ts";

/** One who waits for a place. */
export interface Waiting {
  /** Resolves when a place was given. */
  readonly called: Promise<void>;
  /** Ends the wait. True: there is a place, to be given back with `give`. */
  leave(): boolean;
}

/** The places at one provider. */
export class Places {
  inFlight = 0;
  #max = Number.POSITIVE_INFINITY;
  #longest = 0;
  /** In the order in which they came. */
  readonly #queue = new Set<() => void>();

  get waiting(): number {
    return this.#queue.size;
  }

  get limit(): Concurrency | undefined {
    return Number.isFinite(this.#max) ? { max: this.#max, queue: this.#longest } : undefined;
  }

  /** Whether there was a place at once. */
  take(): boolean {
    if (this.inFlight >= this.#max) return false;
    this.inFlight++;
    return true;
  }

  /** For a call that takes up what one before it has just left, whoever waits. */
  takeAnyway(): void {
    this.inFlight++;
  }

  give(): void {
    this.inFlight--;
    this.#serve();
  }

  /** Undefined when the queue is full. */
  queue(): Waiting | undefined {
    if (this.#queue.size >= this.#longest) return undefined;
    let serve = () => {};
    const called = new Promise<void>((resolve) => {
      serve = resolve;
    });
    this.#queue.add(serve);
    return { called, leave: () => !this.#queue.delete(serve) };
  }

  /** Another limit from now on, or none. Who waits beyond it may go on waiting. */
  configure(limit: Concurrency | undefined): void {
    this.#max = limit?.max ?? Number.POSITIVE_INFINITY;
    this.#longest = limit?.queue ?? 0;
    this.#serve();
  }

  #serve(): void {
    for (const serve of this.#queue) {
      if (!this.take()) return;
      this.#queue.delete(serve);
      serve();
    }
  }
}

/** Calls of one provider at this moment, as `/status` shows them. */
export interface Load {
  readonly inFlight: number;
  readonly waiting: number;
  /** Absent: no limit. */
  readonly limit?: Concurrency;
}

/** The places at all providers. */
export class AllPlaces {
  /** Of the table in force. */
  #live = new Map<ObjectKey, Places>();
  /** Of providers that only requests of an older table still use. */
  readonly #gone = new WeakMap<Provider, Places>();

  of(provider: Provider): Places {
    return this.#live.get(provider.key) ?? this.#ofGone(provider);
  }

  /** Call with every new table, before it is asked for places. */
  adopt(providers: Iterable<Provider>): void {
    const before = this.#live;
    this.#live = new Map();
    for (const { key, concurrency } of providers) {
      const places = before.get(key) ?? new Places();
      places.configure(concurrency);
      this.#live.set(key, places);
    }
  }

  load(key: ObjectKey): Load {
    const places = this.#live.get(key);
    const limit = places?.limit;
    return { inFlight: places?.inFlight ?? 0, waiting: places?.waiting ?? 0, ...(limit && { limit }) };
  }

  /** By provider's name without its namespace, as in all metrics. */
  samples(): { readonly provider: string; readonly inFlight: number; readonly waiting: number }[] {
    const samples = new Map<string, { provider: string; inFlight: number; waiting: number }>();
    for (const [key, { inFlight, waiting }] of this.#live) {
      const provider = key.slice(key.indexOf("/") + 1);
      const sample = samples.get(provider) ?? { provider, inFlight: 0, waiting: 0 };
      sample.inFlight += inFlight;
      sample.waiting += waiting;
      samples.set(provider, sample);
    }
    return [...samples.values()];
  }

  #ofGone(provider: Provider): Places {
    const known = this.#gone.get(provider);
    if (known) return known;
    const places = new Places();
    places.configure(provider.concurrency);
    this.#gone.set(provider, places);
    return places;
  }
}
