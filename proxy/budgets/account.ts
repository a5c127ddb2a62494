/**
 * What has one client spent through this proxy in one month, and what may it still spend?
 *
 * What a request is expected to cost is set aside when it begins and replaced by what it cost when it has ended. Counts are
 * since the proxy's start and only grow, so that saying them twice does no harm.
 */
import type { Said } from "../../routing/budgets/entry.ts";

/** How much more than expected is set aside at most, after requests that cost so much more. */
const WORST_SURPRISE = 20;
/** What is left of a surprise after each request without one. */
const FADING = 0.95;

/** Set aside for a request: given back with what it cost. */
export interface Reserved {
  readonly account: Account;
  readonly expected: number;
  amount: number;
  /** It goes on for long, and was set aside as it came. */
  isAdvanced?: true;
}

export class Account {
  readonly client: string;
  readonly month: string;
  /** On the count of the proxy's changes: when something here changed last. */
  version = 0;
  isLast = false;
  readonly #onChange: (account: Account, isUrgent: boolean) => void;
  #nanoUsd = 0;
  #requests = 0;
  #tokens = 0;
  #reserved = 0;
  #granted: number | undefined;
  /** Above it the next grant is asked for, before this one is used up. */
  #low = Number.POSITIVE_INFINITY;
  #surprise = 1;
  /** What those that wait need. */
  readonly #waiting = new Map<object, number>();
  #told = Promise.withResolvers<void>();

  constructor(client: string, month: string, onChange: (account: Account, isUrgent: boolean) => void) {
    this.client = client;
    this.month = month;
    this.#onChange = onChange;
  }

  /** Nobody has said yet what it may spend. */
  get isUnknown(): boolean {
    return this.#granted === undefined;
  }

  get isIdle(): boolean {
    return this.#reserved === 0 && this.#waiting.size === 0;
  }

  /** With a grant that no grant is behind: what it spends is told, and counted when somebody hands out budgets again. */
  startWith(nanoUsd: number): void {
    this.#granted ??= nanoUsd;
  }

  /** Undefined: it does not fit. */
  reserve(expected: number): Reserved | undefined {
    const amount = this.#needFor(expected);
    if (this.#granted === undefined || this.#nanoUsd + this.#reserved + amount > this.#granted) return undefined;
    this.#reserved += amount;
    this.#changed(this.#isLow());
    return { account: this, expected, amount };
  }

  /** Something of a request under way is known to cost so much already. False: nothing is left of the budget. */
  advance(reserved: Reserved, cost: number): boolean {
    if (cost > reserved.amount) {
      this.#reserved += cost - reserved.amount;
      reserved.amount = cost;
      reserved.isAdvanced = true;
      this.#changed(this.#isLow());
    }
    if (this.#nanoUsd + this.#reserved < (this.#granted ?? 0)) {
      this.#waiting.delete(reserved);
      return true;
    }
    // What it took already is gone: whether there is more is asked, not waited for.
    if (!this.#waiting.has(reserved)) {
      this.#waiting.set(reserved, 1);
      this.#changed(true);
    }
    return !this.isLast;
  }

  /** A request has ended. `cost` is 0 where nobody knows it. */
  settle(reserved: Reserved | undefined, cost: number, requests: number, tokens: number): void {
    this.#nanoUsd += cost;
    this.#requests += requests;
    this.#tokens += tokens;
    if (reserved !== undefined) {
      this.#reserved = Math.max(0, this.#reserved - reserved.amount);
      this.#waiting.delete(reserved);
      const isSurprising = reserved.expected > 0 && cost > 0 && !reserved.isAdvanced;
      const surprise = isSurprising ? Math.min(WORST_SURPRISE, cost / reserved.expected) : 1;
      this.#surprise = Math.max(1, surprise, this.#surprise * FADING);
    }
    this.#changed(false);
  }

  /** Whoever hands out budgets has said so. */
  grant(upTo: number, isLast: boolean): void {
    const used = this.#nanoUsd + this.#reserved;
    // What is spent or under way cannot be called back.
    this.#granted = Math.max(upTo, used);
    this.#low = isLast || this.#granted === used ? Number.POSITIVE_INFINITY : used + (this.#granted - used) / 2;
    this.isLast = isLast;
    const told = this.#told;
    this.#told = Promise.withResolvers<void>();
    told.resolve();
    this.#changed(false);
  }

  /** Somebody needs more than there is: resolves when something new is said of it, or it has waited long enough. */
  async waitForMore(expected: number, milliseconds: number): Promise<void> {
    const ticket = {};
    this.#waiting.set(ticket, this.#needFor(expected));
    this.#changed(true);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, milliseconds);
    await Promise.race([this.#told.promise, late.promise]);
    clearTimeout(timer);
    this.#waiting.delete(ticket);
    this.#changed(false);
  }

  /** Those that wait look again, and give up. */
  wake(): void {
    this.#told.resolve();
    this.#told = Promise.withResolvers<void>();
  }

  said(): Said {
    return {
      client: this.client,
      month: this.month,
      nanoUsd: this.#nanoUsd,
      requests: this.#requests,
      tokens: this.#tokens,
      reserved: this.#reserved,
      granted: this.#granted ?? null,
      need: this.#waiting.size === 0 ? 0 : Math.min(...this.#waiting.values()),
      isLast: this.isLast,
    };
  }

  /** Whole nano-dollars, at least one: a spent budget has nothing left for what costs nothing, either. */
  #needFor(expected: number): number {
    return Math.max(1, Math.ceil(expected * this.#surprise));
  }

  #isLow(): boolean {
    if (this.#nanoUsd + this.#reserved <= this.#low) return false;
    this.#low = Number.POSITIVE_INFINITY;
    return true;
  }

  #changed(isUrgent: boolean): void {
    this.#onChange(this, isUrgent);
  }
}
