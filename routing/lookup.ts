/**
 * Which route may serve this caller, and who is the caller?
 *
 * Namespaces are tenants. A model name is looked up in the caller's own namespace (exact, then `*`), and only when
 * nothing there holds it among the routes that other namespaces share. A route without backends holds its names too.
 */
import { byCodeUnit } from "./canonical.ts";
import { ANY_MODEL, candidates } from "./choose.ts";
import { type Caller, permitted } from "./filters.ts";
import { atOnce, PIECE, type Pieces } from "./pieces.ts";
import type { Client, Route, RoutingTable, Sharing } from "./table.ts";

interface Claims {
  readonly exact: Map<string, Route>;
  any?: Route;
}

/** A table made quick to search. Immutable once made; as large as the table. */
export interface TableIndex {
  readonly table: RoutingTable;
  readonly claims: ReadonlyMap<string, Claims>;
  readonly routes: ReadonlyMap<string, Route>;
  /** Routes that other namespaces may use, by model name. */
  readonly shared: ReadonlyMap<string, readonly Route[]>;
  readonly clients: ReadonlyMap<string, Client>;
  /** Every name of a model that the table says, without `*`. */
  readonly modelNames: ReadonlySet<string>;
  /** Fields of bodies that some route's sticky rule reads. */
  readonly stickyFields: ReadonlySet<string>;
}

export function indexTable(table: RoutingTable): TableIndex {
  return atOnce(indexing(table));
}

export function* indexing(table: RoutingTable): Pieces<TableIndex> {
  const claims = new Map<string, Claims>();
  const routes = new Map<string, Route>();
  const shared = new Map<string, Route[]>();
  const clients = new Map<string, Client>();
  const modelNames = new Set<string>();
  const stickyFields = new Set<string>();
  for (const [i, route] of table.routes.entries()) {
    if (i % PIECE === PIECE - 1) yield;
    routes.set(route.key, route);
    claim(claims, shared, route);
    for (const model of route.models) modelNames.add(model);
    for (const { model } of route.backends) if (model !== undefined) modelNames.add(model);
    for (const key of route.sticky) if ("bodyField" in key) stickyFields.add(key.bodyField);
  }
  for (const [i, client] of table.clients.entries()) {
    if (i % PIECE === PIECE - 1) yield;
    for (const key of client.keys) clients.set(key.hmac, client);
  }
  for (const [i, { models }] of Object.values(table.providers).entries()) {
    if (i % PIECE === PIECE - 1) yield;
    for (const [name, { upstream }] of Object.entries(models)) modelNames.add(name).add(upstream);
  }
  modelNames.delete(ANY_MODEL);
  stickyFields.delete("");
  return { table, claims, routes, shared, clients, modelNames, stickyFields };
}

