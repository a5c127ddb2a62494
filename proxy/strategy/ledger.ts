/**
 * How much of a commitment is used in its window?
 *
 * What a request is expected to take is set aside when it is sent and replaced by what it took, both in the window in
 * which it began: so a window is filled once, not twice by those that are under way. Of several proxies each fills its share.
 *
 * Expectations are wrong in both directions, and two things follow. Beside what is expected there must be room for a
 * margin, which shrinks to nothing as requests end. And what ended is believed in the order of sending only: short answers
 * end first, so taking each at its end would make those that still run look as short.
 */
import type { Cover } from "../../routing/commitment.ts";
import { Share } from "./share.ts";

/** Standard deviations of all that is under way. bench/commitment shows what it costs and what it keeps. */
const MARGIN = 2;
/** In the first window: the short answers are known first, so what is expected is too little. */
const FIRST_MARGIN = 5;
/** Requests whose end is waited for, with those that ended behind them; more are taken to be as expected. */
const MOST_UNSETTLED = 16_384;

/** What a request may take, in the cover's unit. */
export interface Estimate {
  readonly amount: number;
  /** By how much it is usually wrong. */
  readonly doubt: number;
}

/** Of a request that has been sent. */
export interface Reservation {
  readonly page: Page;
  amount: number;
  doubt: number;
  took: number | undefined;
}

export interface LedgerState extends Cover {
  /** Taken in the window that runs, by what has ended and what is under way. */
  readonly used: number;
}

export class Ledger {
  #cover: Cover;
  #window = Number.NaN;
  #page = new Page();
  #share = new Share();
  #margin = FIRST_MARGIN;
  /** Of this window, for so many proxies and such a cover. */
  #limit = { cover: undefined as Cover | undefined, proxies: 0, amount: 0 };

  constructor(cover: Cover) {
    this.#cover = cover;
  }

  get unit(): Cover["unit"] {
    return this.#cover.unit;
  }

  /** Another table may say another cover. What is taken of the window stays, unless it is counted otherwise now. */
  adopt(cover: Cover): void {
    if (cover.unit !== this.#cover.unit || cover.window !== this.#cover.window) {
      this.#window = Number.NaN;
      this.#share = new Share();
    }
    this.#cover = cover;
  }

  /** Whether so much more is covered. `now` in Unix milliseconds; `proxies` fill it together. */
  covers({ amount, doubt }: Estimate, now: number, proxies: number): boolean {
    const page = this.#pageAt(now);
    const left = this.#limitFor(proxies) - page.taken - amount;
    if (left < 0) return false;
    // A window that nothing fits into with its margin would never be used.
    if (page.taken === 0) return true;
    // Errors of several proxies even out as those of several requests do.
    return left >= this.#margin * Math.sqrt((page.variance + doubt * doubt) / proxies);
  }

  /** A request came that would use it: from how much comes, shares are made. Once for each request. */
  wanted(amount: number, now: number): void {
    this.#pageAt(now);
    this.#share.wanted(amount);
  }

  reserve(estimate: Estimate, now: number): Reservation {
    return this.#pageAt(now).add(estimate);
  }

  /** What was taken by a request that had reserved nothing. Of a window that is over nothing is to be corrected any more. */
  note(took: number, begun: number, now: number): void {
    const page = this.#pageAt(now);
    if (Math.floor(begun / this.#cover.window) === this.#window) page.taken += took;
  }

  stateAt(now: number): LedgerState {
    return { ...this.#cover, used: this.#pageAt(now).taken };
  }

  #pageAt(now: number): Page {
    const window = Math.floor(now / this.#cover.window);
    if (window !== this.#window) {
      // NaN, before the first window, is no number of windows.
      if (window > this.#window) {
        this.#share.next(window - this.#window - 1);
        this.#margin = MARGIN;
      }
      this.#window = window;
      this.#limit.cover = undefined;
      this.#page = new Page();
    }
    return this.#page;
  }

  #limitFor(proxies: number): number {
    const limit = this.#limit;
    if (limit.cover !== this.#cover || limit.proxies !== proxies) {
      this.#limit = { cover: this.#cover, proxies, amount: this.#share.of(this.#cover.perWindow, proxies) };
    }
    return this.#limit.amount;
  }
}

/** The request went elsewhere, or took nothing. */
export function release(reservation: Reservation): void {
  const { page, amount, doubt } = reservation;
  page.taken -= amount;
  page.variance -= doubt * doubt;
  reservation.amount = 0;
  reservation.doubt = 0;
  reservation.took = 0;
  page.believe();
}

/** What it took in the end. */
export function settle(reservation: Reservation, took: number): void {
  reservation.took = took;
  reservation.page.believe();
}

/** One window. */
class Page {
  taken = 0;
  /** Of what is not believed yet. */
  variance = 0;
  /** In the order of sending, from `#first` on. */
  readonly #unsettled: Reservation[] = [];
  #first = 0;

  add({ amount, doubt }: Estimate): Reservation {
    const reservation: Reservation = { page: this, amount, doubt, took: undefined };
    this.#unsettled.push(reservation);
    this.taken += amount;
    this.variance += doubt * doubt;
    if (this.#unsettled.length - this.#first > MOST_UNSETTLED) this.#pass(this.#unsettled[this.#first] as Reservation);
    return reservation;
  }

  /** Takes what ended for true, up to the first that has not. */
  believe(): void {
    for (let next = this.#unsettled[this.#first]; next?.took !== undefined; next = this.#unsettled[this.#first]) {
      this.#pass(next);
    }
    if (this.#first === this.#unsettled.length) {
      this.#unsettled.length = 0;
      this.#first = 0;
      this.variance = 0;
    }
  }

  #pass(reservation: Reservation): void {
    const { took, amount, doubt } = reservation;
    this.#first++;
    if (took !== undefined) this.taken += took - amount;
    this.variance = Math.max(0, this.variance - doubt * doubt);
    reservation.doubt = 0;
    if (this.#first < MOST_UNSETTLED) return;
    this.#unsettled.splice(0, this.#first);
    this.#first = 0;
  }
}

export type { Page };
