/**
 * Which of several replicas leads?
 *
 * A Lease, as everywhere in Kubernetes: held for 15 s, renewed every 2 s, given up by its holder when it could not be
 * renewed for 10 s, so that the holder knows before anybody else may take it. Each replica goes by its own clock: what
 * counts is how long it has seen the Lease unchanged. Writes are guarded by the resource version.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type KubeClient } from "./client.ts";
import type { Log } from "./log.ts";
import { type KubeObject, pathOf } from "./objects.ts";
import { Reflector } from "./reflector.ts";

interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** Milliseconds. */
export interface LeaseTimings {
  readonly duration: number;
  readonly renewDeadline: number;
  readonly retry: number;
}

export const LEASE_TIMINGS: LeaseTimings = { duration: 15_000, renewDeadline: 10_000, retry: 2_000 };

export interface LeadershipOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Of this replica; no two may have the same. */
  readonly identity: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly timings?: LeaseTimings;
  onChange(leads: boolean): void;
}

const NOT_FOUND = 404;
const CONFLICT = 409;
/** Seconds, in a Lease that nobody holds: the API wants at least one. */
const RELEASED_DURATION = 1;

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #timings: LeaseTimings;
  readonly #reflector: Reflector<Lease>;
  readonly #stop = new AbortController();
  #lease: Lease | undefined;
  /** When this replica first saw the Lease as it is; on the monotonic clock. */
  #seenAt = Number.NEGATIVE_INFINITY;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #told = false;
  #wake: (() => void) | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LeadershipOptions) {
    const { client, namespace, name, log } = options;
    this.#options = options;
    this.#timings = options.timings ?? LEASE_TIMINGS;
    this.#reflector = new Reflector<Lease>({
      client,
      log,
      path: `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
      fieldSelector: `metadata.name=${name}`,
      onChange: ({ type, object }) => {
        if (type !== "deleted") this.#see(object);
        // Released or gone: nobody need wait for the next look.
        if (type === "deleted" || !object.spec?.holderIdentity) this.#wake?.();
      },
    });
  }

  start(): void {
    this.#reflector.start();
    this.#running ??= this.#run();
  }

  /** False from the moment on from which another replica may think that it leads. */
  isLeader(): boolean {
    return performance.now() - this.#renewedAt < this.#timings.renewDeadline;
  }

  /** Hands over at once; for a clean end. */
  async release(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
    clearTimeout(this.#deadline);
    const led = this.isLeader();
    this.#renewedAt = Number.NEGATIVE_INFINITY;
    if (led && this.#lease !== undefined) {
      const spec = { ...this.#lease.spec, holderIdentity: "", leaseDurationSeconds: RELEASED_DURATION };
      await this.#put({ ...this.#lease, spec }).catch((error: unknown) => {
        this.#options.log.warn({ err: error }, "the leadership could not be handed over; it ends by itself");
      });
    }
    this.#tell();
    await this.#reflector.stop();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#tryOnce().catch((error: unknown) => {
        const lost = error instanceof ApiError && error.status === CONFLICT;
        if (lost) this.#lease = undefined;
        else this.#options.log.warn({ err: error }, "the leader's Lease could not be written");
      });
      this.#tell();
      await this.#pause();
    }
  }

  async #tryOnce(): Promise<void> {
    const { identity } = this.#options;
    const lease = this.#lease ?? (await this.#read());
    const asked = performance.now();
    if (lease === undefined) {
      this.#renewed(await this.#create(), asked);
      return;
    }
    const holder = lease.spec?.holderIdentity ?? "";
    const isOver = asked - this.#seenAt > durationOf(lease);
    if (holder !== identity && holder !== "" && !isOver) return;
    this.#renewed(await this.#put({ ...lease, spec: this.#spec(lease) }), asked);
  }

  #renewed(lease: Lease, asked: number): void {
    this.#see(lease);
    // From when it was asked for: the answer may have taken its time.
    this.#renewedAt = asked;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#tell(), this.#timings.renewDeadline);
  }

  #see(lease: Lease): void {
    const known = this.#lease?.metadata.resourceVersion;
    const version = lease.metadata.resourceVersion;
    if (version === known) return;
    if (known !== undefined && BigInt(known) > BigInt(version ?? "0")) return;
    this.#lease = lease;
    this.#seenAt = performance.now();
  }

  async #read(): Promise<Lease | undefined> {
    const { client } = this.#options;
    const options = { timeoutMs: this.#timings.retry };
    const lease = await client.request<Lease>("GET", pathOf(this.#named()), options).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === NOT_FOUND) return undefined;
      throw error;
    });
    if (lease !== undefined) this.#see(lease);
    return this.#lease ?? lease;
  }

  #create(): Promise<Lease> {
    const body = { ...this.#named(), spec: this.#spec(undefined) };
    const path = pathOf(this.#named()).replace(/\/[^/]+$/, "");
    return this.#options.client.request<Lease>("POST", path, { body, timeoutMs: this.#timings.retry });
  }

  #put(lease: Lease): Promise<Lease> {
    const options = { body: { ...this.#named(), ...lease }, timeoutMs: this.#timings.retry };
    return this.#options.client.request<Lease>("PUT", pathOf(this.#named()), options);
  }

  #spec(before: Lease | undefined): NonNullable<Lease["spec"]> {
    const { identity } = this.#options;
    const now = new Date().toISOString().replace("Z", "000Z");
    const mine = before?.spec?.holderIdentity === identity;
    const transitions = before?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(this.#timings.duration / 1000)),
      acquireTime: (mine && before?.spec?.acquireTime) || now,
      renewTime: now,
      leaseTransitions: before === undefined || mine ? transitions : transitions + 1,
    };
  }

  #named(): Lease {
    const { namespace, name, labels = {} } = this.#options;
    return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace, labels } };
  }

  #tell(): void {
    const leads = this.isLeader();
    if (leads === this.#told) return;
    this.#told = leads;
    this.#options.onChange(leads);
  }

  async #pause(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const over = new AbortController();
    await Promise.race([woken, sleep(this.#timings.retry, undefined, { signal: over.signal }).catch(() => {})]);
    over.abort();
    this.#wake = undefined;
  }
}

/** Milliseconds; of who holds it now. */
function durationOf({ spec }: Lease): number {
  return (spec?.leaseDurationSeconds ?? 0) * 1000;
}
