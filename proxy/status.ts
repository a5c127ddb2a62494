/** What does `/status` say? Plain JSON, no secrets: names, states and numbers as this proxy sees them. */
import { describeWeights } from "../routing/describe-weights.ts";
import type { Route } from "../routing/table.ts";
import type { ConfigFaults } from "./config-faults.ts";
import type { Services } from "./services.ts";
import type { Snapshot } from "./snapshot.ts";
import type { ShownTransition } from "./telemetry/telemetry.ts";
import type { Upstreams } from "./upstream/upstreams.ts";

/** Changes of breakers in a summary. */
const MOST_CHANGES = 50;

export function statusOf(snapshot: Snapshot | undefined, upstreams: Upstreams, services: Services): object {
  const { telemetry, replayPool, load } = services;
  return {
    table: snapshot ? { hash: snapshot.hash, schemaVersion: snapshot.table.schemaVersion } : null,
    lastReload: telemetry.lastReload ?? null,
    draining: services.draining(),
    servingProxies: services.strategies.proxies,
    inFlight: load.inFlight,
    load: { limit: load.limit, pressure: load.pressure ?? null, refused: load.refused },
    openStreams: telemetry.openStreams,
    keptBodies: { bytes: replayPool.used, capacity: replayPool.capacity },
    providers: upstreams.availability
      .snapshot()
      .map((status) => ({ ...status, calls: upstreams.places.load(status.provider) })),
    tokens: upstreams.authorizations.status(),
    routes: snapshot?.table.routes.map(describeRoute) ?? [],
    clients: snapshot?.table.clients.length ?? 0,
    measures: services.measures.rows(),
    shadows: services.shadows.status(),
    sharedState: services.rateLimits.sharedState(),
    limits: services.rateLimits.status(),
    commitments: services.strategies.commitments(),
    budgets: services.budgets.report(0).usage,
    latencies: telemetry.latencies(),
    location: services.location || null,
    latencyEstimates: services.strategies.latencies.shown(performance.now()),
    transitions: telemetry.transitions(),
  };
}

function describeRoute(route: Route): object {
  const backends = route.backends.map(({ name, provider, priority, weight, failover }) => {
    return { name, provider, priority, weight, failover };
  });
  const { key, generation, models, strategy } = route;
  return { route: key, generation, models, strategy, order: describeWeights(route.backends, strategy), backends };
}

/** What the operator wants to know of each proxy. */
export function summaryOf(
  snapshot: Snapshot | undefined,
  upstreams: Upstreams,
  services: Services,
  faults: ConfigFaults,
): object {
  const { lastReload } = services.telemetry;
  const { hash, message } = lastReload?.error ?? {};
  return {
    instance: services.instance,
    table: snapshot ? { hash: snapshot.hash } : null,
    rejected: message === undefined ? null : { ...(hash !== undefined && { hash }), message },
    draining: services.draining(),
    providers: upstreams.availability.snapshot().map(({ provider, health }) => ({
      provider,
      healthy: health.state === "unknown" ? null : health.state === "healthy",
      reason: health.reason,
      message: health.detail,
    })),
    faults: faults.last(),
    measures: services.measures.rows(),
    shadows: services.shadows.days().map(({ liveMilliseconds, copyMilliseconds, liveCost, copyCost, ...day }) => day),
    circuits: circuitChanges(services.telemetry.transitions()),
    sharedState: services.rateLimits.sharedState(),
  };
}

/** For the operator, who tells the owners: breakers that opened and closed, the last ones. */
function circuitChanges(transitions: readonly ShownTransition[]): object[] {
  const changes = transitions.filter(({ kind, to }) => kind === "circuit" && (to === "open" || to === "closed"));
  return changes.slice(-MOST_CHANGES).map(({ time, provider, model, to, detail, causes }) => {
    return { at: time, provider, model: model ?? null, state: to, detail, causes: causes ?? [] };
  });
}
