/**
 * What do strategies know from one request to the next?
 *
 * Kept over reloads, by the names of routes and models, in this proxy.
 */
import { coverOf } from "../../routing/commitment.ts";
import type { Commitment, RoutingTable } from "../../routing/table.ts";
import { Latencies } from "./latencies.ts";
import { Learned } from "./learned.ts";
import { Ledger, type LedgerState } from "./ledger.ts";

/** Under `*` callers choose the names; what comes after so many shares what it knows. */
const MOST_LEARNED = 4096;

export interface StrategiesOptions {
  /** Unix milliseconds. */
  readonly clock: () => number;
}

export class Strategies {
  /** So many proxies serve, this one included: each fills its share of a commitment. */
  proxies = 1;
  readonly now: () => number;
  readonly latencies = new Latencies();
  readonly #ledgers = new Map<string, { readonly provider: string; readonly model: string; readonly ledger: Ledger }>();
  readonly #learned = new Map<string, Learned>();
  readonly #others = new Learned();

  constructor({ clock }: StrategiesOptions) {
    this.now = clock;
  }

  /** What is used of the commitment for a provider's model. The same for all routes and tables. */
  ledgerOf(provider: string, model: string, commitment: Commitment): Ledger {
    const name = `${provider}\n${model}`;
    const cover = coverOf(commitment);
    const known = this.#ledgers.get(name);
    known?.ledger.adopt(cover);
    if (known) return known.ledger;
    const ledger = new Ledger(cover);
    this.#ledgers.set(name, { provider, model, ledger });
    return ledger;
  }

  /** Of commitments, and of backends of strategy Latency, that are in no table any more nothing is known. */
  sweep(table: RoutingTable): void {
    const { providers } = table;
    this.latencies.sweep(table);
    for (const [name, { provider, model }] of this.#ledgers) {
      if (providers[provider]?.models[model]?.commitment === undefined) this.#ledgers.delete(name);
    }
  }

  /** For `/status`. */
  commitments(): readonly (LedgerState & { readonly provider: string; readonly model: string })[] {
    const now = this.now();
    return Array.from(this.#ledgers.values(), ({ provider, model, ledger }) => {
      return { provider, model, ...ledger.stateAt(now) };
    });
  }

  /** Of the route's requests for a model, by the gateway's name of it. */
  learnedOf(route: string, model: string): Learned {
    const name = `${route}\n${model}`;
    const known = this.#learned.get(name);
    if (known) return known;
    if (this.#learned.size >= MOST_LEARNED) return this.#others;
    const learned = new Learned();
    this.#learned.set(name, learned);
    return learned;
  }
}
