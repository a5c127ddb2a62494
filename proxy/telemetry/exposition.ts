/**
 * How do plain counters become Prometheus metrics when somebody asks for them?
 *
 * prom-client's own `inc` and `observe` hash the labels on every call. Tandem counts in its own cells and hands prom-client
 * finished samples at scrape time; prom-client keeps the registry, the text format and the process metrics.
 */
import type { Counter, Registry } from "prom-client";
import type { Histogram } from "./histogram.ts";

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly value: number;
  readonly labels: Labels;
  readonly metricName?: string;
  /** prom-client formats these once and keeps the text, as long as the object lives. */
  readonly sharedLabels?: Labels;
}

/** Adds up values that have equal labels: two cells may differ in a label that a metric does not have. */
export class Tally {
  readonly #samples = new Map<string, { value: number; labels: Labels }>();

  add(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const sample = this.#samples.get(key);
    if (sample) sample.value += value;
    else this.#samples.set(key, { labels, value });
  }

  samples(): Sample[] {
    return [...this.#samples.values()];
  }
}

export function counter(registry: Registry, name: string, help: string, collect: () => Sample[]): void {
  register(registry, name, help, "counter", collect);
}

export function gauge(registry: Registry, name: string, help: string, collect: () => Sample[]): void {
  register(registry, name, help, "gauge", collect);
}

export function histogram(
  registry: Registry,
  name: string,
  help: string,
  collect: () => Iterable<{ labels: Labels; histogram: Histogram }>,
): void {
  register(registry, name, help, "histogram", () => {
    const samples: Sample[] = [];
    for (const series of collect()) samples.push(...histogramSamples(name, series.labels, series.histogram));
    return samples;
  });
}

/** Cumulative buckets, then sum and count; a series without observations says nothing. */
function histogramSamples(name: string, sharedLabels: Labels, { bounds, counts, sum }: Histogram): Sample[] {
  const total = counts.reduce((a, b) => a + b, 0);
  if (total === 0) return [];
  const metricName = `${name}_bucket`;
  const samples: Sample[] = [];
  let value = 0;
  counts.forEach((count, i) => {
    value += count;
    samples.push({ metricName, sharedLabels, labels: { le: bounds[i] ?? "+Inf" }, value });
  });
  samples.push({ metricName: `${name}_sum`, sharedLabels, labels: {}, value: sum });
  samples.push({ metricName: `${name}_count`, sharedLabels, labels: {}, value: total });
  return samples;
}

type Kind = "counter" | "gauge" | "histogram";

/** The registry asks a metric for `get()` and nothing else; the typings only know prom-client's classes. */
function register(registry: Registry, name: string, help: string, type: Kind, collect: () => Sample[]): void {
  const metric = { name, help, type, get: async () => ({ name, help, type, aggregator: "sum", values: collect() }) };
  registry.registerMetric(metric as unknown as Counter);
}
