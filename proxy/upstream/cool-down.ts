/**
 * How long is a rate-limited model left alone?
 *
 * As long as the provider says; when it says nothing, 1 s, doubling to 30 s while 429s go on.
 */
import type { Ticket } from "./breaker.ts";
import { Headroom } from "./headroom.ts";

/** First wait, and the longest, after 429s that name no time. */
export const FIRST_WAIT_MS = 1_000;
export const LONGEST_WAIT_MS = 30_000;

/** One per rate limit of a provider: shared by all whose requests count against it. */
export class CoolDown {
  /** What the provider says of the same limit before it is reached. */
  readonly headroom = new Headroom();
  /** 0: not limited. */
  until = 0;
  /** 429s without a time since the last success; the next wait doubles with each. */
  #streak = 0;
  /** Tickets below this began before the last 429: what they say is part of the same burst. */
  #since: Ticket = 0;

  /** True when it was not limited before. `latest` is the last ticket given out. */
  limited(ticket: Ticket, now: number, waitMs: number | undefined, latest: Ticket): boolean {
    const fresh = this.until === 0;
    const sameBurst = ticket < this.#since;
    if (waitMs !== undefined) {
      // The newest word of the provider counts; answers of one burst may overtake each other: the longest of them.
      this.until = sameBurst ? Math.max(this.until, now + waitMs) : now + waitMs;
    } else if (!sameBurst) {
      this.until = now + Math.min(FIRST_WAIT_MS * 2 ** this.#streak, LONGEST_WAIT_MS);
      this.#streak++;
    }
    if (!sameBurst) this.#since = latest + 1;
    return fresh && this.until > 0;
  }

  succeeded(ticket: Ticket): void {
    if (this.#streak > 0 && ticket >= this.#since) this.#streak = 0;
  }

  /** True when a wait has just ended. */
  expired(now: number): boolean {
    if (this.until === 0 || now < this.until) return false;
    this.until = 0;
    return true;
  }
}
