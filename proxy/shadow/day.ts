/** What have the copies of one route to one backend come to, this day (UTC)? Numbers only grow. */

export interface ShadowDay {
  readonly route: string;
  readonly backend: string;
  /** `2026-11-26`. */
  readonly date: string;
  /** Copies that were sent. */
  copied: number;
  /** Copies that a bound kept from being sent. */
  dropped: number;
  compared: number;
  different: number;
  noiseCompared: number;
  noiseDifferent: number;
  /** Input and output, of copies and of asking the live backend again. */
  tokens: number;
  /** Pairs of which the judge found the copy better, neither, what the caller got. */
  wins: number;
  ties: number;
  losses: number;
  /** Of compared pairs whose both sides are known: what each took, in milliseconds and nano-dollars. */
  liveMilliseconds: number;
  copyMilliseconds: number;
  liveCost: number;
  copyCost: number;
}

/** Told to the operator, and for a while after the day is over: who reckons with differences misses nothing. */
const DAYS_KEPT = 2;
/** Of one route: each change of its backend begins another. */
const MOST_KEPT = 16;
const MS_PER_DAY = 86_400_000;

export class RouteDays {
  readonly #route: string;
  #days: ShadowDay[] = [];

  constructor(route: string) {
    this.#route = route;
  }

  /** `now` in Unix milliseconds. */
  at(now: number, backend: string): ShadowDay {
    const date = dateAt(now);
    const known = this.#days.find((day) => day.date === date && day.backend === backend);
    if (known) return known;
    const day: ShadowDay = {
      route: this.#route,
      backend,
      date,
      copied: 0,
      dropped: 0,
      compared: 0,
      different: 0,
      noiseCompared: 0,
      noiseDifferent: 0,
      tokens: 0,
      wins: 0,
      ties: 0,
      losses: 0,
      liveMilliseconds: 0,
      copyMilliseconds: 0,
      liveCost: 0,
      copyCost: 0,
    };
    this.#days = [...this.kept(now), day].slice(-MOST_KEPT);
    return day;
  }

  /** Today's and yesterday's. */
  kept(now: number): readonly ShadowDay[] {
    const oldest = dateAt(now - (DAYS_KEPT - 1) * MS_PER_DAY);
    return this.#days.filter(({ date }) => date >= oldest);
  }

  /** Of all backends. */
  tokensAt(now: number): number {
    const today = dateAt(now);
    let tokens = 0;
    for (const day of this.#days) if (day.date === today) tokens += day.tokens;
    return tokens;
  }
}

function dateAt(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}
