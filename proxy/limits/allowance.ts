/**
 * How much more of one thing, requests or tokens, may a client ask for here?
 *
 * While the shared state answers it decides, and this only follows. Without it each proxy has its share of what was left
 * when it was last heard, so that all shares together are never more than the limit.
 */
import { SLOT, SLOTS, Window } from "./window.ts";

const MINUTE = 60_000;

export type Entries = ReturnType<Window["entries"]>;

export class Allowance {
  /** A minute, of all proxies together. */
  limit: number;
  /** Taken here. */
  readonly #own = new Window();
  /** Of it, what counts against this proxy's share: without a shared state all of it. */
  readonly #share = new Window();
  /** Taken here and not told to the shared state yet. */
  readonly #untold = new Window();
  /** Taken by all, as the shared state told it, when it was last heard. */
  readonly #seen = new Window();
  /** What is larger than the share pays for more than a minute. */
  #closedUntil = 0;

  /** Somebody else counts for all: what it would have to be told is kept. */
  readonly #isShared: boolean;

  constructor(limit: number, isShared: boolean) {
    this.limit = limit;
    this.#isShared = isShared;
  }

  /** Milliseconds to wait; 0: it may be taken now. For one of so many proxies. */
  wait(amount: number, now: number, proxies: number): number {
    if (now < this.#closedUntil) return this.#closedUntil - now;
    if (this.#fits(amount, now, proxies)) return 0;
    const seen = this.#seen.usedAt(now);
    const share = this.#share.usedAt(now);
    for (let slots = 1; slots <= SLOTS; slots++) {
      const left = (this.limit - seen + this.#seen.forgottenAfter(slots)) / proxies;
      const taken = share - this.#share.forgottenAfter(slots);
      if (taken + amount <= left || slots === SLOTS) return (Math.floor(now / SLOT) + slots) * SLOT - now;
    }
    return MINUTE;
  }

  /** By this proxy's share. The slot, for taking it back. */
  take(amount: number, now: number, proxies: number): number {
    const share = this.limit / proxies;
    if (amount > share) this.#closedUntil = now + (MINUTE * amount) / share;
    const slot = this.#share.add(now, amount);
    if (this.#isShared) {
      this.#untold.add(now, amount);
      this.#own.add(now, amount);
    }
    return slot;
  }

  /** The shared state has let it pass, and told how much all have taken. */
  took(amount: number, now: number, total: number): number {
    this.observe(now, total);
    return this.#own.add(now, amount);
  }

  /** So much more was used than had been taken. `told`: the shared state is told by itself. */
  more(now: number, amount: number, told: boolean): void {
    if (this.#isShared) this.#own.add(now, amount);
    if (told) this.#seen.add(now, amount);
    else {
      this.#share.add(now, amount);
      if (this.#isShared) this.#untold.add(now, amount);
    }
  }

  /** So much less was used than had been taken at that slot. */
  less(now: number, slot: number, amount: number, told: boolean): void {
    this.#own.takeBack(now, slot, amount);
    const inShare = this.#share.takeBack(now, slot, amount);
    if (told) this.#seen.reduce(now, amount - inShare);
    else this.#untold.takeBack(now, slot, amount);
  }

  observe(now: number, total: number): void {
    const difference = total - this.#seen.usedAt(now);
    if (difference >= 0) this.#seen.add(now, difference);
    else this.#seen.reduce(now, -difference);
  }

  /** What the shared state is to be told: all that was taken here, where it has forgotten everything. */
  tell(now: number, all: boolean): Entries {
    const entries = (all ? this.#own : this.#untold).entries(now);
    this.#untold.clear();
    return entries;
  }

  /** It could not be told. */
  notTold(now: number, entries: Entries): void {
    this.#untold.addEntries(now, entries);
  }

  /** From now on the shared state decides; until it has said how much all have taken, this much is known. */
  follow(now: number): void {
    this.#seen.addEntries(now, this.#share.entries(now));
    this.#share.clear();
    this.#closedUntil = 0;
  }

  remaining(now: number, proxies: number): number {
    if (now < this.#closedUntil) return 0;
    const left = (this.limit - this.#seen.usedAt(now)) / proxies - this.#share.usedAt(now);
    return Math.max(0, Math.floor(left));
  }

  /** Milliseconds until the whole limit is there again. */
  resetIn(now: number): number {
    return Math.max(this.#share.emptyIn(now), this.#seen.emptyIn(now), this.#closedUntil - now);
  }

  /** Taken by all as far as is known here. */
  used(now: number): number {
    return this.#seen.usedAt(now) + this.#share.usedAt(now);
  }

  #fits(amount: number, now: number, proxies: number): boolean {
    const seen = this.#seen.usedAt(now);
    const taken = this.#share.usedAt(now);
    if (taken + amount <= (this.limit - seen) / proxies) return true;
    // Larger than the share but not than the limit: when nothing else was taken, and it pays with time.
    return taken === 0 && seen === 0 && amount > this.limit / proxies && amount <= this.limit;
  }
}
