/**
 * What does each route become: its backends, their weights, and what happens when one fails?
 */
import { ANY_MODEL, offered } from "../choose.ts";
import { parseDuration } from "../duration.ts";
import { isShared } from "../lookup.ts";
import type { Backend, Failover, Route, StickyKey } from "../table.ts";
import * as defaults from "./defaults.ts";
import { toSharing } from "./sharing.ts";
import type { BackendSpec, RouteSpec } from "./spec.ts";
import { describeWeights, partOf } from "./weights.ts";
import type { Finding, RouteDraft, World } from "./world.ts";

export function makeRoutes(world: World): void {
  for (const draft of world.routes.values()) {
    const route = formOf(world, draft);
    if (route === undefined) continue;
    draft.made = { ...route, backends: permitted(world, draft, route) };
    draft.columns.models = route.models.join(", ");
    draft.columns.weights = describeWeights(draft.made.backends.filter((b) => world.providers.get(b.provider)?.made));
  }
}

function formOf(world: World, draft: RouteDraft): Route | undefined {
  if (draft.form === "Last") return world.lastRoutes.get(draft.key);
  if (draft.form === "None") return undefined;
  return toRoute(draft, draft.form === "Spec" ? draft.spec : undefined);
}

function toRoute(draft: RouteDraft, spec: RouteSpec | undefined): Route {
  return {
    key: draft.key,
    namespace: draft.namespace,
    name: draft.name,
    uid: draft.uid,
    generation: draft.generation,
    ...(draft.created !== "" && { created: draft.created }),
    models: draft.claims,
    strategy: spec?.strategy ?? "Weighted",
    backends: (spec?.backends ?? []).map((backend) => toBackend(draft, backend, spec)),
    sticky: (spec?.sticky?.by ?? []).map(toStickyKey),
    failover: toFailover(spec?.failover),
    // Names are held for everyone whom the route would serve.
    allowedClients: toSharing(draft.spec?.allowedClients),
  };
}

function toBackend(draft: RouteDraft, backend: BackendSpec, spec: RouteSpec | undefined): Backend {
  const { namespace = draft.namespace, name } = backend.providerRef;
  const part = spec === undefined ? { weight: 0, failover: "Never" as const } : partOf(spec, backend);
  return {
    name: backend.name,
    provider: `${namespace}/${name}`,
    priority: backend.priority ?? defaults.BACKEND_PRIORITY,
    weight: part.weight,
    failover: part.failover,
    ...(backend.model !== undefined && { model: backend.model }),
  };
}

function toStickyKey(by: { readonly header?: string; readonly bodyField?: string }): StickyKey {
  // Header names are compared in lower case, as Node hands them out.
  return by.header !== undefined ? { header: by.header.toLowerCase() } : { bodyField: by.bodyField ?? "" };
}

function toFailover(spec: RouteSpec["failover"]): Failover {
  const { FAILOVER } = defaults;
  return {
    retrySameProvider: spec?.retrySameProvider ?? FAILOVER.retrySameProvider,
    fallbackToNext: spec?.fallbackToNext ?? FAILOVER.fallbackToNext,
    maxAttempts: spec?.maxAttempts ?? FAILOVER.maxAttempts,
    maxDuration: parseDuration(spec?.maxDuration) ?? FAILOVER.maxDuration,
    backoff: {
      base: parseDuration(spec?.backoff?.base) ?? FAILOVER.backoff.base,
      max: parseDuration(spec?.backoff?.max) ?? FAILOVER.backoff.max,
    },
  };
}

/**
 * The backends without those that may not use their provider; what else does not resolve is told and stays: it serves
 * nothing while its provider is not in the table, and comes back with it.
 */
function permitted(world: World, draft: RouteDraft, route: Route): readonly Backend[] {
  return route.backends.filter((backend, i) => {
    const problem = problemOf(world, route, backend, i);
    if (problem !== undefined) draft.unresolved.push(problem);
    return isAllowed(world, route, backend);
  });
}

function isAllowed(world: World, route: Route, backend: Backend): boolean {
  const provider = world.providers.get(backend.provider);
  if (provider === undefined) return true;
  return isShared(toSharing(provider.spec?.allowedRoutes), provider.namespace, route.namespace);
}

function problemOf(world: World, route: Route, backend: Backend, i: number): Finding | undefined {
  const field = `spec.backends[${i}]`;
  const provider = world.providers.get(backend.provider);
  const isOwn = backend.provider.startsWith(`${route.namespace}/`);
  // What another namespace has and does not share is not told apart from what it does not have.
  if (!isOwn && (provider === undefined || !isAllowed(world, route, backend))) {
    const message = `${field}.providerRef: AIProvider ${backend.provider} does not exist or does not let namespace ${route.namespace} use it; its spec.allowedRoutes must name the namespace`;
    return { reason: "RefNotPermitted", message };
  }
  if (provider === undefined) {
    const message = `${field}.providerRef: there is no AIProvider ${backend.provider}; create it, or name another`;
    return { reason: "ProviderNotFound", message };
  }
  if (provider.made === undefined) {
    const message = `${field}.providerRef: AIProvider ${backend.provider} is not in force; its own conditions say why`;
    return { reason: "ProviderNotReady", message };
  }
  return modelProblem(route, backend, field, provider.made);
}

function modelProblem(
  route: Route,
  backend: Backend,
  field: string,
  provider: Parameters<typeof offered>[0],
): Finding | undefined {
  const asked = backend.model !== undefined ? [backend.model] : route.models.filter((model) => model !== ANY_MODEL);
  const missing = asked.filter((model) => offered(provider, model, "named") === undefined);
  if (missing.length === 0) return undefined;
  const where = backend.model !== undefined ? `${field}.model` : `${field}.providerRef`;
  const message = `${where}: AIProvider ${provider.key} does not list model ${missing.join(", ")}; add it to its spec.models, or take the name out of the route`;
  return { reason: "ModelNotOffered", message };
}
