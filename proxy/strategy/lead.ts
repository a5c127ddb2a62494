/**
 * Which of the backends of a tier is asked first, going by how fast they are?
 *
 * Those that are slower than the fastest by no more than the margin are as good as it: weights share among them, and of
 * two drawn the one with less under way is taken. Beyond the margin a share shrinks steeply but steadily, so that several
 * proxies, and backends that are slow because they are asked, come to rest instead of swinging. A small share measures
 * the others. Pure: no clock, no randomness of its own.
 */

export interface Contender {
  readonly weight: number;
  /** Milliseconds; undefined: unknown. */
  readonly estimate: number | undefined;
  readonly inFlight: number;
  /** Since it was measured last, for which is to be measured next. */
  readonly silence: number;
}

export interface LeadRules {
  readonly explorePercent: number;
  readonly switchMarginPercent: number;
}

export interface Lead<One> {
  readonly first: One;
  readonly why: "latency" | "latency:explore" | "latency:unknown";
}

/** A share falls with this power of how much slower than the margin allows a backend is: 7 % at 1.3 times, 1 % at 1.5. */
const STEEPNESS = 16;
/** Of the requests, for backends of which nothing is known beside some that are known. */
const UNKNOWN_SHARE = 0.1;
/** No more than so many requests are under way at one that is measured. */
const MOST_UNDER_WAY = 4;

export function isAmongFastest(estimate: number, best: number, { switchMarginPercent }: LeadRules): boolean {
  return estimate <= best * (1 + switchMarginPercent / 100);
}

/** The fastest of those that are known; undefined: none is. */
export function bestOf(contenders: readonly Contender[]): number | undefined {
  let best: number | undefined;
  for (const { estimate } of contenders) {
    if (estimate !== undefined && (best === undefined || estimate < best)) best = estimate;
  }
  return best;
}

/** Undefined: there is nobody. All contenders have weight. */
export function leadOf<One extends Contender>(
  contenders: readonly One[],
  rules: LeadRules,
  rng: () => number,
): Lead<One> | undefined {
  const best = bestOf(contenders);
  if (best === undefined) {
    const first = draw(contenders, (one) => one.weight, rng);
    return first && { first, why: "latency:unknown" };
  }
  const known = contenders.filter((one) => one.estimate !== undefined);
  const unknown = contenders.filter((one) => one.estimate === undefined);
  const explored = unknown.length > 0 && rng() < Math.max(UNKNOWN_SHARE, rules.explorePercent / 100);
  const unmeasured = explored ? longestSilent(unknown) : undefined;
  if (unmeasured) return { first: unmeasured, why: "latency:unknown" };
  const isFast = (one: One) => isAmongFastest(one.estimate ?? 0, best, rules);
  if (rules.explorePercent > 0 && rng() < rules.explorePercent / 100) {
    const slower = longestSilent(known.filter((one) => !isFast(one)));
    if (slower) return { first: slower, why: "latency:explore" };
  }
  const first = draw(known, (one) => one.weight * shareAt(one.estimate ?? 0, best, rules), rng);
  if (!first || !isFast(first)) return first && { first, why: "latency" };
  const second = draw(known.filter(isFast), (one) => one.weight, rng) ?? first;
  return { first: second.inFlight < first.inFlight ? second : first, why: "latency" };
}

/** Of what a backend as fast as the fastest would get, 0–1. */
export function shareAt(estimate: number, best: number, rules: LeadRules): number {
  if (isAmongFastest(estimate, best, rules)) return 1;
  return (estimate / best / (1 + rules.switchMarginPercent / 100)) ** -STEEPNESS;
}

/** Has no request too many under way already: who has stopped to answer is not asked on and on. */
function longestSilent<One extends Contender>(contenders: readonly One[]): One | undefined {
  let found: One | undefined;
  for (const one of contenders) {
    if (one.inFlight < MOST_UNDER_WAY && (found === undefined || one.silence > found.silence)) found = one;
  }
  return found;
}

function draw<One>(all: readonly One[], shareOf: (one: One) => number, rng: () => number): One | undefined {
  let left = rng() * all.reduce((sum, one) => sum + shareOf(one), 0);
  for (const one of all) {
    left -= shareOf(one);
    if (left < 0) return one;
  }
  return all.at(-1);
}
