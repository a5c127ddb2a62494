/**
 * Of what is a gateway made?
 *
 * Each part is made once, of the options, and told of the others that it has to do with.
 */
import { randomUUID } from "node:crypto";
import type { Redacted } from "../routing/secrets.ts";
import { TableReader } from "../routing/table-reader.ts";
import type { Address } from "./address.ts";
import { logFailedFetch } from "./authorization/token-log.ts";
import { ReplayPool } from "./body/replay-pool.ts";
import { Budgets } from "./budgets/budgets.ts";
import type { Callers } from "./callers/callers.ts";
import { openCallers } from "./callers/open.ts";
import { ConfigFaults } from "./config-faults.ts";
import { Finder } from "./ids/finder.ts";
import { RateLimits } from "./limits/rate-limits.ts";
import type { SharedStateOptions } from "./limits/shared-state.ts";
import { LOAD_LIMITS, Load, type LoadLimits } from "./load.ts";
import { Measuring } from "./measures/measuring.ts";
import { createPassthrough } from "./passthrough.ts";
import { probeOf } from "./probe.ts";
import type { RealtimeLimits } from "./realtime/limits.ts";
import { Realtime } from "./realtime/realtime.ts";
import type { Services } from "./services.ts";
import type { GatewaySettings } from "./settings.ts";
import { Judges } from "./shadow/judges.ts";
import { Shadows } from "./shadow/shadows.ts";
import type { Snapshot } from "./snapshot.ts";
import { HedgeBudgets } from "./stages/hedge-budget.ts";
import { Strategies } from "./strategy/strategies.ts";
import type { LogDestination, Logger } from "./telemetry/log.ts";
import { Telemetry } from "./telemetry/telemetry.ts";
import { startTracing } from "./telemetry/tracing.ts";
import { Upstreams } from "./upstream/upstreams.ts";
import { UsageEstimator } from "./usage/estimator.ts";

/** Milliseconds for which a caller may take nothing of what waits for it. */
const READER_PATIENCE = 60_000;

export interface GatewayOptions {
  readonly listen: Address;
  readonly admin: Address;
  readonly settings: GatewaySettings;
  /** From `host` or `host:port` of a provider to the URL that is connected to instead. */
  readonly connectTo: ReadonlyMap<string, string>;
  /** The namespace of callers without a key; undefined: there are none. */
  readonly allowAnonymous?: string | undefined;
  /** What the admin server asks for outside loopback, asked for anew each time; undefined: nobody gets in there. */
  readonly adminToken?: () => Redacted | undefined;
  /** For `/status`: how the source of the tables fares. */
  readonly source?: () => object;
  /** Where limits of realtime sessions differ from the documented ones. */
  readonly realtime?: Partial<RealtimeLimits>;
  /** Unix milliseconds, for windows of commitments. */
  readonly clock?: () => number;
  /** Where limits of clients are counted for all proxies; undefined: each has its share. */
  readonly sharedState?: SharedStateOptions | undefined;
  /** Where limits of the proxy's own load differ from the documented ones. */
  readonly load?: Partial<LoadLimits>;
  /** Milliseconds for which a caller may take nothing of what waits for it; the documented ones when absent. */
  readonly readerPatience?: number;
  readonly log: Logger;
  /** Undefined: no access log. */
  readonly accessLog?: LogDestination | undefined;
  /** Where HTTPS_PROXY, NO_PROXY and OTEL_* are read. */
  readonly env: NodeJS.ProcessEnv;
}

/** What the gateway holds; `snapshot` and `draining` are all that ever changes. */
export interface Parts {
  readonly instance: string;
  readonly reader: TableReader;
  readonly upstreams: Upstreams;
  readonly telemetry: Telemetry;
  readonly usage: UsageEstimator;
  readonly faults: ConfigFaults;
  readonly realtime: Realtime;
  readonly strategies: Strategies;
  readonly measures: Measuring;
  readonly hedges: HedgeBudgets;
  readonly shadows: Shadows;
  readonly rateLimits: RateLimits;
  readonly budgets: Budgets;
  readonly load: Load;
  readonly callers: { readonly callers: Callers | undefined; close(): void };
  snapshot: Snapshot | undefined;
  draining: boolean;
}

