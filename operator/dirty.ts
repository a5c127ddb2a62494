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
  #lastActivity = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #stopped = false;

  /** `pass` may reject: then it is told and tried again. */
  constructor(pass: () => Promise<void>, onFailure: (error: unknown) => void, timings: Timings = TIMINGS) {
    this.#pass = pass;
    this.#onFailure = onFailure;
    this.#timings = timings;
  }

  /** Something changed. */
  mark(): void {
    const now = performance.now();
    const { quiet, longest } = this.#timings;
    const wasQuiet = now - this.#lastActivity > quiet && this.#running === undefined;
    this.#lastActivity = now;
    this.#firstMark ??= now;
    if (this.#running === undefined) this.#schedule(wasQuiet ? 0 : Math.min(quiet, this.#firstMark + longest - now));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delay: number): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), Math.max(0, delay));
  }

  #run(): void {
    this.#firstMark = undefined;
    this.#running = this.#runOnce().finally(() => {
      this.#running = undefined;
      this.#lastActivity = performance.now();
      if (this.#firstMark !== undefined) this.#schedule(this.#timings.quiet);
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
