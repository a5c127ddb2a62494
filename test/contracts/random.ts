/** Chance that can be repeated: equal seeds give equal values (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: string | number) {
    let state = 0x9e3779b9;
    for (const letter of String(seed)) state = Math.imul(state ^ letter.charCodeAt(0), 0x85ebca6b) >>> 0;
    this.#state = state;
  }

  /** 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whether something of that likelihood comes about. */
  happens(likelihood: number): boolean {
    return this.next() < likelihood;
  }

  /** From `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  of<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T;
  }
}
