/**
 * How much of a commitment may one of several proxies fill?
 *
 * Callers come to proxies by chance, so in any window some have less to send than their share, and what those leave is lost.
 * Proxies cannot ask each other that often. But they are alike: from its own last windows each knows how much such a
 * share usually leaves, and may take as much more when it has more. So together they fill the cover on average, while
 * no window can exceed it by more than `MOST_MORE`.
 */

/** More than a plain share, as a part of it, at most. bench/README.md shows what it saves and how often it is too much. */
const MOST_MORE = 0.1;
/** What comes to proxies may differ by so much of a share (a standard deviation): that loses less than 2 % of the bill. */
const CALM = 0.1;
/** Windows that weigh in. */
const MEMORY = 6;
/** Of fewer windows nothing is concluded. */
const FEW = 2;
const STEPS = 24;

export class Share {
  #demand = 0;
  #squares = 0;
  #windows = 0;
  #mean = 0;
  #variance = 0;

  /** A request came that would use the commitment, whether or not it may. */
  wanted(amount: number): void {
    this.#demand += amount;
    this.#squares += amount * amount;
  }

  /** A window is over, and `passed` further ones in which nothing came. */
  next(passed: number): void {
    if (passed > MEMORY) this.#windows = 0;
    else {
      this.#learn(this.#demand, this.#squares);
      for (let i = 0; i < passed; i++) this.#learn(0, 0);
    }
    this.#demand = 0;
    this.#squares = 0;
  }

  /** `perWindow`: what the commitment covers for all. */
  of(perWindow: number, proxies: number): number {
    const plain = perWindow / proxies;
    if (proxies < 2 || this.#windows < FEW || this.#variance === 0) return plain;
    const more = Math.min(MOST_MORE, Math.sqrt(this.#variance) / plain - CALM);
    if (more <= 0) return plain;
    let [low, high] = [plain, plain * (1 + more)];
    if (this.#filled(high) <= plain) return high;
    for (let i = 0; i < STEPS; i++) {
      const middle = (low + high) / 2;
      if (this.#filled(middle) < plain) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Requests come independently of each other: then the variance of their sum is the sum of their squares. */
  #learn(demand: number, squares: number): void {
    this.#windows = Math.min(this.#windows + 1, MEMORY);
    this.#mean += (demand - this.#mean) / this.#windows;
    this.#variance += (squares - this.#variance) / this.#windows;
  }

  /** What is used on average of so high a limit: the mean of the smaller of demand and limit, for a normal demand. */
  #filled(limit: number): number {
    const deviation = Math.sqrt(this.#variance);
    const z = (limit - this.#mean) / deviation;
    return this.#mean - deviation * (density(z) - z * (1 - distribution(z)));
  }
}

/** Of the standard normal distribution. */
function density(z: number): number {
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
}

/** Abramowitz and Stegun 26.2.17, to seven digits. */
function distribution(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const above = density(z) * series;
  return z > 0 ? 1 - above : above;
}
