/** In which order are the backends tried? */
import { order } from "../../routing/choose.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import type { Plan, Target } from "../snapshot.ts";
import { modelNotFound, stickyKeyOf } from "./match.ts";

export function plan(context: RequestContext): void {
  const { plan: made, exchange } = context;
  if (!made) return;
  if (made.excluded.length > 0) exchange.excluded = made.excluded;
  if (made.targets.length === 0) throw nobody(made);
  const key = made.sticky.length > 0 ? stickyKeyOf(context) : undefined;
  context.order = made.fixedOrder ?? (order(made.route, made.targets, key, Math.random) as readonly Target[]);
  exchange.decision = decisionOf(made, key);
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
