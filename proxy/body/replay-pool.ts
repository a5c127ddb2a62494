/**
 * How much memory do kept bodies take together?
 *
 * A request's body is kept so that it can be sent again to the next backend, an answer so that a broken one can be
 * replaced, or because its caller has not taken it yet. The pool bounds all of them; who finds it full streams without
 * being kept, or is refused.
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

  /** For what is in memory already, whether there is room or not: others get none meanwhile. */
  takeAnyway(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
