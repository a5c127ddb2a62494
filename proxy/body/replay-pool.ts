/**
 * How much memory do kept request bodies take together?
 *
 * A body is kept so that it can be sent again to the next backend. The pool bounds all of them; who finds it full
 * streams without replay, or waits outside.
 */
export class ReplayPool {
  readonly capacity: number;
  #used = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get used(): number {
    return this.#used;
  }

  /** Takes `bytes` and says true, or takes nothing and says false. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.capacity) return false;
    this.#used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
