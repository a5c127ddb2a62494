/**
 * What is a running gateway?
 *
 * Wires the parts together: listener, admin server, upstreams, telemetry, and the snapshot in force, which is swapped
 * whole. Knows nothing of where tables come from.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { indexing, type TableIndex } from "../routing/lookup.ts";
import { atOnce, type Pieces } from "../routing/pieces.ts";
import { type Published, TableError } from "../routing/published.ts";
import type { Redacted } from "../routing/secrets.ts";
import { TableReader } from "../routing/table-reader.ts";
import { type Address, listen, urlOf } from "./address.ts";
import { createAdmin } from "./admin.ts";
import { logFailedFetch } from "./authorization/token-log.ts";
import { ReplayPool } from "./body/replay-pool.ts";
import { Budgets } from "./budgets/budgets.ts";
import type { Callers } from "./callers/callers.ts";
import { openCallers } from "./callers/open.ts";
import { ConfigFaults } from "./config-faults.ts";
import { type DrainOptions, drain } from "./drain.ts";
import { Finder } from "./ids/finder.ts";
import { RateLimits } from "./limits/rate-limits.ts";
import type { SharedStateOptions } from "./limits/shared-state.ts";
import { createListener } from "./listener.ts";
import { LOAD_LIMITS, Load, type LoadLimits } from "./load.ts";
import { type MeasuredBackend, Measuring } from "./measures/measuring.ts";
import { createPassthrough } from "./passthrough.ts";
import { serve } from "./pipeline.ts";
import { probeOf } from "./probe.ts";
import type { RealtimeLimits } from "./realtime/limits.ts";
import { Realtime } from "./realtime/realtime.ts";
import type { Services } from "./services.ts";
import type { GatewaySettings } from "./settings.ts";
import { Judges } from "./shadow/judges.ts";
import { Shadows } from "./shadow/shadows.ts";
import { inSlices } from "./sliced.ts";
import { type Secrets, Snapshot } from "./snapshot.ts";
import { HedgeBudgets } from "./stages/hedge-budget.ts";
import { statusOf, summaryOf } from "./status.ts";
import { Strategies } from "./strategy/strategies.ts";
import type { LogDestination, Logger } from "./telemetry/log.ts";
import { type AppliedTable, type ReloadError, Telemetry } from "./telemetry/telemetry.ts";
import { startTracing } from "./telemetry/tracing.ts";
import { Upstreams } from "./upstream/upstreams.ts";
import { UsageEstimator } from "./usage/estimator.ts";

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

/** A table and all that it needs. */
export interface Configuration extends Secrets {
  readonly published: Published;
}

/** A table that was read and checked, ready to be put in force. */
export interface Prepared {
  readonly hash: string;
  readonly index: TableIndex;
}

/** What a prepared table needs beside itself. */
export interface Companions extends Omit<Configuration, "published">, Pick<AppliedTable, "newestAt" | "changedAt"> {}

export type Applied =
  | { readonly ok: true; readonly hash: string }
  | { readonly ok: false; readonly error: ReloadError };

/** Milliseconds for which a caller may take nothing of what waits for it. */
const READER_PATIENCE = 60_000;
/** Milliseconds for log lines and spans to leave at the end. */
const FLUSH_TIMEOUT = 2000;

export class Gateway {
  readonly url: string;
  readonly adminUrl: string;
  readonly #listener: Server;
  readonly #admin: Server;
  readonly #parts: Parts;

  constructor(listener: Server, admin: Server, parts: Parts) {
    this.#listener = listener;
    this.#admin = admin;
    this.#parts = parts;
    this.url = urlOf(listener);
    this.adminUrl = urlOf(admin);
  }

  /** What clients have used through this proxy: for who hands out budgets beside it, without a network. */
  get budgets(): Budgets {
    return this.#parts.budgets;
  }

  get hash(): string | undefined {
    return this.#parts.snapshot?.hash;
  }

