/**
 * Which one of several replicas may act?
 *
 * The one that holds a Lease of coordination.k8s.io, by client-go's rules: the holder renews it, the others take it when
 * it has not changed for its duration by their own clock. Who cannot renew it stops believing in it a third earlier.
 */

import type { KubeClient } from "./client.ts";
import { ApiError, describe } from "./errors.ts";
import { heldBy, heldByNobody, type Lease, newLease } from "./lease-record.ts";
import type { Log } from "./log.ts";
import { pathOf } from "./objects.ts";
import { Reflector } from "./reflector.ts";

export interface LeaseTimings {
  /** Others may take a Lease that did not change for so long. Whole seconds. */
  readonly durationMs: number;
  /** So long after the last renewal the holder believes in it; the rest of the duration is for what it had begun. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
  /** Of each request: several must fit into the time between a missed renewal and the deadline. */
  readonly requestMs: number;
}

export const LEASE_TIMINGS: LeaseTimings = {
  durationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryMs: 2_000,
  requestMs: 3_000,
};

/** Between two tries. */
const MIN_PAUSE_MS = 50;

export interface LeadershipOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Of this replica, and of no other that lives at the same time. */
  readonly identity: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly timings?: Partial<LeaseTimings>;
  onChange?(isLeader: boolean): void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #timings: LeaseTimings;
  readonly #watch: Reflector<Lease>;
  readonly #collection: string;
  readonly #path: string;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** As the API server showed it last; of no kept version when it has to be asked. */
  #lease: Lease | undefined;
  /** What was seen last, and since when it has not changed, by our clock. */
  #seen: { readonly lease: Lease; readonly at: number } | undefined;
  /** When the last renewal that succeeded was begun. */
  #renewedAt = Number.NEGATIVE_INFINITY;
  #told = false;
  #expiry: NodeJS.Timeout | undefined;
  #failures = 0;
  /** Ends the pause between two tries. */
  #wake: () => void = () => {};

  constructor(options: LeadershipOptions) {
    const { client, namespace, name, log } = options;
    this.#options = options;
    this.#timings = { ...LEASE_TIMINGS, ...options.timings };
    this.#collection = pathOf("coordination.k8s.io/v1", "leases", namespace);
    this.#path = pathOf("coordination.k8s.io/v1", "leases", namespace, name);
    this.#watch = new Reflector<Lease>({
      client,
      path: this.#collection,
      fieldSelector: `metadata.name=${name}`,
      log,
      onChange: ({ object }) => this.#notice(object),
    });
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#watch.start();
    this.#running = this.#run();
  }

  /** True only while no other replica can hold the Lease. */
  isLeader(): boolean {
    return performance.now() < this.#renewedAt + this.#timings.renewDeadlineMs;
  }

  /** Stops, and lets another replica follow at once. Never throws: without this write the Lease runs out by itself. */
  async release(): Promise<void> {
    if (this.#stop.signal.aborted) return this.#running;
    this.#stop.abort();
    this.#wake();
    await Promise.all([this.#running, this.#watch.stop()]);
    const didLead = Number.isFinite(this.#renewedAt);
    this.#drop();
    if (!didLead) return;
    try {
      const lease = this.#lease ?? (await this.#look());
      if (lease?.spec?.holderIdentity === this.#options.identity) await this.#write(heldByNobody(lease, new Date()));
    } catch (error) {
      this.#options.log.warn({ lease: this.#path }, `the Lease could not be released: ${describe(error)}`);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const begun = performance.now();
      // Made before the try: what is noticed during it must not be lost.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      try {
        await this.#try();
        this.#failures = 0;
      } catch (error) {
        this.#fail(error);
      }
      if (signal.aborted) return;
      await this.#pause(begun, woken);
    }
  }

  #fail(error: unknown): void {
    // Somebody else wrote meanwhile: look again.
    this.#lease = undefined;
    if (error instanceof ApiError && error.status === 409) return;
    this.#failures++;
    // The first, the second, the fourth…: it goes on for as long as the API server is away.
    if (!Number.isInteger(Math.log2(this.#failures))) return;
    const fields = { lease: this.#path, failures: this.#failures };
    this.#options.log.warn(fields, `the Lease cannot be renewed or taken: ${describe(error)}`);
  }

  /** Renews the Lease, takes it, or leaves it to its holder. */
  async #try(): Promise<void> {
    const begun = performance.now();
    const { client, namespace, name, identity, labels = {} } = this.#options;
    const seen = this.isLeader() ? this.#lease : undefined;
    const lease = seen ?? (await this.#look());
    // Somebody deleted the Lease: whoever held it may still believe in it.
    const known = lease ?? this.#seen?.lease;
    if (known !== undefined && !this.#mayTake(known)) return this.#drop();
    const record = heldBy(
      { identity, durationMs: this.#timings.durationMs, labels },
      lease ?? newLease(namespace, name),
      new Date(),
    );
    if (lease === undefined) {
      const options = { body: record, timeoutMs: this.#timings.requestMs };
      this.#lease = await client.request<Lease>("POST", this.#collection, options);
    } else {
      this.#lease = await this.#write(record);
    }
    this.#renewed(begun);
  }

  async #look(): Promise<Lease | undefined> {
    try {
      const options = { timeoutMs: this.#timings.requestMs };
      const lease = await this.#options.client.request<Lease>("GET", this.#path, options);
      this.#see(lease);
      return lease;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  #see(lease: Lease): void {
    if (this.#seen?.lease.metadata.resourceVersion === lease.metadata.resourceVersion) return;
    this.#seen = { lease, at: performance.now() };
  }

  #mayTake(lease: Lease): boolean {
    const holder = lease.spec?.holderIdentity ?? "";
    return holder === "" || holder === this.#options.identity || performance.now() >= this.#runsOutAt(lease);
  }

  /** By our own clock, since we saw it change: clocks of other machines are not asked. */
  #runsOutAt(lease: Lease): number {
    const durationMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000 || this.#timings.durationMs;
    return (this.#seen?.at ?? performance.now()) + durationMs;
  }

  #drop(): void {
    this.#renewedAt = Number.NEGATIVE_INFINITY;
    this.#tell();
  }

  #write(lease: Lease): Promise<Lease> {
    const options = { body: lease, timeoutMs: this.#timings.requestMs };
    return this.#options.client.request<Lease>("PUT", this.#path, options);
  }

  /** The server may have written it at any moment since the try began; the earliest counts. */
  #renewed(begun: number): void {
    this.#renewedAt = begun;
    this.#tell();
  }

  /** Timers may fire early, when isLeader() still holds: so again until it does not. */
  #awaitExpiry(): void {
    clearTimeout(this.#expiry);
    const leftMs = this.#renewedAt + this.#timings.renewDeadlineMs - performance.now();
    this.#expiry = setTimeout(() => this.#tell(), Math.ceil(leftMs) + 1);
  }

  #tell(): void {
    const isLeader = this.isLeader();
    if (isLeader) this.#awaitExpiry();
    else clearTimeout(this.#expiry);
    if (isLeader === this.#told) return;
    this.#told = isLeader;
    const { log, identity, onChange } = this.#options;
    log.info({ lease: this.#path, identity }, isLeader ? "this replica leads" : "this replica leads no longer");
    try {
      onChange?.(isLeader);
    } catch (error) {
      log.error({ lease: this.#path, err: error }, "a handler failed on a change of the leadership");
    }
  }

  /** The watch saw it change. Only a Lease that is free is worth a look before the next try. */
  #notice(lease: Lease): void {
    this.#see(lease);
    if (!lease.spec?.holderIdentity && !this.isLeader()) this.#wake();
  }

  async #pause(begun: number, woken: Promise<void>): Promise<void> {
    let until = begun + this.#timings.retryMs;
    const lease = this.#watch.list()[0];
    if (!this.isLeader() && lease !== undefined) until = Math.min(until, this.#runsOutAt(lease));
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(MIN_PAUSE_MS, until - performance.now()));
    });
    await Promise.race([over, woken]);
    clearTimeout(timer);
  }
}
