/**
 * How much longer does an answer take because it is longer?
 *
 * The time to a whole answer depends on its length more than on who gives it. From all backends' answers for a model a
 * straight line is learned, time over tokens; what an answer took is then told as if it had been of the usual length.
 */

/** About so many answers are remembered. */
const MEMORY = 1000;
/** Before so many there is no line. */
const FEWEST = 20;
/** How far one answer's time is changed at most. */
const MOST = 10;

export class Length {
  #weight = 0;
  #x = 0;
  #y = 0;
  #xx = 0;
  #xy = 0;

  /** `milliseconds` that an answer of so many tokens took, for one of the usual length. Learns of it. */
  normal(milliseconds: number, tokens: number | undefined): number {
    if (tokens === undefined || tokens <= 0) return milliseconds;
    const factor = this.#weight < FEWEST ? 1 : this.#lineAt(this.usual) / this.#lineAt(tokens);
    this.#learn(tokens, milliseconds);
    return milliseconds * Math.min(MOST, Math.max(1 / MOST, factor));
  }

  /** Tokens of an answer in the mean. */
  get usual(): number {
    return this.#weight === 0 ? 0 : this.#x / this.#weight;
  }

  #learn(x: number, y: number): void {
    const keeps = 1 - 1 / MEMORY;
    this.#weight = this.#weight * keeps + 1;
    this.#x = this.#x * keeps + x;
    this.#y = this.#y * keeps + y;
    this.#xx = this.#xx * keeps + x * x;
    this.#xy = this.#xy * keeps + x * y;
  }

  /** Least squares, neither falling nor beginning below nothing. */
  #lineAt(tokens: number): number {
    const x = this.#x / this.#weight;
    const y = this.#y / this.#weight;
    const spread = this.#xx / this.#weight - x * x;
    // All of one length: nothing can be told of others.
    if (spread < x * x * 1e-4) return y;
    const slope = Math.min(Math.max(0, (this.#xy / this.#weight - x * y) / spread), y / x);
    return y + slope * (tokens - x);
  }
}
