/**
 * What is a running gateway?
 *
 * Listener, admin server, the parts behind them, and the snapshot in force, which is swapped whole. Knows nothing of
 * where tables come from.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { indexing, type TableIndex } from "../routing/lookup.ts";
import { atOnce, type Pieces } from "../routing/pieces.ts";
import { type Published, TableError } from "../routing/published.ts";
import { listen, urlOf } from "./address.ts";
import { createAdmin } from "./admin.ts";
import type { Budgets } from "./budgets/budgets.ts";
import { type DrainOptions, drain } from "./drain.ts";
import { createListener } from "./listener.ts";
import type { MeasuredBackend } from "./measures/measuring.ts";
import { assemble, type GatewayOptions, type Parts, servicesOf } from "./parts.ts";
import { serve } from "./pipeline.ts";
import type { Shadows } from "./shadow/shadows.ts";
import { inSlices } from "./sliced.ts";
import { type Secrets, Snapshot } from "./snapshot.ts";
import { statusOf, summaryOf } from "./status.ts";
import type { AppliedTable, ReloadError } from "./telemetry/telemetry.ts";

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

function readiness(parts: Parts): { ok: true } | { ok: false; reason: string } {
  if (parts.draining) return { ok: false, reason: "draining" };
  return parts.snapshot ? { ok: true } : { ok: false, reason: "no configuration is in force yet" };
}
