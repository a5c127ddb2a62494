/** How much of an answer is kept to be compared? Up to a bound, all or nothing, within what all copies may take. */
import type { ReplayPool } from "../body/replay-pool.ts";

/** Larger answers are compared by their status and tokens only. */
export const LARGEST_COMPARED_ANSWER_BYTES = 256 * 1024;

export class KeptAnswer {
  readonly #pool: ReplayPool;
  #chunks: Buffer[] = [];
  #taken = 0;
  #isWhole = true;

  constructor(pool: ReplayPool) {
    this.#pool = pool;
  }

  /** Bytes that nobody changes any more. */
  add(chunk: Buffer): void {
    if (!this.#isWhole) return;
    const isRoom = this.#taken + chunk.length <= LARGEST_COMPARED_ANSWER_BYTES && this.#pool.take(chunk.length);
    if (isRoom) {
      this.#chunks.push(chunk);
      this.#taken += chunk.length;
    } else {
      this.release();
      this.#isWhole = false;
    }
  }

  /** Undefined: it was too large. */
  get body(): Buffer | undefined {
    return this.#isWhole ? Buffer.concat(this.#chunks) : undefined;
  }

  release(): void {
    this.#pool.give(this.#taken);
    this.#taken = 0;
    this.#chunks = [];
  }
}
