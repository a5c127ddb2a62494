/** How long until the next try? Doubling, with jitter, so that many who failed together do not come back together. */
export class Backoff {
  readonly #first: number;
  readonly #last: number;
  #failures = 0;

  /** Milliseconds. */
  constructor(first: number, last: number) {
    this.#first = first;
    this.#last = last;
  }

  next(): number {
    const most = Math.min(this.#first * 2 ** this.#failures, this.#last);
    this.#failures = Math.min(this.#failures + 1, 32);
    return most * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
