/**
 * When is the world compiled again?
 *
 * The first change after quiet at once; what follows is waited for until it is quiet again, but not for long. A pass
 * that failed is tried again later and later. One pass at a time.
 */

/** Milliseconds. */
export interface Timings {
  /** So long without a change counts as quiet. */
  readonly quiet: number;
  /** No change waits longer than this for a pass to begin. */
  readonly longest: number;
  readonly firstRetry: number;
  readonly lastRetry: number;
}

export const TIMINGS: Timings = { quiet: 100, longest: 500, firstRetry: 1_000, lastRetry: 60_000 };

export class Dirty {
  readonly #pass: () => Promise<void>;
  readonly #onFailure: (error: unknown) => void;
  readonly #timings: Timings;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #firstMark: number | undefined;
  #lastMark = Number.NEGATIVE_INFINITY;
  /** A change came after quiet and no pass has begun since. */
  #isUrgent = false;
  #failures = 0;
  #stopped = false;

  /** `pass` may reject: then it is told and tried again. */
  constructor(pass: () => Promise<void>, onFailure: (error: unknown) => void, timings: Timings = TIMINGS) {
    this.#pass = pass;
    this.#onFailure = onFailure;
    this.#timings = timings;
  }

  /** Something that people wait for has changed. */
  mark(): void {
    const now = performance.now();
    const wasQuiet = now - this.#lastMark > this.#timings.quiet;
    this.#lastMark = now;
    this.#firstMark ??= now;
    if (wasQuiet) this.#isUrgent = true;
    if (this.#running === undefined) this.#schedule(this.#delay(now));
  }

  /** Something has changed that can wait until it is quiet. */
  markLater(): void {
    this.#firstMark ??= performance.now();
    if (this.#running === undefined && this.#timer === undefined) this.#schedule(this.#timings.quiet);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #delay(now: number): number {
    const { quiet, longest } = this.#timings;
    return this.#isUrgent ? 0 : Math.min(quiet, (this.#firstMark ?? now) + longest - now);
  }

  #schedule(delay: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), Math.max(0, delay));
  }

  #run(): void {
    this.#timer = undefined;
    this.#firstMark = undefined;
    this.#isUrgent = false;
    this.#running = this.#runOnce().finally(() => {
      this.#running = undefined;
      if (this.#firstMark !== undefined) this.#schedule(this.#delay(performance.now()));
      else if (this.#failures > 0) this.#schedule(this.#retryDelay());
    });
  }

  async #runOnce(): Promise<void> {
    try {
      await this.#pass();
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      this.#onFailure(error);
    }
  }

  #retryDelay(): number {
    const { firstRetry, lastRetry } = this.#timings;
    return Math.min(firstRetry * 2 ** (this.#failures - 1), lastRetry);
  }
}
