/**
 * How much of a commitment is used in its window?
 *
 * What a request is expected to take is set aside when it is sent and replaced by what it took when it has ended, both in
 * the window in which it began: so a window is filled once, not twice by those that are under way. Of several proxies each
 * fills its share.
 */
import type { Cover } from "../../routing/commitment.ts";

/** Of a request that has been sent. */
export interface Reservation {
  readonly window: number;
  readonly amount: number;
}

export interface LedgerState extends Cover {
  /** Taken in the window that runs, by what has ended and what is under way. */
  readonly used: number;
}

export class Ledger {
  #cover: Cover;
  #window = Number.NaN;
  #taken = 0;

  constructor(cover: Cover) {
    this.#cover = cover;
  }

  get unit(): Cover["unit"] {
    return this.#cover.unit;
  }

  /** Another table may say another cover. What is taken of the window stays, unless it is counted otherwise now. */
  adopt(cover: Cover): void {
    if (cover.unit !== this.#cover.unit || cover.window !== this.#cover.window) this.#window = Number.NaN;
    this.#cover = cover;
  }

  /** Whether so much more is covered. `now` in Unix milliseconds; `share` of the cover that is this proxy's, 0–1. */
  covers(amount: number, now: number, share: number): boolean {
    this.#roll(now);
    return this.#taken + amount <= this.#cover.perWindow * share;
  }

  reserve(amount: number, now: number): Reservation {
    this.#roll(now);
    this.#taken += amount;
    return { window: this.#window, amount };
  }

  /** The window in which a request began that reserved nothing. */
  windowOf(begun: number): number {
    return Math.floor(begun / this.#cover.window);
  }

  /** What was taken in the end. Of a window that is over nothing is to be corrected any more. */
  settle({ window, amount }: Reservation, took: number, now: number): void {
    this.#roll(now);
    if (window === this.#window) this.#taken = Math.max(0, this.#taken + took - amount);
  }

  stateAt(now: number): LedgerState {
    this.#roll(now);
    return { ...this.#cover, used: this.#taken };
  }

  #roll(now: number): void {
    const window = this.windowOf(now);
    if (window === this.#window) return;
    this.#window = window;
    this.#taken = 0;
  }
}
