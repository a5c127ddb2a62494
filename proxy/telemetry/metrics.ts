/**
 * Which metrics does a proxy export, and where does each come from?
 *
 * Requests are counted in `Counts`; states are read where they are kept when somebody scrapes, so that nothing stale
 * remains after a reload. Names and labels are a promise to dashboards: they stay.
 */

import { collectDefaultMetrics, Registry } from "prom-client";
import { NANO_PER_USD } from "../../routing/budgets/money.ts";
import type { Exchange } from "../exchange.ts";
import { ConfigMetrics } from "./config-metrics.ts";
import { type BackendLatency, type Cell, Counts, labelsOf, type TokenCount } from "./counts.ts";
import { counter, gauge, histogram, type Sample, Tally } from "./exposition.ts";
import { type CopyRecord, isUnpriced, ShadowCounts } from "./shadow-counts.ts";

/** prom-client's default of 10 ms would wake an idle proxy 100 times a second. */
const EVENT_LOOP_SAMPLE_MS = 50;

export type CircuitState = "closed" | "half_open" | "open";
const CIRCUIT_VALUE: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 };

/** States that others keep. */
export interface MetricSources {
  circuits(): Iterable<{ readonly provider: string; readonly model: string; readonly state: CircuitState }>;
  providers(): Iterable<{ readonly provider: string; readonly healthy: boolean }>;
  /** Calls at each provider at this moment. */
  calls(): Iterable<{ readonly provider: string; readonly inFlight: number; readonly waiting: number }>;
  /** Requests in flight, and how many are let in. */
  load(): { readonly inFlight: number; readonly limit: number };
  /** Null: none is configured. */
  sharedState(): { readonly connected: boolean } | null;
  droppedLogLines(): number;
  /** What strategy Latency reckons with; milliseconds, null: callers of all locations. */
  latencies(): Iterable<LatencyEstimate>;
}

export interface LatencyEstimate {
  readonly route: string;
  readonly backend: string;
  readonly model: string;
  readonly measure: "firstToken" | "stream" | "answer";
  readonly location: string | null;
  readonly estimate: number;
}

const MEASURE_LABELS = { firstToken: "first_token", stream: "stream", answer: "answer" } as const;

const TOKEN_KINDS = {
  input: "input",
  cachedInput: "cached_input",
  output: "output",
  reasoning: "reasoning",
  audioInput: "audio_input",
  audioOutput: "audio_output",
  imageInput: "image_input",
  imageOutput: "image_output",
} as const satisfies Record<TokenCount, string>;

const MEDIA = new Set<string>(["audio_input", "audio_output", "image_input", "image_output"]);

const ESTIMATED_KINDS = ["input", "output"] as const;

type Family = readonly [name: string, help: string, collect: () => Sample[]];
type Timing = readonly [name: string, help: string, field: "duration" | "firstToken" | "overhead"];

