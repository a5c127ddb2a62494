/**
 * Which objects of a kind are there, now and from now on?
 *
 * List, then watch, for ever: whatever the API server or the network does, it is tried again, with care not to make
 * things worse. A list now and then finds what the watch should have told, and counts it. (The informers of client-node
 * end for good at the first reset or 500.)
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Backoff } from "./backoff.ts";
import { ApiError, type KubeClient, type WatchEvent } from "./client.ts";
import type { Log } from "./log.ts";
import type { KubeObject, ObjectMeta } from "./objects.ts";

export interface Change<T> {
  readonly type: "added" | "modified" | "deleted";
  readonly object: T;
  readonly previous?: T | undefined;
}

/** Milliseconds. */
export interface ReflectorTimings {
  /** The server sends a bookmark each minute: silence for longer is a dead connection. */
  readonly inactivity: number;
  readonly safetyRelist: number;
  readonly firstRetry: number;
  readonly lastRetry: number;
  /** A watch that held so long was a healthy one. */
  readonly healthy: number;
}

export const REFLECTOR_TIMINGS: ReflectorTimings = {
  inactivity: 75_000,
  safetyRelist: 600_000,
  firstRetry: 500,
  lastRetry: 10_000,
  healthy: 60_000,
};

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  /** Of the list, such as `/apis/tandem.dev/v1alpha1/airoutes`. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly log: Log;
  readonly timings?: Partial<ReflectorTimings>;
  onChange(change: Change<T>): void;
}

export type RelistReason = "start" | "gone" | "safety";

const PAGE = "500";
const GONE = 410;
const FORBIDDEN = 403;
/** Seconds; a random one of these, so that not all watches end together. */
const SHORTEST_WATCH = 240;
const WATCH_SPREAD = 240;
/** Milliseconds, before a watch that had held is begun anew. */
const REWATCH_DELAY = 50;

