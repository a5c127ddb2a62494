/**
 * May one more request of this route be asked of two providers?
 *
 * Both are paid, and a provider that has become slow would get its whole load doubled elsewhere: so a route hedges a tenth
 * of its requests, and may save up for a few at once. What is not hedged waits for `timeouts`, from which its breaker learns.
 */
import type { ObjectKey } from "../../routing/table.ts";

/** One request of so many may be hedged. */
const ONE_OF = 10;
/** So many hedges a route may save up, and has when it is new. */
const MOST_SAVED = 10;

export class HedgeBudget {
  /** Requests that have not been used for a hedge. */
  #saved = MOST_SAVED * ONE_OF;

  /** A request has come. */
  earn(): void {
    this.#saved = Math.min(MOST_SAVED * ONE_OF, this.#saved + 1);
  }

  /** Whether one may be hedged now, which it then is. */
  spend(): boolean {
    if (this.#saved < ONE_OF) return false;
    this.#saved -= ONE_OF;
    return true;
  }
}

/** Of the routes in force. */
export class HedgeBudgets {
  readonly #budgets = new Map<ObjectKey, HedgeBudget>();

  of(route: ObjectKey): HedgeBudget {
    const known = this.#budgets.get(route);
    if (known) return known;
    const made = new HedgeBudget();
    this.#budgets.set(route, made);
    return made;
  }

  /** Call with every new table: what is known of other routes is forgotten. */
  keep(routes: Iterable<ObjectKey>): void {
    const live = new Set(routes);
    for (const route of this.#budgets.keys()) if (!live.has(route)) this.#budgets.delete(route);
  }
}
