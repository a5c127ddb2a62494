/** What does a route become where its rollout stands now? */
import { isSamePosition, type RolloutPosition, START } from "../rollout/memory.ts";
import type { Backend, Route } from "../table.ts";
import { type ShadowBounds, toShadow } from "./shadow.ts";

const ALL_TRAFFIC = 100;

interface Placed {
  readonly position: RolloutPosition;
  readonly made: Route;
}

const placedBefore = new WeakMap<Route, Placed>();

/** The same object for the same route and position. `bounds` undefined: those of the copies that it makes already. */
export function placed(route: Route, position = START, bounds: ShadowBounds | undefined): Route {
  if (route.rollout === undefined) return route;
  const before = placedBefore.get(route);
  if (before !== undefined && isSamePosition(before.position, position)) return before.made;
  const made = place(route, position, bounds);
  placedBefore.set(route, { position, made });
  return made;
}

function place(route: Route, { weight, shadowPercent }: RolloutPosition, bounds: ShadowBounds | undefined): Route {
  const { rollout, shadow: former, ...rest } = route;
  if (rollout === undefined) return route;
  const weights = new Map([
    [rollout.stable, ALL_TRAFFIC - weight],
    [rollout.candidate, weight],
  ]);
  const backends = rest.backends.map((backend): Backend => {
    return { ...backend, weight: weights.get(backend.name) ?? backend.weight };
  });
  const known = bounds ?? (former && { noisePercent: 0, tools: "Deny" as const, ...former });
  const made = known && toShadow(rollout.candidate, shadowPercent, known);
  const kept = bounds === undefined ? former?.keepBodies : undefined;
  const shadow = made && kept !== undefined ? { ...made, keepBodies: kept } : made;
  return { ...rest, backends, rollout, ...(shadow && { shadow }) };
}

/** Where a table has put a route with a rollout. */
export function positionIn({ rollout, backends, shadow }: Route): RolloutPosition | undefined {
  if (rollout === undefined) return undefined;
  const weight = backends.find(({ name }) => name === rollout.candidate)?.weight ?? 0;
  return { weight, shadowPercent: shadow?.percent ?? 0 };
}
