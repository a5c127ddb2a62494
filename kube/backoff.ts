/** How long to wait before the next try? */

export interface BackoffTimings {
  /** Before the first try after good times: at most this long. */
  readonly firstMs: number;
  /** The second wait's upper bound; it doubles from there. */
  readonly baseMs: number;
  readonly longestMs: number;
}

export const BACKOFF: BackoffTimings = { firstMs: 100, baseMs: 500, longestMs: 10_000 };

/** Exponential with full jitter: any wait between nothing and the bound, so that many clients do not come at once. */
export class Backoff {
  readonly #timings: BackoffTimings;
  #failures = 0;

  constructor(timings: BackoffTimings = BACKOFF) {
    this.#timings = timings;
  }

  get failures(): number {
    return this.#failures;
  }

  /** The wait after one more failure; never less than what the server asked for. */
  next(retryAfterMs = 0): number {
    const { firstMs, baseMs, longestMs } = this.#timings;
    const bound = this.#failures === 0 ? firstMs : Math.min(longestMs, baseMs * 2 ** (this.#failures - 1));
    this.#failures++;
    return retryAfterMs + Math.random() * bound;
  }

  reset(): void {
    this.#failures = 0;
  }
}
