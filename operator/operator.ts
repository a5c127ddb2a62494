/**
 * What is a running operator?
 *
 * Wires the parts together. Every replica keeps its caches warm; only the leader writes.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { KubeClient } from "../kube/client.ts";
import { Leadership } from "../kube/lease.ts";
import type { Log } from "../kube/log.ts";
import { keyOf } from "../kube/objects.ts";
import { companionName } from "../kube/table-objects.ts";
import { createAdmin } from "./admin.ts";
import { Told } from "./budgets/told.ts";
import { Treasurer } from "./budgets/treasurer.ts";
import { UsageStore } from "./budgets/usage-store.ts";
import { CircuitChanges } from "./circuits.ts";
import { Dirty } from "./dirty.ts";
import { Events, notesOf } from "./events.ts";
import { ConfigurationFaults } from "./faults.ts";
import { Fleet } from "./fleet.ts";
import { Loop } from "./loop.ts";
import { OperatorMetrics } from "./metrics.ts";
import { Prometheus, queriesOf } from "./prometheus.ts";
import { Publisher } from "./publish.ts";
import { leaseName, ownLabels, type Release } from "./release.ts";
import { RolloutStore } from "./rollout-store.ts";
import { Rollouts } from "./rollouts.ts";
import { ShadowSums } from "./shadows.ts";
import { StatusWriter } from "./status-writer.ts";
import { Tables } from "./tables.ts";
import { World } from "./world.ts";

export interface OperatorOptions {
  readonly client: KubeClient;
  readonly release: Release;
  /** Empty: all. */
  readonly watchNamespaces: readonly string[];
  /** Of this replica: its pod's name. */
  readonly identity: string;
  readonly admin: { readonly host: string; readonly port: number };
  readonly dev: boolean;
  readonly log: Log;
  /** Unix milliseconds; the machine's when absent. */
  readonly clock?: () => number;
}

/** Another operator leads: this one must not write. */
class NotLeading extends Error {
  override readonly name = "NotLeading";
}

/** Milliseconds: a pass that takes longer hangs. */
const LONGEST_PASS = 300_000;
/** Milliseconds between two looks at rollouts: timers take no more than 24 days. */
const SHORTEST_SLEEP = 20;
const LONGEST_SLEEP = 3_600_000;

export class Operator {
  readonly #options: OperatorOptions;
  readonly #leadership: Leadership;
  readonly #world: World;
  readonly #fleet: Fleet;
  readonly #statuses: StatusWriter;
  readonly #shadows = new ShadowSums(() => this.#dirty.markLater());
  readonly #rollouts: Rollouts;
  readonly #prometheus = new Prometheus();
  readonly #events: Events;
  readonly #faults = new ConfigurationFaults();
  readonly #circuits = new CircuitChanges();
  readonly #treasurer: Treasurer;
  readonly #told: Told;
  readonly #loop: Loop;
  readonly #dirty: Dirty;
  readonly #metrics: OperatorMetrics;
  readonly #admin;
  #passBegan: number | undefined;
  #wake: NodeJS.Timeout | undefined;

