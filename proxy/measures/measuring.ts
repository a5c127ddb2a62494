/**
 * What has this proxy measured of the two sides of each rollout?
 *
 * Counters that only grow while the process lives: whoever judges works with differences. Written when a request, or a
 * copy of one, has ended.
 */
import { bucketOf } from "../../routing/rollout/histogram.ts";
import { type Measures, NOTHING_MEASURED } from "../../routing/rollout/measures.ts";
import type { RoutingTable } from "../../routing/table.ts";
import type { AttemptOutcome } from "../exchange.ts";
import type { Structure } from "./structure.ts";

/** `shadow`: of copies, whose answers reach nobody. */
export type Arm = "live" | "shadow";

/** One row of `/status/summary`. */
export interface MeasuredBackend extends Measures {
  readonly route: string;
  readonly backend: string;
  readonly arm: Arm;
}

/** How one attempt at a backend went. Times are milliseconds. */
export interface Attempted {
  readonly outcome: AttemptOutcome | undefined;
  /** A code of the provider's. */
  readonly detail?: string | undefined;
  /** Until its end. */
  readonly took: number;
  /** Of a stream. */
  readonly firstToken?: number | undefined;
  readonly outputTokens?: number | undefined;
  /** Nano-dollars. */
  readonly cost?: number | undefined;
  readonly structure?: Structure | undefined;
}

/** Routes with a rollout are few; what comes after so many backends is not measured. */
const MOST_MEASURED = 500;
/** Tokens in so many milliseconds are a speed: it is kept as a whole number. */
const SPEED_SPAN = 1_000_000;
const FAULTS = new Set<AttemptOutcome>([
  "connect_error",
  "reset",
  "timeout",
  "rate_limited",
  "server_error",
  "config_error",
  "malformed",
  "cut",
]);
/** The provider's filter would not have the request, or the answer. */
const REFUSALS = new Set(["content_filter", "content_policy_violation", "moderation_blocked"]);

type Growing = { -readonly [Name in keyof Measures]: Measures[Name] extends number ? number : Record<string, number> };

interface Row {
  readonly route: string;
  readonly backend: string;
  readonly arm: Arm;
  readonly seen: Growing;
}

export class Measuring {
  readonly #rows = new Map<string, Row>();

  note(route: string, backend: string, arm: Arm, attempted: Attempted): void {
    const seen = this.#rowOf(route, backend, arm)?.seen;
    if (seen) count(seen, attempted);
  }

  /** Copies of them: what is told does not change any more. */
  rows(): readonly MeasuredBackend[] {
    return Array.from(this.#rows.values(), ({ route, backend, arm, seen }) => {
      const { latency, firstToken, speed } = seen;
      return {
        route,
        backend,
        arm,
        ...seen,
        latency: { ...latency },
        firstToken: { ...firstToken },
        speed: { ...speed },
      };
    });
  }

  /** Of routes that are in no table any more nothing is known. */
  sweep({ routes }: RoutingTable): void {
    if (this.#rows.size === 0) return;
    const keys = new Set(routes.map(({ key }) => key));
    for (const [name, { route }] of this.#rows) if (!keys.has(route)) this.#rows.delete(name);
  }

  #rowOf(route: string, backend: string, arm: Arm): Row | undefined {
    const name = `${route}\n${backend}\n${arm}`;
    const known = this.#rows.get(name);
    if (known || this.#rows.size >= MOST_MEASURED) return known;
    const seen = { ...NOTHING_MEASURED, latency: {}, firstToken: {}, speed: {} };
    const row = { route, backend, arm, seen };
    this.#rows.set(name, row);
    return row;
  }
}

function count(seen: Growing, attempted: Attempted): void {
  const { outcome, detail, structure } = attempted;
  const isFault = outcome !== undefined && FAULTS.has(outcome);
  const isRefused = outcome === "client_error" && REFUSALS.has(detail ?? "");
  if (!isFault && !isRefused && outcome !== "ok") return;
  seen.requests++;
  if (isFault) seen.errors++;
  if (outcome === "rate_limited") seen.rateLimited++;
  if (isRefused || structure?.refused) seen.refusals++;
  if (outcome !== "ok") return;
  if (structure?.truncated) seen.truncated++;
  if (structure?.valid !== undefined) seen.schemaChecked++;
  if (structure?.valid === false) seen.schemaFailed++;
  countMoney(seen, attempted);
  countTimes(seen, attempted);
}

function countMoney(seen: Growing, { cost }: Attempted): void {
  if (cost === undefined) return;
  seen.priced++;
  seen.nanoUsd += cost;
  seen.nanoUsdSquared += cost * cost;
}

function countTimes(seen: Growing, { took, firstToken, outputTokens = 0 }: Attempted): void {
  add(seen.latency, took);
  if (firstToken === undefined) return;
  add(seen.firstToken, firstToken);
  const generation = took - firstToken;
  if (outputTokens === 0 || generation <= 0) return;
  seen.outputTokens += outputTokens;
  seen.generationMilliseconds += generation;
  add(seen.speed, (SPEED_SPAN * outputTokens) / generation);
}

function add(histogram: Record<string, number>, value: number): void {
  const bucket = bucketOf(value);
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}
