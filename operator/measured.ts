/**
 * What have all proxies measured of a rollout's two sides, since whenever?
 *
 * The sum of the last words of all processes that were heard: one that went counts with its last, one that was restarted
 * begins at nothing under a new name. So the sums only grow, and windows are differences of them.
 */
import type { Totals } from "../routing/rollout/driver.ts";
import { type Rows, type Sides, totalsOf } from "../routing/rollout/totals.ts";
import type { ProxyState } from "./fleet.ts";

/** Processes of which the last word is kept. */
const MOST_INSTANCES = 256;

export class Measured {
  /** By instance; who was heard last stands last. */
  readonly #words = new Map<string, Rows>();

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

  totals(route: string, sides: Sides): Totals {
    return totalsOf(this.#words.values(), route, sides);
  }
}
