/**
 * What did the model say so far, should its tokens have to be counted here?
 *
 * The insides of the answer's JSON strings as they passed, escapes included: joined they are the inside of one string.
 * Bounded; beyond, only their length is known.
 */

/** Kept of one answer, about 16,000 tokens. */
export const KEPT_TEXT_BYTES = 64 * 1024;
const FIRST_BYTES = 256;
/** Up to here a loop costs less than a native copy. */
const SHORT_BYTES = 16;

export class KeptText {
  /** Of all content that passed, kept or not. */
  bytes = 0;
  #kept: Buffer | undefined;
  #length = 0;

  /** Takes the bytes between a string's quotes. */
  add(data: Buffer, start: number, end: number): void {
    const size = end - start;
    this.bytes += size;
    // What is kept has no gap: the first piece that does not fit is the last one looked at.
    if (this.bytes > KEPT_TEXT_BYTES) return;
    const kept = this.#roomFor(size);
    if (size > SHORT_BYTES) data.copy(kept, this.#length, start, end);
    else for (let i = 0; i < size; i++) kept[this.#length + i] = data[start + i] as number;
    this.#length += size;
  }

  /** Forgets what came since `bytes` was this. */
  backTo(bytes: number): void {
    this.bytes = bytes;
    if (this.#length > bytes) this.#length = bytes;
  }

  /** Not a copy. */
  get kept(): Buffer {
    return this.#kept?.subarray(0, this.#length) ?? Buffer.alloc(0);
  }

  #roomFor(size: number): Buffer {
    const needed = this.#length + size;
    if (this.#kept && needed <= this.#kept.length) return this.#kept;
    let capacity = this.#kept ? this.#kept.length * 2 : FIRST_BYTES;
    while (capacity < needed) capacity *= 2;
    const grown = Buffer.allocUnsafe(Math.min(capacity, KEPT_TEXT_BYTES));
    this.#kept?.copy(grown, 0, 0, this.#length);
    this.#kept = grown;
    return grown;
  }
}
