/** What can be said to a reflector, and what does it count? */

import { BACKOFF, type BackoffTimings } from "./backoff.ts";
import type { Change } from "./cache.ts";
import type { KubeClient } from "./client.ts";
import type { Log } from "./log.ts";
import type { KubeObject } from "./objects.ts";

/** Why all was listed: at first, for a version that the server has forgotten, as a check, for a check that found something, after errors. */
export type RelistReason = "start" | "expired" | "safety" | "missed" | "errors";

export interface ReflectorCounters {
  /** Lists that came to their end. */
  readonly relists: Readonly<Record<RelistReason, number>>;
  /** Differences that the watch had not told of: of a watch that works, 0. */
  readonly missedEvents: number;
  readonly handlerErrors: number;
}

export interface ReflectorTimings {
  /** A watch on which nothing came for so long is dead. The server sends a bookmark every minute. */
  readonly inactivityMs: number;
  /** How long the server keeps a watch open: a random time between these. */
  readonly watchSeconds: readonly [number, number];
  /** From one checking list to the next, give or take a fifth. */
  readonly safetyMs: number;
  /** What the checking list found may still be under way on the watch. */
  readonly safetyGraceMs: number;
  /** A watch that stood so long was a good one: longer than the longest wait, so that cutting each never leaves us blind for long. */
  readonly healthyMs: number;
  readonly backoff: BackoffTimings;
}

export const REFLECTOR_TIMINGS: ReflectorTimings = {
  inactivityMs: 75_000,
  watchSeconds: [240, 480],
  safetyMs: 600_000,
  safetyGraceMs: 5_000,
  healthyMs: 45_000,
  backoff: BACKOFF,
};

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  /** Of the collection; see pathOf. */
  readonly path: string;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly log: Log;
  /** Told after the cache knows; what it throws is logged and counted. */
  onChange?(change: Change<T>): void;
  /** Told when the server begins to say that this may not be read. */
  onForbidden?(): void;
  readonly timings?: Partial<ReflectorTimings>;
}
