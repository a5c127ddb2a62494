/**
 * What does each route become: its backends, their weights, and what happens when one fails?
 */
import { ANY_MODEL, offered } from "../choose.ts";
import { describeWeights } from "../describe-weights.ts";
import { milliseconds } from "../duration.ts";
import { shortHash } from "../history.ts";
import { findPrice } from "../prices.ts";
import { protectionOf, withoutProtection } from "../route-protection.ts";
import type { Backend, Compliance, Failover, LatencyRules, Provider, Route, StickyKey } from "../table.ts";
import * as defaults from "./defaults.ts";
import { withJudge } from "./judge.ts";
import { placed, positionIn } from "./rollout.ts";
import { toShadow } from "./shadow.ts";
import { mayUseProvider, toSharing } from "./sharing.ts";
import type { BackendSpec, ComplianceSpec, LatencySpec, RouteSpec, StickyPlaceSpec } from "./spec.ts";
import { partOf } from "./weights.ts";
import { type Finding, type RouteDraft, type World, writtenSpec } from "./world.ts";

export function makeRoutes(world: World): void {
  for (const draft of world.routes.values()) {
    const written = draft.spec && routeOf(draft, draft.spec);
    const form = formOf(world, draft, written);
    const route = form && withJudge(world, draft, form);
    const backends = route === undefined ? [] : permitted(world, draft, route);
    const isWhole = draft.form === "Spec" || draft.form === "Last" || draft.form === "Pinned";
    if (isWhole && route !== undefined) draft.made = backends === route.backends ? route : { ...route, backends };
    else if (draft.form === "NamesOnly") draft.made = namesOnly(draft);
    describe(world, draft);
    noteUnpriced(world, draft);
  }
}

function formOf(world: World, draft: RouteDraft, written: Route | undefined): Route | undefined {
  if (draft.form === "Last") return lastForm(world, draft);
  if (draft.form !== "Pinned" || draft.pin === undefined) return written && atItsStep(world, draft, written);
  const now = draft.pin.protection === "Last" ? lastForm(world, draft) : written;
  return now && heldRoute(draft, draft.pin.route, now);
}

/** How it routed then. What protects is never taken from the past. */
function heldRoute(draft: RouteDraft, then: Route, now: Route): Route {
  const { created: _created, ...routing } = withoutProtection(then);
  return { ...routing, ...identity(draft), models: draft.claims, ...protectionOf(now) };
}

const madeBefore = new WeakMap<RouteSpec, Route>();

/** Once per spec (see `validate`): an unchanged route stays the same object, which is encoded once. */
function routeOf(draft: RouteDraft, spec: RouteSpec): Route {
  const before = madeBefore.get(spec);
  if (before !== undefined) return before;
  const route = toRoute(draft, spec);
  madeBefore.set(spec, route);
  return route;
}

function lastForm(world: World, draft: RouteDraft): Route | undefined {
  const last = world.lastRoutes.get(draft.key);
  const position = world.rollouts.get(draft.key) ?? (last && positionIn(last));
  return last && { ...placed(last, position, undefined), models: draft.claims };
}

/** Its rollout may have moved. */
function atItsStep(world: World, draft: RouteDraft, route: Route): Route {
  return placed(route, world.rollouts.get(draft.key), draft.spec?.rollout?.shadow);
}

function describe(world: World, draft: RouteDraft): void {
  const isInForce = (backend: Backend) => world.providers.get(backend.provider)?.made !== undefined;
  const models = draft.form === "Last" || draft.form === "Pinned" ? draft.claims : (draft.spec?.models ?? draft.claims);
  draft.columns.models = models.join(", ");
  const { backends = [], strategy = "Weighted" } = draft.made ?? {};
  draft.columns.weights = describeWeights(backends.filter(isInForce), strategy);
  const active = draft.made && activeBackend(draft.made);
  if (active !== undefined) draft.columns.activeBackend = active;
}

/** The side of a blue-green route that takes all traffic. */
function activeBackend({ strategy, backends }: Route): string | undefined {
  return strategy === "BlueGreen" ? backends.find(({ weight }) => weight > 0)?.name : undefined;
}

/** A backend that strategy Cost cannot compare: its owner may not know. */
function noteUnpriced(world: World, draft: RouteDraft): void {
  const { made } = draft;
  if (made?.strategy !== "Cost" || draft.form !== "Spec") return;
  for (const [i, backend] of made.backends.entries()) {
    const provider = world.providers.get(backend.provider)?.made;
    const names = new Set(made.models.map((claimed) => backend.model ?? claimed));
    const unpriced = [...names].filter((name) => {
      const model = provider && name !== ANY_MODEL ? offered(provider, name, "named") : undefined;
      if (provider === undefined || model === undefined) return false;
      return model.commitment?.tokensPerMinute === undefined && findPrice(provider, model, name) === undefined;
    });
    if (unpriced.length === 0) continue;
    const then = made.cost?.unpriced === "Exclude" ? "it does not serve them" : "it comes last there";
    const where = `spec.backends[${i}]: AIProvider ${backend.provider} has no price for ${unpriced.join(", ")}`;
    draft.notes.push(`${where}, so ${then}; add spec.models[].price to it`);
  }
}

