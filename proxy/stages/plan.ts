/** In which order are the backends tried? */
import { order } from "../../routing/choose.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { homeOf } from "../ids/affinity.ts";
import type { Plan, Target } from "../snapshot.ts";
import { modelNotFound, stickyKeyOf } from "./match.ts";

export function plan(context: RequestContext): void {
  const { plan: made, exchange } = context;
  if (!made) return;
  if (made.excluded.length > 0) exchange.excluded = made.excluded;
  if (made.targets.length === 0) throw nobody(made);
  if (context.ids?.home !== undefined) {
    context.order = atHome(made, context.ids.home);
    exchange.decision = "affinity";
    return;
  }
  const key = made.sticky.length > 0 ? stickyKeyOf(context) : undefined;
  context.order = made.fixedOrder ?? (order(made.route, made.targets, key, Math.random) as readonly Target[]);
  exchange.decision = decisionOf(made, key);
}

/** Nobody else has what the ids name, so weights and tiers do not matter. */
function atHome(made: Plan, home: string): readonly Target[] {
  const target = made.targets.find((one) => homeOf(one.provider) === home);
  if (target) return [target];
  const message = `What the ids in this request name is at a provider that the route '${made.route.name}' does not use for '${made.model}'.`;
  throw new GatewayError("id_conflict", message);
}

function decisionOf(made: Plan, key: string | undefined): string {
  if (made.route.strategy === "BlueGreen") return "blue-green";
  if (made.fixedOrder) return "priority";
  return key === undefined ? "weighted" : "sticky";
}

/** A `*` route that no backend serves this name for has no such model; any other route is broken. */
function nobody(made: Plan): GatewayError {
  if (made.route.models.includes("*") && !made.route.models.includes(made.model)) return modelNotFound(made.model);
  const why = made.excluded.map((one) => `${one.backend}: ${one.message}`).join("; ");
  const message = `No backend of the route '${made.route.name}' can serve '${made.model}' now${why && ` (${why})`}.`;
  return new GatewayError("no_backend_available", message);
}