export class Metrics {
  openStreams = 0;
  readonly config = new ConfigMetrics();
  readonly #registry = new Registry();
  readonly #counts = new Counts();
  readonly shadows = new ShadowCounts((model) => this.#counts.isNamed(model));
  readonly #sources: MetricSources;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    for (const [name, help, field] of TIMINGS) {
      const series = () => cellsOf(this.#counts).map((cell) => ({ labels: cell.place, histogram: cell[field] }));
      histogram(this.#registry, name, help, series);
    }
    histogram(
      this.#registry,
      "tandem_config_propagation_seconds",
      "From the change that the operator saw to the table in force that has it.",
      () => [{ labels: {}, histogram: this.config.propagation }],
    );
    for (const family of [...this.#counters(), ...this.config.counters()]) counter(this.#registry, ...family);
    for (const family of [...this.#gauges(), ...this.config.gauges()]) gauge(this.#registry, ...family);
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: EVENT_LOOP_SAMPLE_MS });
  }

  record(exchange: Exchange): void {
    this.#counts.record(exchange);
  }

  recordCopy(copy: CopyRecord): void {
    this.shadows.record(copy);
    if (isUnpriced(copy)) this.#counts.unpricedCopy(copy.provider, copy.model);
  }

  /** These names of models may be label values from now on. */
  useNames(models: ReadonlySet<string>): void {
    this.#counts.useNames(models);
  }

  latencies(): BackendLatency[] {
    return this.#counts.latencies();
  }

  /** Prometheus text format 0.0.4. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counters(): Family[] {
    const counts = this.#counts;
    return [
      [
        "tandem_requests_total",
        "Requests that have ended, by the status that the caller got (499: it had gone).",
        () => requests(counts),
      ],
      [
        "tandem_errors_total",
        "Requests that did not end well, by what went wrong and whose error the caller saw.",
        () => samplesOf(counts.errors, ["route", "provider", "model", "class", "origin"]),
      ],
      [
        "tandem_attempts_total",
        "Requests to providers, by how they ended.",
        () => samplesOf(counts.attempts, ["provider", "model", "outcome"]),
      ],
      [
        "tandem_failovers_total",
        "Steps from one backend to the next after a failure.",
        () => samplesOf(counts.failovers, ["route", "from", "to", "reason"]),
      ],
      [
        "tandem_exclusions_total",
        "Backends ruled out before a request's first attempt.",
        () => samplesOf(counts.exclusions, ["route", "backend", "reason"]),
      ],
      [
        "tandem_hedges_total",
        "Requests for which a second backend was asked beside a silent one: it answered first (won), the first did (lost), or neither (failed); or none was, since the route had hedged a tenth of its requests (capped).",
        () => samplesOf(counts.hedges, ["route", "outcome"]),
      ],
      [
        "tandem_hedged_tokens_total",
        "Tokens within tandem_tokens_total of attempts that were broken off because another answered first: taken to be as many as the answer's.",
        () => samplesOf(counts.hedgedTokens, ["route", "backend", "model", "kind"]),
      ],
      [
        "tandem_routing_decisions_total",
        "Requests by the backend that answered and why it was chosen.",
        () => decisions(counts),
      ],
      [
        "tandem_limit_decisions_total",
        "Requests of clients with limits: allowed, or which of them was exhausted (requests, tokens, concurrent).",
        () => samplesOf(counts.limits, ["client", "result"]),
      ],
      [
        "tandem_tokens_total",
        "Tokens as the provider counted them: cached_input and audio_input and image_input are part of input, reasoning, audio_output and image_output of output. Kinds that begin with shadow_ are of copies, in no client's name.",
        () => [...tokens(counts), ...this.shadows.tokens()],
      ],
      [
        "tandem_tokens_estimated_total",
        "Tokens within tandem_tokens_total that Tandem counted, because the provider did not say.",
        () => estimatedTokens(counts),
      ],
      [
        "tandem_cost_usd_total",
        "What answers cost, by the prices of the provider objects or the shipped list. Kinds add up.",
        () => [...costs(counts), ...this.shadows.costs()],
      ],
      [
        "tandem_unpriced_requests_total",
        "Answers whose cost is not known: no price, or nobody told what they used. They are not free.",
        () => samplesOf(counts.unpriced, ["provider", "model"]),
      ],
      [
        "tandem_shadow_total",
        "Requests drawn to be copied to a shadow, by what became of the copy.",
        () => this.shadows.outcomes(),
      ],
      [
        "tandem_shadow_comparisons_total",
        "Answers of copies compared with what callers got (same, different), and of the live backend with itself (noise_same, noise_different): each pair once under aspect any, and once more under each aspect in which it differs.",
        () => this.shadows.comparisons(),
      ],
      [
        "tandem_shadow_judged_total",
        "Pairs of answers drawn to be judged by the route's webhook: what it found of the copy (win, tie, loss), or why it said nothing (failed, dropped, residency).",
        () => this.shadows.judgements(),
      ],
      [
        "tandem_log_lines_dropped_total",
        "Log lines dropped because the reader of the log was too slow.",
        () => [{ value: this.#sources.droppedLogLines(), labels: {} }],
      ],
    ];
  }

  #gauges(): Family[] {
    const sources = this.#sources;
    return [
      [
        "tandem_circuit_state",
        "0 closed, 1 half open, 2 open.",
        () =>
          Array.from(sources.circuits(), ({ provider, model, state }) => ({
            value: CIRCUIT_VALUE[state],
            labels: { provider, model },
          })),
      ],
      [
        "tandem_provider_healthy",
        "1 when the provider's health check passes.",
        () =>
          Array.from(sources.providers(), ({ provider, healthy }) => ({
            value: Number(healthy),
            labels: { provider },
          })),
      ],
      [
        "tandem_latency_estimate_seconds",
        "What strategy Latency reckons with, by backend, what is measured and the callers' location (all: of all).",
        () => Array.from(sources.latencies(), estimated),
      ],
      [
        "tandem_provider_calls_in_flight",
        "Calls at the provider.",
        () => Array.from(sources.calls(), ({ provider, inFlight }) => ({ value: inFlight, labels: { provider } })),
      ],
      [
        "tandem_provider_calls_waiting",
        "Calls that wait for a place at the provider (spec.concurrency).",
        () => Array.from(sources.calls(), ({ provider, waiting }) => ({ value: waiting, labels: { provider } })),
      ],
      [
        "tandem_requests_in_flight",
        "Requests and realtime sessions in progress.",
        () => [{ value: sources.load().inFlight, labels: {} }],
      ],
      [
        "tandem_requests_in_flight_limit",
        "How many of them are let in: lower while memory or the event loop is short.",
        () => [{ value: sources.load().limit, labels: {} }],
      ],
      [
        "tandem_shared_state_up",
        "1 while the server of the shared state answers, 0 while each proxy's share of clients' limits applies.",
        () => {
          const state = sources.sharedState();
          return state ? [{ value: Number(state.connected), labels: {} }] : [];
        },
      ],
      ["tandem_open_streams", "Streams that are being relayed.", () => [{ value: this.openStreams, labels: {} }]],
    ];
  }
}

const TIMINGS: readonly Timing[] = [
  ["tandem_request_duration_seconds", "From the request's arrival to the answer's end.", "duration"],
  ["tandem_time_to_first_token_seconds", "Streams: from the request's arrival to the first token.", "firstToken"],
  [
    "tandem_gateway_overhead_seconds",
    "Tandem's own share: without the caller's body, the providers and backoff.",
    "overhead",
  ],
];

function cellsOf(counts: Counts): Cell[] {
  return [...counts.cells.values()];
}

function requests(counts: Counts): Sample[] {
  return cellsOf(counts).flatMap(({ place, statuses }) =>
    [...statuses].map(([status, value]) => ({ value, labels: { ...place, status } })),
  );
}

function decisions(counts: Counts): Sample[] {
  const tally = new Tally();
  for (const { place, decisions } of counts.cells.values()) {
    const { route, backend } = place;
    for (const [reason, n] of decisions) tally.add({ route, backend, reason }, n);
  }
  return tally.samples();
}

function tokens(counts: Counts): Sample[] {
  const tally = new Tally();
  for (const { place, tokens } of counts.cells.values()) {
    const { provider, backend, model } = place;
    for (const [client, usage] of tokens) {
      for (const [field, kind] of Object.entries(TOKEN_KINDS)) {
        const count = usage[field as TokenCount];
        // Most models know neither sound nor pictures.
        if (count > 0 || !MEDIA.has(kind)) tally.add({ provider, backend, model, client, kind }, count);
      }
    }
  }
  return tally.samples();
}

function costs(counts: Counts): Sample[] {
  const tally = new Tally();
  for (const { place, costs } of counts.cells.values()) {
    const { provider, backend, model, route } = place;
    for (const [client, sums] of costs) {
      for (const [kind, nano] of Object.entries(sums)) {
        tally.add({ provider, backend, model, route, client, kind }, nano / NANO_PER_USD);
      }
    }
  }
  return tally.samples();
}

function estimatedTokens(counts: Counts): Sample[] {
  return ESTIMATED_KINDS.map((kind) => ({ value: counts.estimated[kind], labels: { kind } }));
}

function samplesOf(map: ReadonlyMap<string, number>, names: readonly string[]): Sample[] {
  return [...map].map(([key, value]) => ({ value, labels: labelsOf(names, key) }));
}

function estimated({ route, backend, model, measure, location, estimate }: LatencyEstimate): Sample {
  const labels = { route, backend, model, measure: MEASURE_LABELS[measure], location: location ?? "all" };
  return { value: estimate / 1000, labels };
}
