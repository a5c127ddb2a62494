/**
 * How are durations counted so that one observation costs nanoseconds and memory does not grow?
 *
 * `Histogram` counts since the start, in the buckets that Prometheus gets. `Recent` answers percentiles of the last
 * minute or two for `/status`.
 */

/** Upper bounds in seconds, ascending; `+Inf` is implied. */
export type Bounds = readonly number[];

export class Histogram {
  readonly bounds: Bounds;
  /** Per bucket, not cumulative; the last one is `+Inf`. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: Bounds) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    const { bounds, counts } = this;
    let i = 0;
    while (i < bounds.length && seconds > (bounds[i] as number)) i++;
    counts[i] = (counts[i] as number) + 1;
    this.sum += seconds;
  }
}

/** Eight buckets per doubling: a percentile is right to 9 %. From 1/16 ms to 35 min. */
const STEPS_PER_DOUBLING = 8;
const LOWEST_EXPONENT = -4;
const DOUBLINGS = 25;
const SIZE = STEPS_PER_DOUBLING * DOUBLINGS;

/** Percentiles look back over one to two of these. */
export const RECENT_WINDOW_MS = 60_000;

export interface Percentiles {
  readonly count: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Two windows that take turns, so that old values leave without a timer. */
export class Recent {
  #current: Uint32Array | undefined;
  #previous: Uint32Array | undefined;
  #startedAt = 0;

  /** Both in milliseconds; `now` from a monotonic clock. */
  observe(value: number, now: number): void {
    this.#rotate(now);
    this.#current ??= new Uint32Array(SIZE);
    const step = Math.floor((Math.log2(value) - LOWEST_EXPONENT) * STEPS_PER_DOUBLING);
    const i = step >= 0 ? Math.min(step, SIZE - 1) : 0;
    this.#current[i] = (this.#current[i] as number) + 1;
  }

  /** Undefined when nothing was observed lately. */
  percentiles(now: number): Percentiles | undefined {
    this.#rotate(now);
    const counts = new Float64Array(SIZE);
    let count = 0;
    for (const window of [this.#previous, this.#current]) {
      window?.forEach((n, i) => {
        counts[i] = (counts[i] as number) + n;
        count += n;
      });
    }
    if (count === 0) return undefined;
    return {
      count,
      p50: quantile(counts, count, 0.5),
      p95: quantile(counts, count, 0.95),
      p99: quantile(counts, count, 0.99),
    };
  }

  #rotate(now: number): void {
    const age = now - this.#startedAt;
    if (age < RECENT_WINDOW_MS) return;
    this.#previous = age < 2 * RECENT_WINDOW_MS ? this.#current : undefined;
    this.#current = undefined;
    this.#startedAt = now;
  }
}

/** The geometric middle of the bucket in which the quantile falls. */
function quantile(counts: Float64Array, count: number, q: number): number {
  let left = Math.ceil(count * q);
  let i = 0;
  for (; i < SIZE - 1; i++) {
    left -= counts[i] as number;
    if (left <= 0) break;
  }
  return Number((2 ** (LOWEST_EXPONENT + (i + 0.5) / STEPS_PER_DOUBLING)).toPrecision(3));
}
