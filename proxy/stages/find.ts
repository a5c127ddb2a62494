/**
 * Whose is an id that Tandem did not give out?
 *
 * Made before Tandem, at one of the providers that the caller's route has. Only a route with `foreignIDs: Probe` looks
 * for it there, since such an id says nothing about its owner; on any other it does not exist.
 */
import type { RequestContext } from "../context.ts";
import { homeOf } from "../ids/affinity.ts";
import { notFound, setHome } from "./identify.ts";

/** Nothing to wait for where every id is known. */
export function find(context: RequestContext): Promise<void> | void {
  if (context.ids === undefined || context.ids.foreign.length === 0) return undefined;
  return findForeign(context);
}

async function findForeign(context: RequestContext): Promise<void> {
  const { ids, plan, services } = context;
  if (!ids || !plan) return;
  for (const { id } of ids.foreign) {
    const provider = plan.route.foreignIDs === "Probe" ? await services.finder.find(id, plan.targets) : undefined;
    if (!provider) throw notFound(id);
    setHome(ids, homeOf(provider));
  }
}
