/**
 * Which routes can never serve a residency that somebody declared?
 *
 * A declaration is a rule of the route itself, or the residency of a client that may use the route. Both owners are
 * told before the first caller is: 403 is then no surprise. What a route could serve if a provider were in force is not
 * told here, the provider's own conditions do that.
 */
import { ANY_MODEL, candidates } from "../choose.ts";
import { allowedZones, permitted } from "../filters.ts";
import { isShared } from "../lookup.ts";
import type { Client, Provider, Route, RoutingTable } from "../table.ts";
import type { Zone } from "../zones.ts";
import type { World } from "./world.ts";

/** Of the routes that a client cannot use so many are named, the others counted. */
const MAX_ROUTES = 3;

export function judgeResidency(world: World): void {
  const providers = new Map<string, Provider>();
  for (const { key, made } of world.providers.values()) if (made !== undefined) providers.set(key, made);
  const table = { providers: Object.fromEntries(providers) };
  const known = new Map<string, readonly Unserved[]>();
  for (const draft of world.routes.values()) {
    if (draft.made !== undefined) draft.notes.push(...rulesInVain(table, draft.made));
  }
  for (const draft of world.clients.values()) {
    const client = draft.made;
    if (client?.residency === undefined) continue;
    const group = `${client.namespace}\n${client.residency}`;
    const unserved = known.get(group) ?? unservedFrom(world, table, client.namespace, client.residency);
    known.set(group, unserved);
    draft.notes.push(...routesInVain(unserved, client, client.residency));
  }
}

type Providers = Pick<RoutingTable, "providers">;

interface Unserved {
  readonly route: Route;
  readonly models: readonly string[];
}

function rulesInVain(table: Providers, route: Route): readonly string[] {
  return (route.compliance?.rules ?? []).flatMap(({ residency }, i) => {
    const models = unservedModels(table, route, residency);
    if (models.length === 0) return [];
    const zones = allowedZones(route, { residency })?.join(", ");
    return [
      `spec.compliance.rules[${i}]: no backend for ${models.join(", ")} processes in ${zones} only, so callers of residency ${residency} get 403 residency_unsatisfiable; add a backend that does, or widen the rule`,
    ];
  });
}

function routesInVain(unserved: readonly Unserved[], client: Client, residency: Zone): readonly string[] {
  const closed = unserved.flatMap(({ route, models }) => {
    const asked = models.filter((model) => client.models?.includes(model) ?? true);
    return asked.length === 0 ? [] : [`${route.key} (${asked.join(", ")})`];
  });
  if (closed.length === 0) return [];
  const rest = closed.length - MAX_ROUTES;
  const routes = closed.slice(0, MAX_ROUTES).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
  return [
    `spec.residency: ${residency} can never be served by AIRoute ${routes}: no backend processes in the allowed zones only, and this client gets 403 residency_unsatisfiable there; add such a backend, or a rule under spec.compliance of the route`,
  ];
}

function unservedFrom(world: World, table: Providers, namespace: string, residency: Zone): readonly Unserved[] {
  const found: Unserved[] = [];
  for (const { made: route } of world.routes.values()) {
    if (route === undefined || !isShared(route.allowedClients, route.namespace, namespace)) continue;
    const models = unservedModels(table, route, residency);
    if (models.length > 0) found.push({ route, models });
  }
  return found;
}

/** Models that some backend serves, and none in the zones of this residency. */
function unservedModels(table: Providers, route: Route, residency: Zone): readonly string[] {
  return route.models.filter((model) => {
    const able = namesOf(table, route, model).flatMap((name) => candidates(table, route, name).candidates);
    return able.length > 0 && permitted(route, able, { residency }).candidates.length === 0;
  });
}

/** `*` is served where any name is: one that nobody lists, or one that some provider does. */
function namesOf({ providers }: Providers, route: Route, model: string): readonly string[] {
  if (model !== ANY_MODEL) return [model];
  return [model, ...route.backends.flatMap(({ provider }) => Object.keys(providers[provider]?.models ?? {}))];
}
