/**
 * Is this event like the one before, but for its text?
 *
 * Nearly all events of a stream are. What was scanned once need then only be compared: the bytes between the places
 * where events differ (their text, their number, what pads them), and those are looked at for themselves. A third of a
 * scan's time. An event that differs anywhere else is scanned.
 */
import type { JsonScan } from "./json-scan.ts";
import { QUOTE, stringEnd, wholeNumberEnd } from "./json-tokens.ts";
import type { KeptText } from "./kept-text.ts";

/** A place where events of one form differ. */
export const SLOT_TEXT = 1;
export const SLOT_NUMBER = 2;
/** Read by nobody. */
export const SLOT_PADDING = 3;

/** From here a native comparison costs less than a loop. */
const LONG_BYTES = 64;
/** Larger ones are few, and not kept. */
const LARGEST_BYTES = 4096;
/** So many in a row that differ are all learnt; after them only every so manieth. */
const PATIENCE = 4;
const SELDOM = 16;

export class EventTemplate {
  /** Of the event that was like the one before. */
  contentSeen = false;
  /** Where its number stands; -1 when it has none. */
  numberStart = -1;

  readonly #text: KeptText;
  #bytes = Buffer.alloc(0);
  #length = 0;
  /** Start and end within the template, and kind, of each slot. */
  readonly #slots: number[] = [];
  #keepsText = true;
  #seen = false;
  #misses = 0;

  constructor(text: KeptText) {
    this.#text = text;
  }

  /** The end of the event at `at`, its text taken, if it is like the template; 0 if not. */
  end(data: Buffer, at: number): number {
    if (this.#length === 0) return 0;
    const slots = this.#slots;
    const mark = this.#text.bytes;
    let from = 0;
    let i = at;
    this.contentSeen = this.#seen;
    this.numberStart = -1;
    for (let n = 0; n < slots.length; n += 3) {
      const start = slots[n] as number;
      if (!this.#same(from, start, data, i)) return this.#unlike(mark);
      i += start - from;
      from = slots[n + 1] as number;
      const end = this.#slot(slots[n + 2] as number, data, i);
      if (end < 0) return this.#unlike(mark);
      i = end;
    }
    if (!this.#same(from, this.#length, data, i)) return this.#unlike(mark);
    this.#misses = 0;
    return i + this.#length - from;
  }

  /** The event from `at` to `end` was scanned, and said nothing but its text. `keepsText`: its text is one. */
  learn(data: Buffer, at: number, end: number, scan: JsonScan, keepsText: boolean): void {
    const size = end - at;
    this.#misses++;
    if (size > LARGEST_BYTES || (this.#misses > PATIENCE && this.#misses % SELDOM !== 0)) return;
    if (this.#bytes.length < size) this.#bytes = Buffer.allocUnsafe(size * 2);
    data.copy(this.#bytes, 0, at, end);
    this.#length = size;
    this.#slots.length = 0;
    for (let n = 0; n < scan.slotCount; n++) {
      const { start, end: slotEnd, kind } = scan.slotAt(n);
      this.#slots.push(start - at, slotEnd - at, kind);
    }
    this.#keepsText = keepsText;
    this.#seen = scan.containerSeen || !scan.isChat;
  }

  /** Behind the slot's value, or negative. Strings begin and end with their quotes outside of the slot. */
  #slot(kind: number, data: Buffer, start: number): number {
    if (kind === SLOT_NUMBER) {
      this.numberStart = start;
      return wholeNumberEnd(data, start);
    }
    const close = stringEnd(data, start);
    if (close < 0) return close;
    if (kind === SLOT_TEXT && data[start] !== QUOTE) {
      this.contentSeen = true;
      if (this.#keepsText) this.#text.add(data, start, close - 1);
    }
    return close - 1;
  }

  #same(from: number, to: number, data: Buffer, at: number): boolean {
    const bytes = this.#bytes;
    const end = at + to - from;
    if (end > data.length) return false;
    if (to - from >= LONG_BYTES) return data.compare(bytes, from, to, at, end) === 0;
    const shift = at - from;
    for (let i = from; i < to; i++) if (bytes[i] !== data[i + shift]) return false;
    return true;
  }

  #unlike(mark: number): number {
    this.#text.backTo(mark);
    return 0;
  }
}
