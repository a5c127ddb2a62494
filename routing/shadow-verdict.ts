/**
 * What do the comparisons of a shadow say of its backend?
 *
 * Answers of a model differ from themselves when it is asked twice. So what counts is by how much more often copies differ
 * from what callers got than the live backend differs from itself: a difference of two shares, with the bounds in which
 * it lies at 95 %. Few comparisons give wide bounds, and wide bounds no verdict.
 */

/** Counted of one route: pairs compared, and those that differed. */
export interface Comparisons {
  readonly compared: number;
  readonly different: number;
  /** Of the live backend with itself. */
  readonly noiseCompared: number;
  readonly noiseDifferent: number;
}

export interface ShadowVerdict {
  readonly verdict: "Alike" | "Different" | "Inconclusive";
  /** Shares, 0–1. */
  readonly different: number;
  /** Absent: the live backend was never compared with itself, and counts as one that does not differ. */
  readonly noise?: number;
  /** By how much the copies differ more often, and its bounds; never below 0. */
  readonly disagreement: number;
  readonly lower: number;
  readonly upper: number;
}

export interface VerdictRule {
  /** Disagreement, 0–1, up to which the backend counts as alike. */
  readonly limit: number;
  /** Fewer comparisons say nothing. */
  readonly minCompared: number;
}

/** Where nobody says another. */
export const SHADOW_RULE: VerdictRule = { limit: 0.05, minCompared: 50 };

/** Of the normal distribution, for bounds at 95 %. */
const Z = 1.959964;

export function judgeShadow(counts: Comparisons, { limit, minCompared }: VerdictRule = SHADOW_RULE): ShadowVerdict {
  const raw = wilson(counts.different, counts.compared);
  const isNoiseKnown = counts.noiseCompared > 0;
  const noise = isNoiseKnown ? wilson(counts.noiseDifferent, counts.noiseCompared) : NONE;
  const { difference, lower, upper } = differenceOf(raw, noise);
  const shares = {
    different: raw.share,
    ...(isNoiseKnown && { noise: noise.share }),
    disagreement: Math.max(0, difference),
    lower: Math.max(0, lower),
    upper: Math.max(0, upper),
  };
  if (counts.compared < minCompared) return { verdict: "Inconclusive", ...shares };
  return { verdict: lower > limit ? "Different" : upper <= limit ? "Alike" : "Inconclusive", ...shares };
}

interface Share {
  readonly share: number;
  readonly lower: number;
  readonly upper: number;
}

const NONE: Share = { share: 0, lower: 0, upper: 0 };

/** https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval */
export function wilson(hits: number, of: number): Share {
  if (of <= 0) return { share: 0, lower: 0, upper: 1 };
  const share = Math.min(1, hits / of);
  const middle = share + Z ** 2 / (2 * of);
  const reach = Z * Math.sqrt((share * (1 - share)) / of + Z ** 2 / (4 * of ** 2));
  const whole = 1 + Z ** 2 / of;
  return { share, lower: Math.max(0, (middle - reach) / whole), upper: Math.min(1, (middle + reach) / whole) };
}

/** Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10. */
function differenceOf(a: Share, b: Share): { difference: number; lower: number; upper: number } {
  const difference = a.share - b.share;
  return {
    difference,
    lower: difference - Math.hypot(a.share - a.lower, b.upper - b.share),
    upper: difference + Math.hypot(a.upper - a.share, b.share - b.lower),
  };
}

/** What a judge said of pairs, seen from the copy. */
export interface Judgements {
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
}

/** A sentence for a status; empty: nothing was judged. */
export function describeJudge({ wins, ties, losses }: Judgements): string {
  const all = wins + ties + losses;
  if (all === 0) return "";
  return ` Of ${all} pairs the judge found the copy better in ${wins}, what the caller got in ${losses}, neither in ${ties}.`;
}

/** One sentence for a status: what was compared, and what it says. */
export function describeShadow(counts: Comparisons, rule: VerdictRule = SHADOW_RULE): string {
  if (counts.compared === 0) return "Nothing has been compared yet.";
  const { verdict, different, noise, disagreement, lower, upper } = judgeShadow(counts, rule);
  const own =
    noise === undefined
      ? "; how often the live backend differs from itself was not measured (noisePercent)"
      : `, the live backend from itself in ${percent(noise)} of ${counts.noiseCompared}`;
  const raw = `Copies differ in ${percent(different)} of ${counts.compared} comparisons${own}.`;
  const bounds = `Disagreement is ${percent(disagreement)} (${percent(lower)} to ${percent(upper)} at 95 %)`;
  return `${raw} ${bounds}: ${CONSEQUENCE[verdict](rule)}.`;
}

const CONSEQUENCE: Readonly<Record<ShadowVerdict["verdict"], (rule: VerdictRule) => string>> = {
  Alike: ({ limit }) => `not more than ${percent(limit)}`,
  Different: ({ limit }) => `more than ${percent(limit)}`,
  Inconclusive: ({ limit }) => `too few comparisons to tell whether that is more than ${percent(limit)}`,
};

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
