/**
 * What does a collection of the API server hold, now and at every moment from now on?
 *
 * One list, then one watch after another from the version that was seen last. Whatever breaks is tried again, for ever.
 * That the watch tells the truth is checked by a list every few minutes.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { Backoff } from "./backoff.ts";
import { Cache, type Change } from "./cache.ts";
import type { Query, WatchEvent } from "./client.ts";
import { ApiError, describe } from "./errors.ts";
import { intake, type Listed, listAll } from "./list.ts";
import { type KubeObject, keyOf } from "./objects.ts";
import {
  REFLECTOR_TIMINGS,
  type ReflectorCounters,
  type ReflectorOptions,
  type ReflectorTimings,
  type RelistReason,
} from "./reflector-options.ts";
import { SafetyCheck } from "./safety-check.ts";

export type { Change } from "./cache.ts";
export * from "./reflector-options.ts";

/** So many refusals of a watch in a row, and its version is not trusted any more. */
const REFUSALS_BEFORE_RELIST = 3;

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #timings: ReflectorTimings;
  readonly #selectors: Query;
  readonly #cache: Cache<T>;
  readonly #backoff: Backoff;
  readonly #check: SafetyCheck<T>;
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  readonly #relists = { start: 0, expired: 0, safety: 0, missed: 0, errors: 0 };
  #missedEvents = 0;
  #handlerErrors = 0;
  #running: Promise<void> | undefined;
  #isSynced = false;
  #lastContact = 0;
  #isForbidden = false;
  #version = "";
  #relistFor: RelistReason | undefined = "start";
  #refusals = 0;

  constructor(options: ReflectorOptions<T>) {
    const { labelSelector, fieldSelector, timings } = options;
    this.#options = options;
    this.#timings = { ...REFLECTOR_TIMINGS, ...timings };
    this.#selectors = {
      ...(labelSelector !== undefined && { labelSelector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    };
    this.#backoff = new Backoff(this.#timings.backoff);
    this.#cache = new Cache((change) => this.#tell(change));
    this.#check = new SafetyCheck({
      timings: this.#timings,
      cache: this.#cache,
      list: (signal) => this.#list(signal),
      onListed: () => {
        this.#relists.safety++;
      },
      warn: (message) => options.log.warn({ path: options.path }, message),
    });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing goes on any more. What is known stays readable. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the reflector was stopped"));
    await this.#running;
  }

  /** The first list is in, and `onChange` was told of all its objects. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Never resolves when it is stopped before. */
  whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  /** By `ns/name`, or `name` where there are no namespaces. */
  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  /** The same array until something changes, in no order to rely on. */
  list(): readonly T[] {
    return this.#cache.list();
  }

  /** Whether the last answer was that this may not be read. */
  get isForbidden(): boolean {
    return this.#isForbidden;
  }

  /** When the server last said anything, in Unix milliseconds; 0 for never. */
  get lastContact(): number {
    return this.#lastContact;
  }

  get counters(): ReflectorCounters {
    return {
      relists: { ...this.#relists },
      missedEvents: this.#missedEvents,
      handlerErrors: this.#handlerErrors,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let opened = Number.POSITIVE_INFINITY;
      let failure: unknown;
      try {
        if (this.#relistFor !== undefined) await this.#relist(this.#relistFor);
        await this.#watch(() => {
          opened = performance.now();
        });
      } catch (error) {
        if (signal.aborted) return;
        failure = error;
        this.#judge(error);
      }
      if (performance.now() - opened >= this.#timings.healthyMs) this.#backoff.reset();
      const waitMs = this.#backoff.next(failure instanceof ApiError ? failure.retryAfterMs : undefined);
      this.#report(failure, waitMs);
      await sleep(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Does the next try need a list first? */
  #judge(error: unknown): void {
    if (!(error instanceof ApiError)) return;
    const wasForbidden = this.#isForbidden;
    this.#isForbidden = error.status === 403;
    if (this.#isForbidden && !wasForbidden) this.#options.onForbidden?.();
    this.#refusals++;
    if (error.status === 410) this.#relistFor = "expired";
    else if (this.#refusals >= REFUSALS_BEFORE_RELIST) this.#relistFor ??= "errors";
  }

  #report(failure: unknown, waitMs: number): void {
    const { failures } = this.#backoff;
    // The first break after good times is no news; of many in a row the second, the fourth, the eighth… are told.
    if (failures === 1 || !Number.isInteger(Math.log2(failures))) return;
    const why = failure === undefined ? "the server ended it at once" : describe(failure);
    const fields = { path: this.#options.path, failures, waitMs: Math.round(waitMs) };
    this.#options.log.warn(fields, `there is no watch: ${why}`);
  }

  async #relist(reason: RelistReason): Promise<void> {
    const { objects, resourceVersion } = await this.#list();
    this.#cache.replace(objects);
    this.#version = resourceVersion;
    this.#relists[reason]++;
    this.#relistFor = undefined;
    this.#check.plan();
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#synced.resolve();
  }

  async #list(signal = this.#stop.signal): Promise<Listed<T>> {
    const { client, path } = this.#options;
    const listed = await listAll<T>(client, path, this.#selectors, signal);
    this.#lastContact = Date.now();
    return listed;
  }

  /** One watch, and the checking lists that fall into its time. */
  async #watch(onOpen: () => void): Promise<void> {
    const { client, path } = this.#options;
    const [shortest, longest] = this.#timings.watchSeconds;
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, over.signal]);
    const checked = this.#check.run(signal).then((missed) => {
      if (missed === 0) return;
      this.#missedEvents += missed;
      this.#relistFor = "missed";
      over.abort();
    });
    try {
      await client.watch(path, {
        query: {
          ...this.#selectors,
          resourceVersion: this.#version,
          allowWatchBookmarks: "true",
          timeoutSeconds: String(Math.ceil(shortest + Math.random() * (longest - shortest))),
        },
        inactivityMs: this.#timings.inactivityMs,
        signal,
        onOpen: () => {
          this.#refusals = 0;
          this.#isForbidden = false;
          this.#lastContact = Date.now();
          onOpen();
        },
        onEvent: (event) => this.#take(event),
      });
    } catch (error) {
      // Ended by the check, which has asked for a list.
      if (!over.signal.aborted || this.#stop.signal.aborted) throw error;
    } finally {
      over.abort();
      await checked;
    }
  }

  #take({ type, object }: WatchEvent): void {
    this.#lastContact = Date.now();
    if (type !== "BOOKMARK") {
      const key = keyOf(object);
      this.#check.told(key);
      if (type === "DELETED") this.#cache.delete(key);
      else this.#cache.set(intake(object as T));
    }
    this.#version = object.metadata.resourceVersion ?? this.#version;
  }

  #tell(change: Change<T>): void {
    try {
      this.#options.onChange?.(change);
    } catch (error) {
      this.#handlerErrors++;
      const fields = { path: this.#options.path, key: change.key, err: error };
      this.#options.log.error(fields, `a handler failed on an object that was ${change.type}`);
    }
  }
}
