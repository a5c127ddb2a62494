/**
 * Which share of the requests does each backend see first, given which backends are unavailable now?
 *
 * The long-run counterpart of `order()`: what it draws one by one, in numbers.
 */
import { type Candidate, type Score, tiers } from "./choose.ts";
import type { Route } from "./table.ts";

/**
 * Shares of first attempts, 0–1, by backend name; one that gets none is left out. They add up to less than 1 when
 * some requests find nobody.
 */
export function firstShares(
  route: Route,
  all: readonly Candidate[],
  isAvailable: (candidate: Candidate) => boolean,
  score: Score = () => 0,
): ReadonlyMap<string, number> {
  const shares = new Map<string, number>();
  const ranks = tiers(all).flatMap((tier) => ranksOf(tier, score));
  const lead = (ranks[0] ?? []).filter((candidate) => candidate.backend.weight > 0);
  let unanswered = lead.length === 0 && all.length > 0 ? 1 : 0;
  const total = weightOf(lead);
  for (const candidate of lead) {
    const share = candidate.backend.weight / total;
    if (isAvailable(candidate)) shares.set(candidate.backend.name, share);
    else unanswered += share;
  }
  if (unanswered === 0 || !route.failover.fallbackToNext) return shares;
  for (const heir of heirs(ranks, isAvailable)) {
    const name = heir.candidate.backend.name;
    shares.set(name, (shares.get(name) ?? 0) + unanswered * heir.share);
  }
  return shares;
}

/** Those of a tier that a strategy finds equal, the best first; those without weight behind all that have some. */
function ranksOf(tier: readonly Candidate[], score: Score): readonly (readonly Candidate[])[] {
  const ranks = new Map<string, { idle: boolean; score: number; equals: Candidate[] }>();
  for (const candidate of tier) {
    const idle = candidate.backend.weight === 0;
    const place = { idle, score: score(candidate), equals: [candidate] };
    const rank = ranks.get(`${idle} ${place.score}`);
    if (rank === undefined) ranks.set(`${idle} ${place.score}`, place);
    else rank.equals.push(candidate);
  }
  return [...ranks.values()]
    .sort((a, b) => Number(a.idle) - Number(b.idle) || a.score - b.score)
    .map((rank) => rank.equals);
}

interface Heir {
  readonly candidate: Candidate;
  readonly share: number;
}

/** Who answers for a backend that is unavailable: the next rank of its tier, then the next tier. */
function heirs(
  ranks: readonly (readonly Candidate[])[],
  isAvailable: (candidate: Candidate) => boolean,
): readonly Heir[] {
  for (const rank of ranks) {
    const able = rank.filter((candidate) => candidate.backend.failover === "Allowed" && isAvailable(candidate));
    const weighted = able.filter((candidate) => candidate.backend.weight > 0);
    if (weighted.length > 0) {
      const total = weightOf(weighted);
      return weighted.map((candidate) => ({ candidate, share: candidate.backend.weight / total }));
    }
    if (able.length > 0) return able.map((candidate) => ({ candidate, share: 1 / able.length }));
  }
  return [];
}

function weightOf(rank: readonly Candidate[]): number {
  return rank.reduce((sum, candidate) => sum + candidate.backend.weight, 0);
}
