/** One side of a rollout in virtual time: what its requests would have shown, by seeded chance. */
import { bucketOf } from "../../../routing/rollout/histogram.ts";
import { type Measures, NOTHING_MEASURED } from "../../../routing/rollout/measures.ts";
import { Random } from "../../contracts/random.ts";

export interface Faults {
  /** Shares, 0–1. */
  readonly errors?: number;
  readonly truncated?: number;
  readonly schemaFailed?: number;
  /** Times as slow. */
  readonly slower?: number;
  /** Times as far apart, in their logarithm. */
  readonly wider?: number;
}

/** What a healthy provider shows too. */
const USUAL = { errors: 0.003, truncated: 0.01, schemaFailed: 0.005, slower: 1, wider: 1 };
/** Every fourth request asks for tools or JSON; half of them are streams. */
const ASKS_STRUCTURE = 0.25;
const STREAMS = 0.5;
/** Of log-normal times: the median in milliseconds, and the deviation of the logarithm. */
const LATENCY = { median: 1800, deviation: 0.6 };
const FIRST_TOKEN = { median: 400, deviation: 0.5 };

type Changing = { -readonly [Name in keyof Measures]: Measures[Name] extends number ? number : Record<string, number> };

export class Side {
  readonly #random: Random;
  readonly #faults: Required<Faults>;
  readonly #seen: Changing = { ...NOTHING_MEASURED, latency: {}, firstToken: {}, speed: {} };

  constructor(seed: string, faults: Faults) {
    this.#random = new Random(seed);
    this.#faults = { ...USUAL, ...faults };
  }

  get requests(): number {
    return this.#seen.requests;
  }

  /** Until so many requests came in all. */
  meet(total: number): void {
    while (this.#seen.requests < total) this.#one();
  }

  measures(): Measures {
    const { latency, firstToken, speed } = this.#seen;
    return { ...this.#seen, latency: { ...latency }, firstToken: { ...firstToken }, speed: { ...speed } };
  }

  #one(): void {
    const seen = this.#seen;
    const faults = this.#faults;
    seen.requests++;
    if (this.#random.happens(faults.errors)) {
      seen.errors++;
      return;
    }
    count(seen.latency, this.#time(LATENCY));
    if (this.#random.happens(STREAMS)) count(seen.firstToken, this.#time(FIRST_TOKEN));
    if (this.#random.happens(faults.truncated)) seen.truncated++;
    if (!this.#random.happens(ASKS_STRUCTURE)) return;
    seen.schemaChecked++;
    if (this.#random.happens(faults.schemaFailed)) seen.schemaFailed++;
  }

  #time({ median, deviation }: { readonly median: number; readonly deviation: number }): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random.next())) * Math.cos(2 * Math.PI * this.#random.next());
    return median * Math.exp(deviation * this.#faults.wider * normal) * this.#faults.slower;
  }
}

function count(histogram: Record<string, number>, value: number): void {
  const bucket = bucketOf(value);
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}