function toRoute(draft: RouteDraft, spec: RouteSpec): Route {
  const shadow = spec.shadow && toShadow(spec.shadow.backend, spec.shadow.percent, spec.shadow);
  return {
    ...identity(draft),
    models: spec.models,
    strategy: spec.strategy,
    backends: spec.backends.map((backend) => toBackend(draft, backend, spec)),
    sticky: (spec.sticky?.by ?? []).map(toStickyKey),
    failover: toFailover(spec.failover),
    allowedClients: toSharing(spec.allowedClients),
    ...(spec.cost?.unpriced === "Exclude" && { cost: { unpriced: "Exclude" as const } }),
    ...(spec.latency !== undefined && { latency: toLatencyRules(spec.latency) }),
    ...(spec.foreignIDs === "Probe" && { foreignIDs: "Probe" as const }),
    ...(spec.compliance !== undefined && { compliance: toCompliance(spec.compliance) }),
    ...(shadow && { shadow }),
    ...(spec.rollout && { rollout: { stable: spec.rollout.stable, candidate: spec.rollout.candidate } }),
  };
}

function toLatencyRules({ metric, explorePercent, switchMarginPercent }: LatencySpec): LatencyRules {
  return { ...(metric === "Total" && { metric }), explorePercent, switchMarginPercent };
}

function toCompliance({ rules = [], unknownResidency }: ComplianceSpec): Compliance {
  return {
    rules: rules.map(({ residency, allow, allowTools = [] }) => ({
      residency,
      allow,
      ...(allowTools.length > 0 && { allowTools }),
    })),
    unknownResidency,
  };
}

const NO_FAILOVER: Failover = {
  retrySameProvider: 0,
  fallbackToNext: false,
  maxAttempts: 1,
  maxDuration: 0,
  backoff: { base: 0, max: 0 },
};

/** Serves nobody, and holds its names for everyone whom it would serve. */
function namesOnly(draft: RouteDraft): Route {
  return {
    ...identity(draft),
    models: draft.claims,
    strategy: "Weighted",
    backends: [],
    sticky: [],
    failover: NO_FAILOVER,
    allowedClients: toSharing(writtenSpec(draft).allowedClients),
  };
}

function identity({ key, namespace, name, uid, generation, created }: RouteDraft) {
  return { key, namespace, name, uid, generation, ...(created !== "" && { created }) };
}

function toBackend(draft: RouteDraft, backend: BackendSpec, spec: RouteSpec): Backend {
  const { namespace = draft.namespace, name } = backend.providerRef;
  return {
    name: backend.name,
    provider: `${namespace}/${name}`,
    priority: backend.priority ?? defaults.BACKEND_PRIORITY,
    ...partOf(spec, backend),
    ...(backend.model !== undefined && { model: backend.model }),
  };
}

function toStickyKey(place: StickyPlaceSpec): StickyKey {
  // Header names are looked up in lower case, as Node hands them out.
  return place.header !== undefined ? { header: place.header.toLowerCase() } : { bodyField: place.bodyField ?? "" };
}

function toFailover(spec: RouteSpec["failover"]): Failover {
  return {
    retrySameProvider: spec.retrySameProvider,
    fallbackToNext: spec.fallbackToNext,
    maxAttempts: spec.maxAttempts,
    maxDuration: milliseconds(spec.maxDuration),
    backoff: { base: milliseconds(spec.backoff.base), max: milliseconds(spec.backoff.max) },
    ...(spec.hedgeAfter !== undefined && { hedgeAfter: milliseconds(spec.hedgeAfter) }),
    ...(spec.streamRecovery === "Splice" && { streamRecovery: "Splice" as const }),
  };
}

/**
 * The backends without those that may not use their provider; what else does not resolve is told and stays: it serves
 * nothing while its provider is not in the table, and comes back with it.
 */
function permitted(world: World, draft: RouteDraft, route: Route): readonly Backend[] {
  const backends = route.backends.filter((backend, i) => {
    const isPermitted = mayUseProvider(world, route.namespace, backend.provider);
    const problem = problemOf(world, draft, route, backend, i);
    // Out of a last accepted form it is gone for good: the next compile would not tell of it any more.
    const isTold = isPermitted || draft.form !== "Last";
    if (problem !== undefined && isTold) draft.unresolved.push(problem);
    return isPermitted;
  });
  return backends.length === route.backends.length ? route.backends : backends;
}

function problemOf(world: World, draft: RouteDraft, route: Route, backend: Backend, i: number): Finding | undefined {
  const field =
    draft.form === "Pinned"
      ? `table ${shortHash(draft.pin?.table.hash ?? "")}: backend ${backend.name}`
      : `spec.backends[${i}]`;
  const provider = world.providers.get(backend.provider);
  const isOwn = backend.provider.startsWith(`${route.namespace}/`);
  // What another namespace has and does not share is not told apart from what it does not have.
  if (!isOwn && (provider?.spec === undefined || !mayUseProvider(world, route.namespace, backend.provider))) {
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

function modelProblem(route: Route, backend: Backend, field: string, provider: Provider): Finding | undefined {
  const missing = new Set<string>();
  for (const claimed of route.models) {
    const name = backend.model ?? claimed;
    const asked = claimed === ANY_MODEL ? "any" : "named";
    if (name !== ANY_MODEL && offered(provider, name, asked) === undefined) missing.add(name);
  }
  if (missing.size === 0) return undefined;
  const where = backend.model === undefined ? `${field}.providerRef` : `${field}.model`;
  const message = `${where}: AIProvider ${provider.key} does not list model ${[...missing].join(", ")}; add it to its spec.models, or take the name out of the route`;
  return { reason: "ModelNotOffered", message };
}
