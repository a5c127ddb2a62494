/**
 * How much was taken within the last minute?
 *
 * In slots of half a second, so that any minute holds at most what the limit says, whatever came in a burst. A slot is
 * forgotten when all of it is older than a minute.
 */

/** Milliseconds. The shared state's script has the same. */
export const SLOT = 500;
/** The minute, and the slot that has only begun. */
export const SLOTS = 60_000 / SLOT + 1;

export class Window {
  /** Made with the first amount: most windows of most clients stay empty. */
  #amounts: Float64Array | undefined;
  /** The newest slot, counted from the clock's zero. */
  #newest = 0;
  #sum = 0;

  usedAt(now: number): number {
    this.#turnTo(now);
    return this.#sum;
  }

  /** The slot of this moment. */
  add(now: number, amount: number): number {
    this.#turnTo(now);
    this.#put(this.#newest, amount);
    return this.#newest;
  }

  /** Takes back what was added to a slot, as far as it has not been forgotten. Returns how much that is. */
  takeBack(now: number, slot: number, amount: number): number {
    this.#turnTo(now);
    if (slot > this.#newest || slot <= this.#newest - SLOTS) return 0;
    const less = Math.min(amount, this.#at(slot));
    this.#put(slot, -less);
    return less;
  }

  /** So much less, the newest first. */
  reduce(now: number, amount: number): void {
    this.#turnTo(now);
    let left = Math.min(amount, this.#sum);
    for (let slot = this.#newest; left > 0 && slot > this.#newest - SLOTS; slot--) {
      const less = Math.min(left, this.#at(slot));
      this.#put(slot, -less);
      left -= less;
    }
  }

  /** How much will have been forgotten when so many slots have gone by. */
  forgottenAfter(slots: number): number {
    let sum = 0;
    for (let i = 1; i <= Math.min(slots, SLOTS); i++) sum += this.#at(this.#newest + i);
    return sum;
  }

  /** Milliseconds until all of it will have been forgotten. */
  emptyIn(now: number): number {
    this.#turnTo(now);
    if (this.#sum === 0) return 0;
    let slot = this.#newest;
    while (this.#at(slot) === 0) slot--;
    return (slot + SLOTS) * SLOT - now;
  }

  /** What was added, and how many slots ago. */
  entries(now: number): { readonly age: number; readonly amount: number }[] {
    this.#turnTo(now);
    const entries: { readonly age: number; readonly amount: number }[] = [];
    for (let age = 0; age < SLOTS && this.#sum > 0; age++) {
      const amount = this.#at(this.#newest - age);
      if (amount > 0) entries.push({ age, amount });
    }
    return entries;
  }

  /** Adds entries that were taken before. */
  addEntries(now: number, entries: readonly { readonly age: number; readonly amount: number }[]): void {
    this.#turnTo(now);
    for (const { age, amount } of entries) if (age < SLOTS) this.#put(this.#newest - age, amount);
  }

  clear(): void {
    this.#amounts = undefined;
    this.#sum = 0;
  }

  #put(slot: number, amount: number): void {
    if (amount === 0) return;
    this.#amounts ??= new Float64Array(SLOTS);
    const place = slot % SLOTS;
    this.#amounts[place] = (this.#amounts[place] as number) + amount;
    this.#sum += amount;
  }

  #at(slot: number): number {
    return this.#amounts?.[slot % SLOTS] ?? 0;
  }

  /** A clock that was set back finds the newest slot. */
  #turnTo(now: number): void {
    const slot = Math.floor(now / SLOT);
    if (slot <= this.#newest) return;
    if (this.#sum > 0) {
      for (let next = Math.max(this.#newest + 1, slot - SLOTS + 1); next <= slot; next++)
        this.#put(next, -this.#at(next));
    }
    this.#newest = slot;
  }
}