  /** Puts a table in force for all requests that begin from now on. One that cannot be used changes nothing. */
  apply({ published, ...companions }: Configuration): Applied {
    try {
      this.enforce(atOnce(this.#preparing(published)), companions);
      return { ok: true, hash: published.hash };
    } catch (error) {
      if (!(error instanceof TableError)) throw error;
      return this.reportConfigError({ message: error.message, hash: published.hash });
    }
  }

  /** Names of the shards that `prepare` needs for this index, beside what it knows already. Throws a TableError. */
  missingShards(index: string): string[] {
    return this.#parts.reader.missing(index);
  }

  /** Reads a table while requests are served. Rejects with a TableError. One at a time. */
  prepare(published: Published): Promise<Prepared> {
    return inSlices(this.#preparing(published));
  }

  *#preparing(published: Published): Pieces<Prepared> {
    const { reader, snapshot } = this.#parts;
    const table = yield* reader.read(published);
    const { hash } = published;
    return { hash, index: snapshot?.hash === hash ? snapshot.index : yield* indexing(table) };
  }

  /** The swap itself: one assignment, and what is kept of providers goes over to the new table. */
  enforce({ hash, index }: Prepared, companions: Companions): void {
    const { upstreams, telemetry, strategies, hedges, realtime, measures, shadows, rateLimits } = this.#parts;
    const { credentials, pepper, idKeys, ...times } = companions;
    this.#parts.snapshot = new Snapshot(index, hash, { credentials, pepper, idKeys }, upstreams, strategies);
    strategies.sweep(index.table);
    realtime.sessions.review(this.#parts.snapshot);
    hedges.keep(index.table.routes.map(({ key }) => key));
    measures.sweep(index.table);
    shadows.sweep(index.table);
    rateLimits.adopt(index.table.clients);
    upstreams.adopt(Object.values(index.table.providers), credentials);
    telemetry.onReload({ ok: true, hash, modelNames: index.modelNames, ...times });
  }

  /** So many proxies serve, at least one, this one included: each has its share of limits and commitments. */
  shareAmong(proxies: number): void {
    this.#parts.strategies.proxies = proxies;
    this.#parts.rateLimits.proxies = proxies;
  }

  /** What was measured of rollouts since the start. */
  measures(): readonly MeasuredBackend[] {
    return this.#parts.measures.rows();
  }

  /** What copies showed, by day. */
  comparisons(): ReturnType<Shadows["days"]> {
    return this.#parts.shadows.days();
  }

  /** The table in force was known to be the newest one then, or is now. On the clock of `performance.now()`. */
  confirm(at = performance.now()): void {
    this.#parts.telemetry.configConfirmed(at);
  }

  /** A configuration that did not even become a table, or a part of one: told in `/status`, in the log and in the metrics. */
  reportConfigError(
    error: ReloadError,
    consequence = "the configuration was refused, the last good one stays in force",
  ): { ok: false; error: ReloadError } {
    const { telemetry } = this.#parts;
    telemetry.onReload({ ok: false, error });
    telemetry.log.error({ ...error }, consequence);
    return { ok: false, error };
  }

  /** Lets what is in flight end for at most `drainMs`, then breaks it off. */
  async close(options: DrainOptions): Promise<void> {
    const parts = this.#parts;
    parts.draining = true;
    parts.load.stop();
    parts.shadows.drain();
    await Promise.all([drain(this.#listener, options), parts.realtime.drain(options.drainMs)]);
    parts.realtime.close();
    parts.shadows.close();
    await parts.budgets.close();
    await parts.upstreams.close({ now: true });
    await parts.usage.close();
    parts.callers.close();
    parts.rateLimits.close();
    await parts.telemetry.close(FLUSH_TIMEOUT);
    this.#admin.close();
    this.#admin.closeAllConnections();
  }
}

/** What the gateway holds; `snapshot` and `draining` are all that ever changes. */
interface Parts {
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

/** Rejects when an address cannot be listened on. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const parts = await assemble(options);
  const services = servicesOf(options, parts);
  const listener = createListener({
    headerBytes: options.settings.limits.headerBytes,
    draining: () => parts.draining,
    handle: (request: IncomingMessage, response: ServerResponse) => {
      void serve(services, parts.snapshot, request, response);
    },
    upgrade: (request, socket, head) => {
      socket.on("error", () => undefined);
      // Loaded with the first one: a gateway that only chats starts faster and smaller.
      const { snapshot } = parts;
      void import("./realtime/upgrade.ts").then((loaded) =>
        loaded.serveUpgrade(services, snapshot, request, socket, head),
      );
    },
  });
  const admin = createAdmin({
    ready: () => readiness(parts),
    status: () => ({ ...statusOf(parts.snapshot, parts.upstreams, services), source: options.source?.() ?? null }),
    summary: () => summaryOf(parts.snapshot, parts.upstreams, services, parts.faults),
    metrics: () => parts.telemetry.metricsText(),
    comparisons: (route) => ({ route, comparisons: parts.shadows.bodies(route) }),
    usage: (question, gone) => parts.budgets.answer(question, gone),
    adminToken: options.adminToken ?? (() => undefined),
  });
  const listening = [listen(listener, options.listen), listen(admin, options.admin)];
  await Promise.all(listening).catch(async (error: unknown) => {
    // What was begun would keep the process alive.
    await Promise.allSettled(listening);
    for (const server of [listener, admin]) server.close();
    parts.load.stop();
    parts.rateLimits.close();
    await parts.upstreams.close({ now: true });
    await parts.telemetry.close(FLUSH_TIMEOUT);
    throw error;
  });
  return new Gateway(listener, admin, parts);
}

async function assemble(options: GatewayOptions): Promise<Parts> {
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

function servicesOf(options: GatewayOptions, parts: Parts): Services {
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

function readiness(parts: Parts): { ok: true } | { ok: false; reason: string } {
  if (parts.draining) return { ok: false, reason: "draining" };
  return parts.snapshot ? { ok: true } : { ok: false, reason: "no configuration is in force yet" };
}
