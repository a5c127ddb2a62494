/**
 * Whose is an id that Tandem did not give out?
 *
 * Made before Tandem, at one of the providers that the caller's route has. Only a route with `foreignIDs: Probe` looks
 * for it there, since such an id says nothing about its owner; on any other it does not exist.
 */
import type { RequestContext } from "../context.ts";
import { homeOf } from "../ids/affinity.ts";
import { cannotBeFound, type Finder } from "../ids/finder.ts";
import type { Plan } from "../snapshot.ts";
import { notFound, setHome } from "./identify.ts";
import { plansToAsk } from "./match.ts";

/** Nothing to wait for where every id is known. */
export function find(context: RequestContext): Promise<void> | void {
  if (context.ids === undefined || context.ids.foreign.length === 0) return undefined;
  return findForeign(context);
}

async function findForeign(context: RequestContext): Promise<void> {
  const { ids, services, exchange, request } = context;
  if (!ids || !context.plan) return;
  const chosen =
    exchange.model !== undefined || request.headers["x-tandem-route"] !== undefined || ids.home !== undefined;
  for (const { id } of ids.foreign) {
    const plans = chosen ? [context.plan].filter(({ route }) => route.foreignIDs === "Probe") : plansToAsk(context);
    // Where the request goes, its provider says whether it knows it.
    if (exchange.model !== undefined && plans.length > 0 && cannotBeFound(id)) continue;
    const found = await firstWith(id, plans, services.finder);
    if (!found) throw notFound(id);
    setHome(ids, found.home);
    context.plan = found.plan;
    exchange.route = found.plan.route.key;
  }
}

async function firstWith(
  id: string,
  plans: readonly Plan[],
  finder: Finder,
): Promise<{ readonly plan: Plan; readonly home: string } | undefined> {
  for (const plan of plans) {
    const provider = await finder.find(id, plan.targets);
    if (provider) return { plan, home: homeOf(provider) };
  }
  return undefined;
}
