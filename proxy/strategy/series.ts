/**
 * How long did something take lately, and how long does it usually take?
 *
 * Two means that forget, a fast and a slow one, and a histogram that forgets more slowly still. After a silence a fast
 * mean that is worse goes back to the slow one: what was bad a minute ago says little about now. Milliseconds throughout.
 */

/** The fast mean forgets with the time, so that at any rate a slower backend is noticed within some seconds… */
const FAST_MS = 4_000;
/** …but at low rates at least so much of it stays, so that it is not one answer alone. */
const FAST_KEEPS = 0.7;
/** Of what is measured rarely an answer in less than half the time is believed sooner: it may have recovered. */
const GOOD_NEWS_KEEPS = 0.5;
/** One answer counts for at most so many times the mean, or the answer before it: the second in a row counts in full. */
const MOST_AT_ONCE = 3;
const SLOW_MS = 600_000;
const SLOW_KEEPS = 0.98;
/** After so long without an answer the fast mean has gone two thirds of the way to the slow one. */
const RELAX_MS = 60_000;
/** After so long without an answer both means begin anew. */
export const FORGOTTEN_MS = 300_000;
/** What percentiles and the number of samples know has half gone after so long. */
const HALF_LIFE_MS = 600_000;

/** Four buckets per doubling: a percentile is right to 10 %. From 1 ms to 17 min. */
const STEPS_PER_DOUBLING = 4;
const SIZE = STEPS_PER_DOUBLING * 20;
/** Weights grow instead of all buckets shrinking; they are brought back before they lose precision. */
const LARGEST_WEIGHT = 2 ** 20;

export interface SeriesState {
  /** What is reckoned with. */
  readonly estimate: number;
  readonly p50: number;
  readonly p95: number;
  readonly samples: number;
  /** Since the last one. */
  readonly silence: number;
}

export class Series {
  /** Samples since the start or a long silence, up to a few: whether it is known at all. */
  fresh = 0;
  lastAt = Number.NEGATIVE_INFINITY;
  #last = 0;
  #weight = 0;
  #sum = 0;
  #slowWeight = 0;
  #slowSum = 0;
  readonly #counts = new Float32Array(SIZE);
  #total = 0;
  /** Of a sample at `#epoch`; later ones weigh more. */
  #epoch = 0;

  /** So many weigh in now: those of an answer that was seen long ago count less. */
  samplesAt(now: number): number {
    return this.#total === 0 ? 0 : this.#total / 2 ** ((now - this.#epoch) / HALF_LIFE_MS);
  }

  observe(value: number, now: number): void {
    const passed = Math.max(0, now - this.lastAt);
    this.#count(value, now);
    if (passed > FORGOTTEN_MS) {
      this.fresh = 0;
      this.#weight = 0;
      this.#slowWeight = 0;
      this.#slowSum = 0;
    }
    const mean = this.#weight === 0 ? value : this.estimateAt(now);
    const taken = Math.min(value, Math.max(mean, this.#last) * MOST_AT_ONCE);
    this.#last = value;
    const least = value < mean / 2 ? GOOD_NEWS_KEEPS : FAST_KEEPS;
    const weight = this.#weight * Math.max(least, Math.exp(-passed / FAST_MS));
    this.#sum = mean * weight + taken;
    this.#weight = weight + 1;
    const slowly = Math.max(SLOW_KEEPS, Math.exp(-passed / SLOW_MS));
    const usual = this.#slowWeight === 0 ? value : this.#slowSum / this.#slowWeight;
    this.#slowSum = this.#slowSum * slowly + Math.min(value, usual * MOST_AT_ONCE);
    this.#slowWeight = this.#slowWeight * slowly + 1;
    this.fresh++;
    this.lastAt = Math.max(this.lastAt, now);
  }

  /** NaN when nothing was ever seen. */
  estimateAt(now: number): number {
    const fast = this.#sum / this.#weight;
    const slow = this.#slowSum / this.#slowWeight;
    // What has become fast stays so: only bad news grow old.
    if (!(fast > slow)) return fast;
    return slow + (fast - slow) * Math.exp(-Math.max(0, now - this.lastAt) / RELAX_MS);
  }

  /** How many samples the estimate is made of, roughly. */
  get weight(): number {
    return this.#weight;
  }

  percentile(share: number): number {
    let left = this.#total * share;
    for (let i = 0; i < SIZE; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return 2 ** ((i + 0.5) / STEPS_PER_DOUBLING);
    }
    return Number.POSITIVE_INFINITY;
  }

  stateAt(now: number): SeriesState {
    return {
      estimate: this.estimateAt(now),
      p50: this.percentile(0.5),
      p95: this.percentile(0.95),
      samples: this.samplesAt(now),
      silence: now - this.lastAt,
    };
  }

  #count(value: number, now: number): void {
    if (this.#total === 0) this.#epoch = now;
    let weight = 2 ** ((now - this.#epoch) / HALF_LIFE_MS);
    if (weight > LARGEST_WEIGHT) {
      for (let i = 0; i < SIZE; i++) this.#counts[i] = (this.#counts[i] as number) / weight;
      this.#total /= weight;
      this.#epoch = now;
      weight = 1;
    }
    const step = Math.floor(Math.log2(Math.max(1, value)) * STEPS_PER_DOUBLING);
    const i = Math.min(step, SIZE - 1);
    this.#counts[i] = (this.#counts[i] as number) + weight;
    this.#total += weight;
  }
}
