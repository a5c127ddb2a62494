/**
 * What do copies add to the counters?
 *
 * Beside those of requests and never in them: a copy is nobody's request. Label values come from configuration only, as
 * there.
 */
import { NANO_PER_USD } from "../../routing/budgets/money.ts";
import type { Usage } from "../exchange.ts";
import type { Sample } from "./exposition.ts";

/** What became of a request that was drawn to be copied. */
export type ShadowOutcome =
  | "copied"
  | "failed" // sent, and no whole answer came
  | "dropped_busy"
  | "dropped_budget"
  | "dropped_unavailable" // its breaker is open, it is at its limit, or its key is missing
  | "not_answered" // the caller got no whole answer
  | "not_eligible"
  | "not_offered" // the shadow's provider does not have the operation, or refuses a field
  | "no_backend" // the backend cannot serve the model, or its provider is gone
  | "residency"
  | "same_backend"; // the shadow's backend gave the answer itself

/** What became of a pair that was drawn to be judged; seen from the copy. */
export type Judgement =
  | "win"
  | "tie"
  | "loss"
  | "failed" // no verdict came
  | "dropped" // too many are under way, or the pair is too large
  | "residency"; // nobody knows where the judge is

/** A backend was asked for nobody. */
export interface CopyRecord {
  /** Of the request that was copied. */
  readonly requestID: string;
  readonly route: string;
  readonly provider: string;
  readonly backend: string;
  /** The gateway's name of the model. */
  readonly model: string;
  readonly upstreamModel: string;
  /** `noise`: the live backend, asked again. */
  readonly side: "shadow" | "noise";
  /** 0: no whole answer came. */
  readonly status: number;
  readonly usage: Usage | undefined;
  /** Nano-dollars; undefined: not known. */
  readonly cost: number | undefined;
  readonly milliseconds: number;
  readonly providerRequestID: string | undefined;
  /** In what it differs; empty: in nothing; undefined: it was not compared. */
  readonly aspects: readonly string[] | undefined;
}

/** It was answered, and what that costs is not known: never free. */
export function isUnpriced({ status, cost }: CopyRecord): boolean {
  return status >= 200 && status < 300 && cost === undefined;
}

/** A guard against label explosion, as for requests. */
const MOST_SERIES = 2_000;
const OTHER = "other";
const SEPARATOR = "\u0000";
/** Any aspect: each pair once. */
const ANY = "any";
/** Copies are no client's. */
const NOBODY = "";

export class ShadowCounts {
  readonly #outcomes = new Map<string, number>();
  readonly #comparisons = new Map<string, number>();
  readonly #judgements = new Map<string, number>();
  readonly #tokens = new Map<string, number>();
  readonly #costs = new Map<string, number>();
  readonly #isNamed: (model: string) => boolean;

  /** `isNamed`: the model may be a label's value. */
  constructor(isNamed: (model: string) => boolean) {
    this.#isNamed = isNamed;
  }

  outcome(route: string, outcome: ShadowOutcome): void {
    add(this.#outcomes, [route, outcome], 1);
  }

  judged(route: string, result: Judgement): void {
    add(this.#judgements, [route, result], 1);
  }

  record({ route, provider, backend, model, side, usage, cost, aspects }: CopyRecord): void {
    const name = this.#isNamed(model) ? model : OTHER;
    if (usage) {
      const place = [provider, backend, name, NOBODY];
      add(this.#tokens, [...place, "shadow_input"], usage.input);
      add(this.#tokens, [...place, "shadow_cached_input"], usage.cachedInput);
      add(this.#tokens, [...place, "shadow_output"], usage.output);
    }
    if (cost !== undefined) add(this.#costs, [provider, backend, name, route, NOBODY, "shadow"], cost);
    if (aspects === undefined) return;
    const prefix = side === "noise" ? "noise_" : "";
    add(this.#comparisons, [route, `${prefix}${aspects.length === 0 ? "same" : "different"}`, ANY], 1);
    for (const aspect of aspects) add(this.#comparisons, [route, `${prefix}different`, aspect], 1);
  }

  outcomes(): Sample[] {
    return samples(this.#outcomes, ["route", "outcome"]);
  }

  comparisons(): Sample[] {
    return samples(this.#comparisons, ["route", "result", "aspect"]);
  }

  judgements(): Sample[] {
    return samples(this.#judgements, ["route", "result"]);
  }

  /** For `tandem_tokens_total`. */
  tokens(): Sample[] {
    return samples(this.#tokens, ["provider", "backend", "model", "client", "kind"]);
  }

  /** For `tandem_cost_usd_total`. */
  costs(): Sample[] {
    const names = ["provider", "backend", "model", "route", "client", "kind"];
    return samples(this.#costs, names).map(({ value, labels }) => ({ value: value / NANO_PER_USD, labels }));
  }
}

function add(map: Map<string, number>, values: readonly string[], count: number): void {
  const key = values.join(SEPARATOR);
  const known = map.get(key);
  if (known !== undefined || map.size < MOST_SERIES) map.set(key, (known ?? 0) + count);
}

function samples(map: ReadonlyMap<string, number>, names: readonly string[]): Sample[] {
  return Array.from(map, ([key, value]) => {
    const values = key.split(SEPARATOR);
    return { value, labels: Object.fromEntries(names.map((name, i) => [name, values[i] ?? ""])) };
  });
}