/** Makes all parts. */
export async function assemble(options: GatewayOptions): Promise<Parts> {
  const ways = { egress: options.settings.egress, connectTo: options.connectTo, env: options.env };
  const callers = await openCallers(options.settings.callers, ways, (message) =>
    options.log.error({ message }, "the last good database of countries stays in force"),
  );
  const tracing = await startTracing(options.env, options.log);
  // The two know of each other: states are read at scrape, transitions are told as they happen.
  const upstreams: Upstreams = new Upstreams({
    ...ways,
    onTransition: (transition) => telemetry.onTransition(transition),
    onTokenFailure: (failed) => logFailedFetch(telemetry.log, failed),
    probe: (provider, credentials) => probeOf(provider, upstreams.authorizationOf(provider, credentials)),
  });
  const clock = options.clock ?? wallClock;
  const strategies = new Strategies({ clock });
  const telemetry = new Telemetry({
    log: options.log,
    accessLog: options.accessLog,
    tracing,
    sources: {
      ...upstreams.availability.metricSources(),
      calls: () => upstreams.places.samples(),
      load: () => load,
      latencies: () => strategies.latencies.named(performance.now()),
      sharedState: () => rateLimits.sharedState(),
    },
  });
  const load = new Load({ ...LOAD_LIMITS, ...options.load }, (pressure, { inFlight, limit }) => {
    if (pressure) telemetry.log.warn({ pressure, in_flight: inFlight, limit }, "overloaded: fewer requests are let in");
    else telemetry.log.info({ in_flight: inFlight, limit }, "no longer overloaded");
  });
  load.start();
  const measures = new Measuring();
  const shadows = new Shadows({
    telemetry,
    measures,
    judges: new Judges(ways),
    clock,
    proxies: () => strategies.proxies,
    isBusy: () => load.isBusy,
  });
  const rateLimits: RateLimits = new RateLimits({
    now: clock,
    shared: options.sharedState,
    onSharedState: (connected, problem) => {
      if (connected) telemetry.log.info({}, "the shared state is back: it decides about clients' limits");
      else telemetry.log.warn({ problem }, "the shared state is away: each proxy's share of clients' limits applies");
    },
  });
  const instance = randomUUID();
  return {
    instance,
    reader: new TableReader(),
    upstreams,
    telemetry,
    usage: new UsageEstimator(),
    faults: new ConfigFaults(telemetry.log),
    realtime: new Realtime({ ...ways, limits: options.realtime }),
    strategies,
    measures,
    shadows,
    hedges: new HedgeBudgets(),
    rateLimits,
    budgets: new Budgets({ instance, clock }),
    load,
    callers,
    snapshot: undefined,
    draining: false,
  };
}

/** Of the parts, what serving a request needs. */
export function servicesOf(options: GatewayOptions, parts: Parts): Services {
  const { settings } = options;
  return {
    instance: parts.instance,
    location: settings.location,
    limits: settings.limits,
    replayPool: new ReplayPool(settings.limits.replayBytes),
    availability: parts.upstreams.availability,
    telemetry: parts.telemetry,
    usage: parts.usage,
    passthrough: createPassthrough({
      egress: settings.egress,
      connectTo: options.connectTo,
      env: options.env,
      streams: parts.telemetry,
    }),
    finder: new Finder(),
    strategies: parts.strategies,
    measures: parts.measures,
    hedges: parts.hedges,
    shadows: parts.shadows,
    budgets: parts.budgets,
    realtime: parts.realtime,
    rateLimits: parts.rateLimits,
    callers: parts.callers.callers,
    allowAnonymous: options.allowAnonymous,
    load: parts.load,
    readerPatience: options.readerPatience ?? READER_PATIENCE,
    draining: () => parts.draining,
    onConfigFault: (target, failure, id) => {
      if (failure.status === 401) target.authorization.refused();
      parts.faults.report(target, failure, id);
    },
  };
}

/** Never set back. */
function wallClock(): number {
  return performance.timeOrigin + performance.now();
}
