/** Does the watch tell the truth? A list beside it, now and then, shows. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Cache } from "./cache.ts";
import { describe } from "./errors.ts";
import type { Listed } from "./list.ts";
import type { KubeObject } from "./objects.ts";
import type { ReflectorTimings } from "./reflector-options.ts";

const JITTER = 0.2;

export interface SafetyCheckOptions<T extends KubeObject> {
  readonly timings: Pick<ReflectorTimings, "safetyMs" | "safetyGraceMs">;
  readonly cache: Cache<T>;
  list(signal: AbortSignal): Promise<Listed<T>>;
  onListed(): void;
  warn(message: string): void;
}

export class SafetyCheck<T extends KubeObject> {
  readonly #options: SafetyCheckOptions<T>;
  #nextAt = 0;
  /** What the watch told of since the list began. */
  #told: Set<string> | undefined;

  constructor(options: SafetyCheckOptions<T>) {
    this.#options = options;
  }

  /** All was listed just now. */
  plan(): void {
    const factor = 1 + JITTER * (2 * Math.random() - 1);
    this.#nextAt = performance.now() + this.#options.timings.safetyMs * factor;
  }

  /** The watch told of this object. */
  told(key: string): void {
    this.#told?.add(key);
  }

  /** Until the watch is over (0), or it turns out how much it missed. Never throws. */
  async run(signal: AbortSignal): Promise<number> {
    try {
      for (;;) {
        await sleep(Math.max(0, this.#nextAt - performance.now()), undefined, { signal });
        this.plan();
        const missed = await this.#compare(signal);
        if (missed > 0) return missed;
      }
    } catch (error) {
      if (!signal.aborted) this.#options.warn(`the checks of the watch have ended: ${describe(error)}`);
      return 0;
    } finally {
      this.#told = undefined;
    }
  }

  async #compare(signal: AbortSignal): Promise<number> {
    const { cache, timings, list, onListed, warn } = this.#options;
    const told = new Set<string>();
    this.#told = told;
    const listed = await list(signal).catch((error: unknown) => {
      if (!signal.aborted) warn(`the list that checks the watch failed: ${describe(error)}`);
    });
    if (listed === undefined) return 0;
    onListed();
    // What the list shows may still be under way on the watch.
    await sleep(timings.safetyGraceMs, undefined, { signal });
    this.#told = undefined;
    // Of what the watch told meanwhile, the list may be the older one.
    const missed = cache.differences(listed.objects).filter((key) => !told.has(key)).length;
    if (missed > 0) warn(`the watch had not told of ${missed} changes that a list shows; listing all again`);
    return missed;
  }
}
