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

export type { Change } from "./cache.ts";
export * from "./reflector-options.ts";

/** So many refusals of a watch in a row, and its version is not trusted any more. */
const REFUSALS_BEFORE_RELIST = 3;
const SAFETY_JITTER = 0.2;

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #timings: ReflectorTimings;
  readonly #selectors: Query;
  readonly #cache: Cache<T>;
  readonly #backoff: Backoff;
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
  #safetyAt = 0;
  /** What the watch told of since the checking list began. */
  #told: Set<string> | undefined;

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
    this.#isForbidden = error.status === 403;
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
    this.#plan();
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
    const checks = this.#checkNowAndThen(signal).then((missed) => {
      if (missed > 0) over.abort();
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
      await checks;
    }
  }

  #take({ type, object }: WatchEvent): void {
    this.#lastContact = Date.now();
    if (type !== "BOOKMARK") {
      const key = keyOf(object);
      this.#told?.add(key);
      if (type === "DELETED") this.#cache.delete(key);
      else this.#cache.set(intake(object as T));
    }
    this.#version = object.metadata.resourceVersion ?? this.#version;
  }

  #plan(): void {
    const factor = 1 + SAFETY_JITTER * (2 * Math.random() - 1);
    this.#safetyAt = performance.now() + this.#timings.safetyMs * factor;
  }

  /** Until the watch is over, or something was missed: how much. */
  async #checkNowAndThen(signal: AbortSignal): Promise<number> {
    try {
      for (;;) {
        await sleep(Math.max(0, this.#safetyAt - performance.now()), undefined, { signal });
        const missed = await this.#check(signal);
        if (missed > 0) return missed;
      }
    } catch (error) {
      if (!signal.aborted) this.#options.log.error({ path: this.#options.path }, describe(error));
      return 0;
    } finally {
      this.#told = undefined;
    }
  }

  /** Lists beside the open watch. Only what the watch does not touch meanwhile can be compared. */
  async #check(signal: AbortSignal): Promise<number> {
    this.#plan();
    const told = new Set<string>();
    this.#told = told;
    let listed: Listed<T>;
    try {
      listed = await this.#list(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      this.#options.log.warn({ path: this.#options.path }, `the checking list failed: ${describe(error)}`);
      return 0;
    }
    this.#relists.safety++;
    await sleep(this.#timings.safetyGraceMs, undefined, { signal });
    this.#told = undefined;
    const missed = this.#cache.differences(listed.objects).filter((key) => !told.has(key));
    if (missed.length === 0) return 0;
    this.#missedEvents += missed.length;
    this.#relistFor = "missed";
    const fields = { path: this.#options.path, missed: missed.length };
    this.#options.log.warn(fields, "the watch had not told of changes that a list shows; listing all again");
    return missed.length;
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
