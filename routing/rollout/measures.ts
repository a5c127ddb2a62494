/**
 * What was measured of one backend of a route?
 *
 * Numbers that only grow while a process lives, so that a window is a difference and several proxies are a sum.
 */
import { type Histogram, lessOf, sumOf } from "./histogram.ts";

export { type Histogram, percentile } from "./histogram.ts";

/** What was measured of one backend of a route since a process started. */
export interface Measures {
  /** Attempts that count: not those that failed by the caller's own fault, nor those that ended because the caller went away. */
  readonly requests: number;
  /** Of them, those that failed by the backend's fault; `rateLimited` among them. */
  readonly errors: number;
  readonly rateLimited: number;
  /** Answers in which the model or a content filter refused. */
  readonly refusals: number;
  /** Answers that ended because they reached their length. */
  readonly truncated: number;
  /** Answers whose structure was looked at, since JSON or tools were asked for, and those that do not have it. */
  readonly schemaChecked: number;
  readonly schemaFailed: number;
  /** Answers whose cost is known, what they cost, and the sum of the squares: how much they differ. */
  readonly priced: number;
  readonly nanoUsd: number;
  readonly nanoUsdSquared: number;
  /** Of streams, from their first token to their end. */
  readonly outputTokens: number;
  readonly generationMilliseconds: number;
  /** Of answers that came whole, until their end. */
  readonly latency: Histogram;
  /** Of streams. */
  readonly firstToken: Histogram;
  /** Of streams, each one's tokens in 1000 seconds. */
  readonly speed: Histogram;
}

const COUNTS = [
  "requests",
  "errors",
  "rateLimited",
  "refusals",
  "truncated",
  "schemaChecked",
  "schemaFailed",
  "priced",
  "nanoUsd",
  "nanoUsdSquared",
  "outputTokens",
  "generationMilliseconds",
] as const satisfies readonly (keyof Measures)[];

const HISTOGRAMS = ["latency", "firstToken", "speed"] as const satisfies readonly (keyof Measures)[];

export const NOTHING_MEASURED: Measures = {
  requests: 0,
  errors: 0,
  rateLimited: 0,
  refusals: 0,
  truncated: 0,
  schemaChecked: 0,
  schemaFailed: 0,
  priced: 0,
  nanoUsd: 0,
  nanoUsdSquared: 0,
  outputTokens: 0,
  generationMilliseconds: 0,
  latency: {},
  firstToken: {},
  speed: {},
};

type Changing = { -readonly [Name in keyof Measures]: Measures[Name] };

export function sum(a: Measures, b: Measures): Measures {
  const both: Changing = { ...a };
  for (const name of COUNTS) both[name] += b[name];
  for (const name of HISTOGRAMS) both[name] = sumOf(a[name], b[name]);
  return both;
}

/** What came between two reports of the same process. `earlier` undefined: since it started. */
export function since(later: Measures, earlier: Measures | undefined): Measures {
  if (earlier === undefined) return later;
  const between: Changing = { ...later };
  for (const name of COUNTS) between[name] = Math.max(0, later[name] - earlier[name]);
  for (const name of HISTOGRAMS) between[name] = lessOf(later[name], earlier[name]);
  return between;
}
