/** What do the rows that proxies report add up to, for one rollout? */
import type { Comparisons } from "../shadow-verdict.ts";
import { NO_TOTALS, type Totals } from "./driver.ts";
import { type Measures, sum } from "./measures.ts";

export interface Rows {
  readonly measures: readonly (Measures & {
    readonly route: string;
    readonly backend: string;
    readonly arm: "live" | "shadow";
  })[];
  /** Of copies, by day. */
  readonly shadows: readonly (Comparisons & { readonly route: string; readonly backend: string })[];
}

export interface Sides {
  readonly stable: string;
  readonly candidate: string;
}

export function totalsOf(words: Iterable<Rows>, route: string, { stable, candidate }: Sides): Totals {
  let totals = NO_TOTALS;
  for (const { measures, shadows } of words) {
    for (const row of measures) {
      if (row.route !== route) continue;
      if (row.backend === stable && row.arm === "live") totals = { ...totals, stable: sum(totals.stable, row) };
      if (row.backend !== candidate) continue;
      const side = row.arm === "live" ? "candidate" : "copies";
      totals = { ...totals, [side]: sum(totals[side], row) };
    }
    for (const row of shadows) {
      if (row.route !== route || row.backend !== candidate) continue;
      const { comparisons: former } = totals;
      const comparisons = {
        compared: former.compared + row.compared,
        different: former.different + row.different,
        noiseCompared: former.noiseCompared + row.noiseCompared,
        noiseDifferent: former.noiseDifferent + row.noiseDifferent,
      };
      totals = { ...totals, comparisons };
    }
  }
  return totals;
}
