/** What does the operator count? Prometheus' text format, its own registry. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { NANO_PER_USD } from "../routing/budgets/money.ts";
import type { RolloutState } from "./rollouts.ts";

/** Label values. */
const MOST_CLIENTS = 1_000;

export interface Sources {
  relists(): Readonly<Record<string, number>>;
  missedEvents(): number;
  isLeader(): boolean;
  waitingStatuses(): number;
  droppedEvents(): number;
  servingProxies(): number;
  /** Nano-dollars. */
  budgets(): readonly { readonly client: string; readonly spent: number; readonly limit: number }[];
  rollouts(): ReadonlyMap<string, RolloutState>;
}

export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #reconciles: Histogram;
  readonly #writes: Counter<"kind">;
  readonly #failures: Counter;

  constructor(sources: Sources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#reconciles = new Histogram({
      name: "tandem_operator_reconcile_seconds",
      help: "Duration of a pass: compile, publish, and hand the statuses over",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.#failures = new Counter({
      name: "tandem_operator_reconcile_failures_total",
      help: "Passes that failed and are tried again",
      registers,
    });
    this.#writes = new Counter({
      name: "tandem_operator_writes_total",
      help: "Objects written: Index, Secret, Shard, ShardDeletion, Status, Usage",
      labelNames: ["kind"],
      registers,
    });
    this.#gauges(sources);
  }

  passed(seconds: number): void {
    this.#reconciles.observe(seconds);
  }

  failed(): void {
    this.#failures.inc();
  }

  wrote(kind: string): void {
    this.#writes.inc({ kind });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #gauges(sources: Sources): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    };
    gauge("tandem_operator_leader", "1 when this replica leads", () => Number(sources.isLeader()));
    gauge("tandem_operator_statuses_waiting", "Statuses that are not written yet", sources.waitingStatuses);
    gauge("tandem_operator_serving_proxies", "Proxies that serve, ready or terminating", sources.servingProxies);
    const ofClients = (name: string, help: string, field: "spent" | "limit") => {
      new Gauge({
        name,
        help,
        labelNames: ["client"],
        registers,
        collect() {
          this.reset();
          for (const budget of sources.budgets().slice(0, MOST_CLIENTS)) {
            this.set({ client: budget.client }, budget[field] / NANO_PER_USD);
          }
        },
      });
    };
    ofClients("tandem_budget_spent_usd", "Spent of its budget by a client in the current month (UTC)", "spent");
    ofClients("tandem_budget_limit_usd", "The budget of a client for a month, once it has spent of it", "limit");
    new Counter({
      name: "tandem_operator_relists_total",
      help: "Lists of the API server, by reason",
      labelNames: ["reason"],
      registers,
      collect() {
        this.reset();
        for (const [reason, count] of Object.entries(sources.relists())) this.inc({ reason }, count);
      },
    });
    this.#rollouts(sources);
    const total = (name: string, help: string, read: () => number) => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    };
    total("tandem_operator_missed_events_total", "Changes that only a relist found", sources.missedEvents);
    total("tandem_operator_events_dropped_total", "Events that could not be told", sources.droppedEvents);
  }

  #rollouts({ rollouts }: Sources): void {
    const registers = [this.#registry];
    new Gauge({
      name: "tandem_rollout_weight",
      help: "Share of the requests in percent, by the rollout's side",
      labelNames: ["route", "backend"],
      registers,
      collect() {
        this.reset();
        for (const [route, { spec, memory }] of rollouts()) {
          this.set({ route, backend: spec.stable }, 100 - memory.weight);
          this.set({ route, backend: spec.candidate }, memory.weight);
        }
      },
    });
    new Gauge({
      name: "tandem_rollout_analysis_value",
      help: "What the last window of a rollout measured, in the metric's own unit",
      labelNames: ["route", "metric", "side"],
      registers,
      collect() {
        this.reset();
        for (const [route, { memory }] of rollouts()) {
          for (const { name, stable, candidate } of memory.metrics) {
            if (stable !== undefined) this.set({ route, metric: name, side: "stable" }, Number(stable));
            if (candidate !== undefined) this.set({ route, metric: name, side: "candidate" }, Number(candidate));
          }
        }
      },
    });
  }
}