  constructor(options: OperatorOptions) {
    const { client, release, log, identity } = options;
    this.#options = options;
    const now = () => new Date();
    const mayWrite = () => {
      if (!this.#leadership.isLeader()) throw new NotLeading("another operator leads");
    };
    this.#leadership = new Leadership({
      client,
      namespace: release.namespace,
      name: leaseName(release),
      identity,
      labels: ownLabels(release),
      log,
      onChange: (leads) => this.#onLeadership(leads),
    });
    this.#world = new World({
      ...options,
      onChange: () => this.#mark(),
      onPods: () => {
        this.#fleet.follow();
        this.#treasurer.followPods();
      },
      onStatus: (object) => this.#statuses.isForeign(object) && this.#mark(),
    });
    this.#fleet = new Fleet({
      pods: () => this.#world.pods(),
      adminToken: () => this.#loop.identity?.adminToken,
      onChange: () => this.#dirty.markLater(),
    });
    this.#events = new Events({ client, log, instance: identity, now });
    this.#statuses = new StatusWriter({
      client,
      log,
      mayWrite,
      now,
      onWritten: (before, after) => {
        this.#metrics.wrote("Status");
        for (const note of notesOf(before, after)) this.#events.tell(after, note);
      },
    });
    const tables = new Tables();
    const publisher = new Publisher({
      client,
      release,
      mayWrite,
      configMaps: this.#world.configMaps,
      secrets: this.#world.companion,
      onWrite: (kind) => this.#metrics.wrote(kind),
    });
    this.#treasurer = new Treasurer({
      store: new UsageStore({
        client,
        release,
        configMaps: this.#world.configMaps,
        mayWrite,
        onWrite: () => this.#metrics.wrote("Usage"),
      }),
      log,
      pods: () => this.#world.pods(),
      adminToken: () => this.#loop.identity?.adminToken,
      objects: () => this.#world.objects(),
      isLeader: () => this.#leadership.isLeader(),
      onCount: () => this.#told.count(),
      now: options.clock ?? Date.now,
    });
    this.#told = new Told({
      treasurer: this.#treasurer,
      objects: () => this.#world.objects(),
      event: (about, note) => this.#events.tell(about, note),
      onNews: () => this.#dirty.markLater(),
    });
    this.#rollouts = new Rollouts({
      store: new RolloutStore({
        client,
        release,
        mayWrite,
        configMaps: this.#world.configMaps,
        onWrite: (kind) => this.#metrics.wrote(kind),
      }),
      tell: (about, { type, reason, note }) => this.#events.tell(about, { type, reason, action: "Rollout", note }),
      queried: (namespace, metrics) =>
        this.#prometheus.values(queriesOf(namespace, metrics, (named) => this.#world.secrets.valueAt(named))),
    });
    this.#loop = new Loop({
      rollouts: this.#rollouts,
      world: this.#world,
      publisher,
      statuses: this.#statuses,
      fleet: this.#fleet,
      shadows: this.#shadows,
      tables,
      dev: options.dev,
      usage: (client) => this.#told.get(client),
      onTable: ({ clients }) => this.#treasurer.follow(clients),
      companion: () => this.#world.companion.get(`${release.namespace}/${companionName(release.name)}`),
    });
    this.#dirty = new Dirty(
      () => this.#pass(),
      (error) => this.#onFailure(error),
    );
    this.#metrics = new OperatorMetrics({
      relists: () => this.#world.relists(),
      missedEvents: () => this.#world.missedEvents(),
      isLeader: () => this.#leadership.isLeader(),
      waitingStatuses: () => this.#statuses.waiting,
      droppedEvents: () => this.#events.dropped,
      servingProxies: () => this.#fleet.proxies().length,
      budgets: () => this.#treasurer.budgets(),
      rollouts: () => this.#rollouts.view.states,
    });
    this.#admin = createAdmin({
      unhealthy: () => this.#hangs(),
      notReady: () => (this.#world.isSynced ? undefined : "the API server has not told everything yet"),
      metrics: () => this.#metrics.text(),
    });
  }

  /** Listening and watching. Rejects when the admin address cannot be listened on. */
  async start(): Promise<{ adminUrl: string }> {
    const { host, port } = this.#options.admin;
    this.#admin.listen(port, host);
    await once(this.#admin, "listening");
    const { address, port: listening } = this.#admin.address() as AddressInfo;
    void this.#world.start().then(() => {
      this.#options.log.info({}, "all objects are known");
      this.#leadership.start();
    });
    return { adminUrl: `http://${address.includes(":") ? `[${address}]` : address}:${listening}` };
  }

  /** Lets the pass in progress end, then hands the leadership over. */
  async stop(): Promise<void> {
    clearTimeout(this.#wake);
    await this.#dirty.stop();
    await this.#treasurer.close();
    this.#told.stop();
    this.#statuses.stop();
    this.#fleet.stop();
    this.#shadows.stop();
    this.#prometheus.stop();
    await this.#leadership.release();
    await Promise.all([this.#events.stop(), this.#world.stop()]);
    this.#admin.close();
    this.#admin.closeAllConnections();
  }

  #mark(): void {
    this.#loop.changed(new Date());
    this.#dirty.mark();
  }

  async #pass(): Promise<void> {
    if (!this.#world.isSynced || !this.#leadership.isLeader()) return;
    const began = performance.now();
    this.#passBegan = began;
    try {
      await this.#loop.pass(new Date());
      const providers = this.#world.objects().filter(({ kind }) => kind === "AIProvider");
      const byKey = new Map(providers.map((provider) => [keyOf(provider), provider]));
      this.#faults.tell(this.#fleet.proxies(), byKey, this.#events, performance.now());
      this.#circuits.tell(this.#fleet.proxies(), byKey, this.#events, Date.now());
    } finally {
      this.#passBegan = undefined;
      this.#wakeAt(this.#rollouts.view.wakeAt);
    }
    this.#metrics.passed((performance.now() - began) / 1000);
  }

  /** A window or a step of a rollout ends then. */
  #wakeAt(time: number | undefined): void {
    clearTimeout(this.#wake);
    if (time === undefined) return;
    const delay = Math.min(Math.max(time - Date.now(), SHORTEST_SLEEP), LONGEST_SLEEP);
    this.#wake = setTimeout(() => this.#dirty.mark(), delay);
  }

  #onFailure(error: unknown): void {
    if (error instanceof NotLeading) return;
    this.#metrics.failed();
    this.#options.log.error({ err: error }, "a pass failed and is tried again");
  }

  #onLeadership(leads: boolean): void {
    this.#loop.forget();
    this.#statuses.clear();
    if (leads) {
      this.#treasurer.begin();
      this.#dirty.mark();
    } else this.#treasurer.stop();
  }

  #hangs(): string | undefined {
    const took = this.#passBegan === undefined ? 0 : performance.now() - this.#passBegan;
    return took > LONGEST_PASS ? `a pass has been running for ${Math.round(took / 1000)} s` : undefined;
  }
}
