/**
 * How fast does one backend of a route answer, by where the caller is?
 *
 * Measured apart: a stream's first token, a stream to its end, and answers that are no streams, whose first byte comes
 * with their last. What is under way counts too, once it has taken longer than nearly all before it: a backend that has
 * stopped to answer gives no other sign.
 */
import type { AttemptRecord, Exchange } from "../exchange.ts";
import { FORGOTTEN_MS, Series } from "./series.ts";

export type Measure = "firstToken" | "stream" | "answer";
export const MEASURES: readonly Measure[] = ["firstToken", "stream", "answer"];

/** Below it something is only known of all callers together. */
export const FEWEST_SAMPLES = 20;
/** Below it nothing is known. */
const FEWEST_KNOWN = 3;
/** What is under way is late when it has taken longer than this, and than the 95th percentile. */
const LATE = 2;
/** So many that are under way are looked at. */
const MOST_LOOKED_AT = 64;
/** Against what is late the estimate counts as so many answers at most. */
const MOST_WEIGHT = 20;

/** An attempt under way. */
export interface Pending {
  readonly record: AttemptRecord;
  readonly location: string;
  readonly exchange: Pick<Exchange, "stream" | "firstTokenAt">;
}

/** How many series by location there may be yet: of all meters together. */
export interface Room {
  left: number;
}

export class Meter {
  /** Of all callers. */
  readonly all: Readonly<Record<Measure, Series>> = {
    firstToken: new Series(),
    stream: new Series(),
    answer: new Series(),
  };
  readonly #places = new Map<string, Partial<Record<Measure, Series>>>();
  readonly #room: Room;
  /** In the order in which they began. */
  readonly #pending: Readonly<Record<Measure, Set<Pending>>> = {
    firstToken: new Set(),
    stream: new Set(),
    answer: new Set(),
  };

  constructor(room: Room) {
    this.#room = room;
  }

  /** Attempts under way. */
  get inFlight(): number {
    return this.#pending.stream.size + this.#pending.answer.size;
  }

  began(pending: Pending): void {
    if (!pending.exchange.stream) this.#pending.answer.add(pending);
    else {
      this.#pending.stream.add(pending);
      this.#pending.firstToken.add(pending);
    }
  }

  ended(pending: Pending): void {
    for (const measure of MEASURES) this.#pending[measure].delete(pending);
  }

  observe(measure: Measure, location: string, milliseconds: number, now: number): void {
    this.all[measure].observe(milliseconds, now);
    this.#seriesFor(location, measure)?.observe(milliseconds, now);
  }

  /** Made when there is room for it. */
  #seriesFor(location: string, measure: Measure): Series | undefined {
    const place = this.#places.get(location) ?? {};
    const known = place[measure];
    if (known || this.#room.left <= 0) return known;
    this.#room.left--;
    const series = new Series();
    place[measure] = series;
    this.#places.set(location, place);
    return series;
  }

  /** It failed or was given up after so long: it would have taken at least that. Never makes a backend look fast. */
  atLeast(measure: Measure, location: string, milliseconds: number, now: number): void {
    const series = this.#places.get(location)?.[measure] ?? this.all[measure];
    if (milliseconds > series.estimateAt(now)) this.observe(measure, location, milliseconds, now);
  }

  isKnown(measure: Measure, now: number): boolean {
    const { fresh, lastAt } = this.all[measure];
    return fresh >= FEWEST_KNOWN && now - lastAt <= FORGOTTEN_MS;
  }

  /** Whether enough is known of callers there. */
  isKnownAt(location: string, measure: Measure, now: number): boolean {
    const series = this.#places.get(location)?.[measure];
    return series !== undefined && series.samplesAt(now) >= FEWEST_SAMPLES;
  }

  /** Milliseconds; without a location of all callers. NaN when nothing was ever seen. */
  estimate(measure: Measure, location: string | undefined, now: number): number {
    const series = location === undefined ? this.all[measure] : this.#places.get(location)?.[measure];
    if (series === undefined) return Number.NaN;
    const estimate = series.estimateAt(now);
    const pending = this.#pending[measure];
    if (pending.size === 0 || Number.isNaN(estimate)) return estimate;
    const late = Math.max(estimate * LATE, series.percentile(0.95));
    let looks = MOST_LOOKED_AT;
    let count = 0;
    let sum = 0;
    for (const one of pending) {
      if (isOver(one, measure)) {
        pending.delete(one);
        continue;
      }
      const age = now - one.record.startedAt;
      if (age <= late || looks-- === 0) break;
      if (location !== undefined && one.location !== location) continue;
      count++;
      sum += age;
    }
    if (count === 0) return estimate;
    const weight = Math.min(MOST_WEIGHT, series.weight);
    return (estimate * weight + sum) / (weight + count);
  }

  /** Milliseconds since anything was measured here. */
  silence(measure: Measure, now: number): number {
    return now - this.all[measure].lastAt;
  }

  locations(): readonly string[] {
    return [...this.#places.keys()];
  }

  seriesAt(location: string, measure: Measure): Series | undefined {
    return this.#places.get(location)?.[measure];
  }

  /** The location's series are not kept any more. */
  forget(location: string): void {
    this.#room.left += Object.keys(this.#places.get(location) ?? {}).length;
    this.#places.delete(location);
  }
}

/** It failed, or another attempt was faster: when the request has ended that is judged. Or its first token came. */
function isOver({ record: { outcome }, exchange }: Pending, measure: Measure): boolean {
  if (outcome !== undefined && outcome !== "ok") return true;
  return measure === "firstToken" && exchange.firstTokenAt !== undefined;
}
