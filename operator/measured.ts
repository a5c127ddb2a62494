/**
 * What have all proxies measured of a rollout's two sides, since whenever?
 *
 * The sum of the last words of all processes that were heard: one that went counts with its last, one that was restarted
 * begins at nothing under a new name. So the sums only grow, and windows are differences of them.
 */
import { NO_TOTALS, type Totals } from "../routing/rollout/driver.ts";
import { sum } from "../routing/rollout/measures.ts";
import type { ProxyState, Report } from "./fleet.ts";

type Sides = { readonly stable: string; readonly candidate: string };
type Words = Pick<Report, "measures" | "shadows">;

/** Processes of which the last word is kept. */
const MOST_INSTANCES = 256;

export class Measured {
  /** By instance; who was heard last stands last. */
  readonly #words = new Map<string, Words>();

  hear(proxies: readonly ProxyState[]): void {
    for (const { report } of proxies) {
      if (!report?.instance) continue;
      this.#words.delete(report.instance);
      this.#words.set(report.instance, report);
    }
    for (const oldest of this.#words.keys()) {
      if (this.#words.size <= MOST_INSTANCES) break;
      this.#words.delete(oldest);
    }
  }

  totals(route: string, { stable, candidate }: Sides): Totals {
    let totals = NO_TOTALS;
    for (const { measures, shadows } of this.#words.values()) {
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
}
