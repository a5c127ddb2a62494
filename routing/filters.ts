/**
 * Which backends may serve a caller at all?
 *
 * Asked before anything else: what a filter rules out is not there for weights, prices, latency, failover, copies or
 * affinity.
 */
import type { Candidate, Exclusion, ExclusionReason } from "./choose.ts";
import type { ElsewhereTool, Route } from "./table.ts";
import type { Zone } from "./zones.ts";

/** What is known of a caller beside its key. */
export interface Caller {
  /** Undefined: nothing is known. */
  readonly residency?: Zone | undefined;
  /** Where it calls from: a name of the operator's choice. */
  readonly location?: string | undefined;
}

/** Why a backend may not serve the caller; undefined: this filter has nothing against it. */
type Filter = (route: Route, candidate: Candidate, caller: Caller) => Reason | undefined;

interface Reason {
  readonly reason: ExclusionReason;
  readonly message: string;
}

/** The first one that rules a backend out is told. */
const FILTERS: readonly Filter[] = [byResidency, byModel];

/** The candidates that may serve the caller, in their order, and why the others may not. */
export function permitted<One extends Candidate>(
  route: Route,
  all: readonly One[],
  caller: Caller,
): { candidates: readonly One[]; excluded: readonly Exclusion[] } {
  const excluded: Exclusion[] = [];
  const found = all.filter((candidate) => {
    for (const filter of FILTERS) {
      const why = filter(route, candidate, caller);
      if (why === undefined) continue;
      excluded.push({ backend: candidate.backend.name, ...why });
      return false;
    }
    return true;
  });
  return excluded.length === 0 ? { candidates: all, excluded } : { candidates: found, excluded };
}

/** The zones in which data of such a caller may be processed over this route. Undefined: anywhere. */
export function allowedZones({ compliance }: Route, { residency }: Caller): readonly Zone[] | undefined {
  if (residency === undefined) return compliance?.unknownResidency === "Deny" ? [] : undefined;
  return compliance?.rules.find((rule) => rule.residency === residency)?.allow ?? [residency];
}

/** What such a caller's requests may use although it sends content elsewhere. Undefined: everything. */
export function allowedTools({ compliance }: Route, { residency }: Caller): readonly ElsewhereTool[] | undefined {
  if (residency === undefined) return undefined;
  return compliance?.rules.find((rule) => rule.residency === residency)?.allowTools ?? [];
}

/** OpenAI's models that search the web for every answer: gpt-4o-search-preview, gpt-5-search-api. */
const SEARCHES = /-search-(?:preview|api)\b/;

function byModel(route: Route, { model, upstreamModel }: Candidate, caller: Caller): Reason | undefined {
  const tools = allowedTools(route, caller);
  if (tools === undefined || tools.includes("WebSearch") || !SEARCHES.test(model.baseModel ?? upstreamModel)) {
    return undefined;
  }
  const message = `model ${upstreamModel} always searches the web, and the route's rule for ${caller.residency} does not allow WebSearch`;
  return { reason: "ResidencyNotAllowed", message };
}

/** A backend whose data may be in several zones needs them all; one that says nothing has none. */
function byResidency(route: Route, { provider, zones }: Candidate, caller: Caller): Reason | undefined {
  const allowed = allowedZones(route, caller);
  if (allowed === undefined || (zones.length > 0 && zones.every((zone) => allowed.includes(zone)))) return undefined;
  const { residency } = caller;
  const message =
    residency === undefined
      ? "this route does not serve callers of unknown residency"
      : `residency ${residency} allows ${allowed.join(", ")}, and AIProvider ${provider.key} processes ${zones.join(", ") || "anywhere"}`;
  return { reason: "ResidencyNotAllowed", message };
}
