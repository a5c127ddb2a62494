/**
 * Who is told when a request has ended or something has changed?
 *
 * The one thing that the pipeline, the availability of providers and the configuration report to. Nothing here waits
 * or throws into its caller: a request is never slower or different because it was counted.
 */
import type { Exchange } from "../exchange.ts";
import type { Cause, Transition } from "../upstream/availability.ts";
import { accessLine } from "./access-log.ts";
import type { BackendLatency } from "./counts.ts";
import type { LogDestination, Logger } from "./log.ts";
import { type MetricSources, Metrics } from "./metrics.ts";
import type { CopyRecord, Judgement, ShadowOutcome } from "./shadow-counts.ts";
import { shadowLine } from "./shadow-line.ts";
import type { Tracing } from "./tracing.ts";

/** Kept for `/status`; older ones go. */
const TRANSITIONS_KEPT = 200;

export interface TelemetryOptions {
  readonly log: Logger;
  /** Undefined: no access log. */
  readonly accessLog: LogDestination | undefined;
  readonly tracing: Tracing;
  readonly sources: Omit<MetricSources, "droppedLogLines">;
}

/** What went wrong with a configuration. `message` is one clear sentence that names the field and the fix. */
export interface ReloadError {
  readonly message: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly field?: string | undefined;
  /** Of the table that was refused, where it has one. */
  readonly hash?: string | undefined;
}

export interface AppliedTable {
  readonly hash: string;
  /** Label values from now on. */
  readonly modelNames: ReadonlySet<string>;
  /** When it was known to be the newest table; absent: it is now. On the clock of `performance.now()`, like the next. */
  readonly newestAt?: number | undefined;
  /** When the change was seen that led to it. */
  readonly changedAt?: number | undefined;
}

export type Reload = ({ readonly ok: true } & AppliedTable) | { readonly ok: false; readonly error: ReloadError };

export interface LastReload {
  /** ISO 8601. */
  readonly time: string;
  readonly result: "success" | "failure";
  readonly hash?: string;
  readonly error?: ReloadError;
}

/** A change of state as `/status` shows it. Times are ISO 8601. */
export type ShownTransition = Omit<Transition, "at" | "causes"> & {
  readonly time: string;
  readonly causes?: readonly ShownCause[];
};
export type ShownCause = Omit<Cause, "at"> & { readonly time: string };

export class Telemetry {
  readonly log: Logger;
  readonly tracing: Tracing;
  readonly #metrics: Metrics;
  readonly #accessLog: LogDestination | undefined;
  readonly #transitions: ShownTransition[] = [];
  #lastReload: LastReload | undefined;
  #lastSuccess: LastReload | undefined;
  #complained = false;

  constructor(options: TelemetryOptions) {
    this.log = options.log;
    this.tracing = options.tracing;
    this.#accessLog = options.accessLog;
    this.#metrics = new Metrics({ ...options.sources, droppedLogLines: () => options.accessLog?.dropped ?? 0 });
  }

  /** Once per request, when it has ended. */
  record(exchange: Exchange): void {
    try {
      this.#metrics.record(exchange);
      this.#accessLog?.write(accessLine(exchange, this.tracing.traceID(exchange)));
      this.tracing.end(exchange);
    } catch (err) {
      if (!this.#complained) this.log.error({ err, request_id: exchange.id }, "a request could not be recorded");
      this.#complained = true;
    }
  }

  /** Once per request that was drawn to be copied. */
  shadowed(route: string, outcome: ShadowOutcome): void {
    this.#metrics.shadows.outcome(route, outcome);
  }

  /** Once per pair that was drawn to be judged. */
  judged(route: string, result: Judgement): void {
    this.#metrics.shadows.judged(route, result);
  }

  /** Once for each backend that was asked for nobody. */
  copied(copy: CopyRecord): void {
    this.#metrics.recordCopy(copy);
    this.#accessLog?.write(shadowLine(copy));
  }

  /** `transition.at` is on the clock of `performance.now()`. */
  onTransition(transition: Transition): void {
    const { at, causes, ...facts } = transition;
    const rest = { ...facts, ...(causes && { causes: causes.map((cause) => shownCause(cause)) }) };
    const shown = { time: timeOf(at), ...rest };
    this.#transitions.push(shown);
    if (this.#transitions.length > TRANSITIONS_KEPT) this.#transitions.shift();
    // A rate limit is daily business and would fill the log under load; the ring and the metrics have it.
    if (transition.kind === "rate_limit") return;
    this.log.info(rest, `${transition.kind} ${transition.from} → ${transition.to}`);
  }

  onReload(reload: Reload): void {
    const time = new Date().toISOString();
    if (reload.ok) {
      this.#metrics.useNames(reload.modelNames);
      this.#metrics.config.applied(reload.hash, reload.newestAt ?? performance.now(), reload.changedAt);
      this.#lastSuccess = { time, result: "success", hash: reload.hash };
      this.#lastReload = this.#lastSuccess;
    } else {
      this.#metrics.config.refused();
      this.#lastReload = { time, result: "failure", error: reload.error };
    }
  }

  /** The table in force was the newest one then: what was refused since it came is not wanted any more. */
  configConfirmed(at: number): void {
    this.#lastReload = this.#lastSuccess;
    this.#metrics.config.confirmed(at);
  }

  streamOpened(): void {
    this.#metrics.openStreams++;
  }

  streamClosed(): void {
    this.#metrics.openStreams--;
  }

  get openStreams(): number {
    return this.#metrics.openStreams;
  }

  get lastReload(): LastReload | undefined {
    return this.#lastReload;
  }

  /** Oldest first. */
  transitions(): readonly ShownTransition[] {
    return this.#transitions;
  }

  /** By route, backend, provider and model, of the last minute or two. */
  latencies(): BackendLatency[] {
    return this.#metrics.latencies();
  }

  /** Prometheus text format. */
  metricsText(): Promise<string> {
    return this.#metrics.text();
  }

  /** Sends the spans and writes the log lines that wait. */
  async close(timeoutMs: number): Promise<void> {
    await Promise.all([this.tracing.close(), this.#accessLog?.close(timeoutMs)]);
  }
}

function shownCause({ at, ...cause }: Cause): ShownCause {
  return { time: timeOf(at), ...cause };
}

function timeOf(at: number): string {
  return new Date(performance.timeOrigin + at).toISOString();
}
