/** Which table is in force, since when is it known to be the newest, and how fast did it come? */
import type { Sample } from "./exposition.ts";
import { Histogram } from "./histogram.ts";

/** Seconds. From an operator beside the proxy to a proxy that could not reach the API server. */
const PROPAGATION_BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

type Family = readonly [name: string, help: string, collect: () => Sample[]];

export class ConfigMetrics {
  readonly propagation = new Histogram(PROPAGATION_BOUNDS);
  readonly #reloads = { success: 0, failure: 0 };
  #hash: string | undefined;
  /** On the clock of `performance.now()`. */
  #newestAt = 0;

  /** Both on the clock of `performance.now()`; `changedAt`: when the change was seen that led to this table. */
  applied(hash: string, newestAt: number, changedAt: number | undefined): void {
    const replaces = this.#hash !== undefined && this.#hash !== hash;
    this.#hash = hash;
    this.#newestAt = newestAt;
    this.#reloads.success++;
    // The first table of a process was perhaps made long before. Another machine's clock may be ahead of ours.
    if (replaces && changedAt !== undefined) {
      this.propagation.observe(Math.max(0, performance.now() - changedAt) / 1000);
    }
  }

  refused(): void {
    this.#reloads.failure++;
  }

  confirmed(at: number): void {
    this.#newestAt = at;
  }

  counters(): Family[] {
    return [
      [
        "tandem_config_reloads_total",
        "Tables and manifests that were applied or refused.",
        () => Object.entries(this.#reloads).map(([result, value]) => ({ value, labels: { result } })),
      ],
    ];
  }

  gauges(): Family[] {
    return [
      [
        "tandem_config_info",
        "The routing table in force, by its hash.",
        () => (this.#hash === undefined ? [] : [{ value: 1, labels: { hash: this.#hash } }]),
      ],
      [
        "tandem_config_age_seconds",
        "Since when the table in force is not known to be the newest one.",
        () => (this.#hash === undefined ? [] : [{ value: (performance.now() - this.#newestAt) / 1000, labels: {} }]),
      ],
    ];
  }
}