function claim(claims: Map<string, Claims>, shared: Map<string, Route[]>, route: Route): void {
  const own = claims.get(route.namespace) ?? { exact: new Map<string, Route>() };
  claims.set(route.namespace, own);
  for (const model of route.models) {
    if (model === ANY_MODEL) own.any ??= route;
    else if (!own.exact.has(model)) own.exact.set(model, route);
    if (route.allowedClients !== "Same") push(shared, model, route);
  }
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** The client that a key belongs to. `hmac` as in `SecretKeyFacts`. */
export function clientByHmac(index: TableIndex, hmac: string): Client | undefined {
  return index.clients.get(hmac);
}

/** Whether sharing of `owner` lets `namespace` in. */
export function isShared(sharing: Sharing, owner: string, namespace: string): boolean {
  return owner === namespace || sharing === "All" || (sharing !== "Same" && sharing.includes(namespace));
}

/** The route that answers for a model name asked from a namespace. It may have no backends: then nobody serves it. */
export function findRoute(index: TableIndex, namespace: string, model: string): Route | undefined {
  if (model === ANY_MODEL) return undefined;
  const own = index.claims.get(namespace);
  return own?.exact.get(model) ?? own?.any ?? findShared(index, namespace, model);
}

/**
 * Among other namespaces the one whose claim on the name is oldest wins, be it exact or `*`; inside it exact names
 * win. So a tenant cannot draw away another's callers by creating a route, however exact.
 */
function findShared(index: TableIndex, namespace: string, model: string): Route | undefined {
  const exact = index.shared.get(model) ?? [];
  const any = index.shared.get(ANY_MODEL) ?? [];
  let oldest: Route | undefined;
  for (const route of [...exact, ...any]) {
    if (!isShared(route.allowedClients, route.namespace, namespace)) continue;
    if (oldest === undefined || byAge(route, oldest) < 0) oldest = route;
  }
  if (oldest === undefined) return undefined;
  const owner = oldest.namespace;
  return exact.find((r) => r.namespace === owner && isShared(r.allowedClients, owner, namespace)) ?? oldest;
}

/** Older first; ties by key. Routes of unknown age come first: on a laptop all are of unknown age. */
function byAge(a: Route, b: Route): number {
  return byCodeUnit(a.created ?? "", b.created ?? "") || byCodeUnit(a.key, b.key);
}

/** `name` in the caller's namespace, or `namespace/name`; a route of another namespace only where it is shared. */
export function findRouteByName(index: TableIndex, namespace: string, name: string): Route | undefined {
  const route = index.routes.get(name.includes("/") ? name : `${namespace}/${name}`);
  return route !== undefined && isShared(route.allowedClients, route.namespace, namespace) ? route : undefined;
}

/** Whether the client may ask for this model. No client: an anonymous caller, who may ask for every routed one. */
export function mayUse(client: Client | undefined, model: string): boolean {
  return client?.models === undefined || client.models.includes(model);
}

/** Routes with backends that a caller may name, its own namespace's first. */
export function routesFor(index: TableIndex, namespace: string, client?: Client): readonly Route[] {
  const usable = index.table.routes.filter(
    (route) =>
      route.backends.length > 0 &&
      isShared(route.allowedClients, route.namespace, namespace) &&
      (route.models.includes(ANY_MODEL) || route.models.some((model) => mayUse(client, model))),
  );
  return [...usable.filter((r) => r.namespace === namespace), ...usable.filter((r) => r.namespace !== namespace)];
}

/** Names of models that a provider of a reachable route serves by this deployment of its own, as written. */
export function modelsOfDeployment(index: TableIndex, namespace: string, deployment: string): readonly string[] {
  const names = new Set<string>();
  for (const route of routesFor(index, namespace)) {
    for (const backend of route.backends) {
      const provider = index.table.providers[backend.provider];
      for (const [name, model] of Object.entries(provider?.models ?? {})) {
        if (model.upstream !== deployment || (backend.model !== undefined && backend.model !== name)) continue;
        // A backend that asks for a model of its own answers for the names of the route.
        const asked = backend.model === undefined ? [name] : route.models.filter((one) => one !== ANY_MODEL);
        for (const one of asked) if (findRoute(index, namespace, one) === route) names.add(one);
      }
    }
  }
  return [...names];
}

export interface OfferedModel {
  readonly model: string;
  readonly route: Route;
}

/**
 * What `/v1/models` lists: the names that the caller may ask for and a backend may serve to it, sorted. A `*` route adds the
 * names that its providers list, although it takes more.
 */
export function modelsFor(
  index: TableIndex,
  namespace: string,
  client?: Client,
  caller: Caller = { residency: client?.residency },
): readonly OfferedModel[] {
  const names = new Set<string>();
  for (const route of routesFor(index, namespace, client)) {
    for (const name of namesOf(index.table, route)) if (mayUse(client, name)) names.add(name);
  }
  const offered: OfferedModel[] = [];
  for (const model of [...names].sort(byCodeUnit)) {
    const route = findRoute(index, namespace, model);
    if (route === undefined) continue;
    const able = permitted(route, candidates(index.table, route, model).candidates, caller).candidates;
    if (able.length > 0) offered.push({ model, route });
  }
  return offered;
}

function namesOf(table: RoutingTable, route: Route): readonly string[] {
  if (!route.models.includes(ANY_MODEL)) return route.models;
  const listed = route.backends.flatMap((backend) => Object.keys(table.providers[backend.provider]?.models ?? {}));
  return [...route.models.filter((model) => model !== ANY_MODEL), ...listed];
}