interface List<T> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #timings: ReflectorTimings;
  readonly #objects = new Map<string, T>();
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  readonly relists: Record<RelistReason, number> = { start: 0, gone: 0, safety: 0 };
  #listed: readonly T[] | undefined;
  #missedEvents = 0;
  #lastContact = 0;
  #version: string | undefined;
  #synced = Promise.withResolvers<void>();
  #isSynced = false;
  #isForbidden = false;
  #relistDue = 0;
  #running: Promise<void> | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#timings = { ...REFLECTOR_TIMINGS, ...options.timings };
    this.#backoff = new Backoff(this.#timings.firstRetry, this.#timings.lastRetry);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Nothing is told any more once it has resolved. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Whether a whole list has been seen. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Whether the last answer was that this may not be read. */
  get isForbidden(): boolean {
    return this.#isForbidden;
  }

  /** Resolves with the first whole list; never when it is stopped before. */
  whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  /** By `namespace/name`. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** The same array as long as nothing changes. */
  list(): readonly T[] {
    this.#listed ??= [...this.#objects.values()];
    return this.#listed;
  }

  /** When the server last said something; milliseconds since 1970, 0 for never. */
  get lastContact(): number {
    return this.#lastContact;
  }

  /** Changes that only a relist found. */
  get missedEvents(): number {
    return this.#missedEvents;
  }

  async #run(): Promise<void> {
    let reason: RelistReason = "start";
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#version === undefined || performance.now() > this.#relistDue) {
          await this.#relist(this.#version === undefined ? reason : "safety");
        }
        await this.#watch();
        await this.#pause(REWATCH_DELAY);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        reason = "gone";
        await this.#recover(error);
      }
    }
  }

  async #recover(error: unknown): Promise<void> {
    const { path, fieldSelector, log } = this.#options;
    this.#isForbidden = error instanceof ApiError && error.status === FORBIDDEN;
    const isGone = error instanceof ApiError && error.status === GONE;
    if (isGone) this.#version = undefined;
    const wait = Math.max(this.#backoff.next(), (error instanceof ApiError && error.retryAfterMs) || 0);
    if (!isGone) log.warn({ err: error, path, fieldSelector, retry_in_ms: Math.round(wait) }, "a watch broke off");
    await this.#pause(wait);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  async #relist(reason: RelistReason): Promise<void> {
    const { client, path } = this.#options;
    const seen = new Map<string, T>();
    let token: string | undefined;
    let version: string;
    do {
      const query = { ...this.#selectors(), limit: PAGE, ...(token !== undefined && { continue: token }) };
      const page: List<T> = await client.request<List<T>>("GET", path, { query, signal: this.#stop.signal });
      const kind = page.kind?.replace(/List$/, "");
      for (const item of page.items) {
        // Items of a list do not say what they are.
        seen.set(keyOf(item), this.#taken({ apiVersion: page.apiVersion, kind, ...item } as T));
      }
      version = page.metadata.resourceVersion;
      token = page.metadata.continue || undefined;
    } while (token !== undefined);
    this.relists[reason]++;
    this.#contact();
    const found = this.#adopt(seen);
    if (reason === "safety") this.#missedEvents += found;
    this.#version = version;
    // Spread, so that not all lists come together.
    this.#relistDue = performance.now() + this.#timings.safetyRelist * (0.9 + Math.random() * 0.2);
    this.#isSynced = true;
    this.#synced.resolve();
  }

  /** Makes the cache as the list is, and answers how many changes that took. */
  #adopt(seen: ReadonlyMap<string, T>): number {
    let changes = 0;
    for (const [key, object] of this.#objects) {
      if (seen.has(key)) continue;
      this.#delete(object);
      changes++;
    }
    for (const object of seen.values()) if (this.#put(object)) changes++;
    return changes;
  }

  async #watch(): Promise<void> {
    const { client, path } = this.#options;
    const began = performance.now();
    const seconds = Math.ceil(SHORTEST_WATCH + Math.random() * WATCH_SPREAD);
    const untilRelist = Math.max(1, Math.ceil((this.#relistDue - began) / 1000));
    const query = {
      ...this.#selectors(),
      allowWatchBookmarks: "true",
      resourceVersion: this.#version ?? "",
      timeoutSeconds: String(Math.min(seconds, untilRelist)),
    };
    try {
      await client.watch(path, {
        query,
        inactivityMs: this.#timings.inactivity,
        signal: this.#stop.signal,
        onEvent: (event) => this.#onEvent(event),
      });
    } finally {
      if (performance.now() - began > this.#timings.healthy) this.#backoff.reset();
    }
    // A server that ends every watch at once must not be asked in a loop.
    if (performance.now() - began < this.#timings.firstRetry) await this.#pause(this.#backoff.next());
  }

  #onEvent({ type, object }: WatchEvent): void {
    this.#contact();
    const { resourceVersion } = (object as KubeObject).metadata;
    if (type === "DELETED") this.#delete(this.#taken(object as T));
    else if (type === "ADDED" || type === "MODIFIED") this.#put(this.#taken(object as T));
    if (resourceVersion !== undefined) this.#version = resourceVersion;
  }

  #contact(): void {
    this.#lastContact = Date.now();
    this.#isForbidden = false;
  }

  /** Whether that was news. */
  #put(object: T): boolean {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (
      previous?.metadata.resourceVersion === object.metadata.resourceVersion &&
      previous?.metadata.uid === object.metadata.uid
    ) {
      return false;
    }
    this.#objects.set(key, object);
    this.#listed = undefined;
    this.#tell(previous === undefined ? { type: "added", object } : { type: "modified", object, previous });
    return true;
  }

  #delete(object: T): void {
    const previous = this.#objects.get(keyOf(object));
    if (!this.#objects.delete(keyOf(object))) return;
    this.#listed = undefined;
    this.#tell({ type: "deleted", object, previous });
  }

  #tell(change: Change<T>): void {
    try {
      this.#options.onChange(change);
    } catch (error) {
      this.#options.log.error({ err: error, path: this.#options.path }, "a change could not be handled");
    }
  }

  /** Who manages which field is of no use here and takes half the memory. */
  #taken(object: T): T {
    delete (object.metadata as ObjectMeta & { managedFields?: unknown }).managedFields;
    return object;
  }

  #selectors(): Record<string, string> {
    const { labelSelector, fieldSelector } = this.#options;
    return {
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    };
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}
