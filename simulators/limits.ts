/** How much of its rate limit does a caller have left? */

import type { RateLimits } from "./options.ts";

const MINUTE_MS = 60_000;
/** Azure checks requests over ten seconds, so a sixth of the minute's may come at once. */
const AZURE_REQUEST_WINDOWS = 6;

/** One limit: how much of it there is, how much is left, and when it will be whole again. */
export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

export interface RateState {
  readonly requests: Allowance;
  readonly tokens: Allowance;
  /** Which limit refused the request, and when it would pass. */
  readonly refused?: { readonly by: "tokens" | "requests"; readonly retryMs: number };
}

/** What the headers show when nothing is limited: always nearly everything, so that nobody learns to wait. */
const WIDE_LIMITS: RateLimits = { tokensPerMinute: 30_000_000, requestsPerMinute: 10_000 };

interface Bucket {
  level: number;
  at: number;
}

/** Token buckets that refill evenly over the minute, one pair per name. */
export class RateLimiter {
  readonly #limits: RateLimits | undefined;
  readonly #requestCapacity: number;
  readonly #buckets = new Map<string, { requests: Bucket; tokens: Bucket }>();

  constructor(limits: RateLimits | undefined, provider: "openai" | "azure") {
    this.#limits = limits;
    const perMinute = limits?.requestsPerMinute ?? 0;
    this.#requestCapacity =
      provider === "azure" ? Math.max(1, Math.ceil(perMinute / AZURE_REQUEST_WINDOWS)) : perMinute;
  }

  /** Counts one request of `tokens` (an estimate, at admission); a refused request takes nothing from the tokens. */
  take(name: string, tokens: number, now: number): RateState {
    const limits = this.#limits;
    if (limits === undefined) return wideOpen(tokens);
    const buckets = this.#bucketsOf(name, limits, now);
    refill(buckets.requests, this.#requestCapacity, limits.requestsPerMinute, now);
    refill(buckets.tokens, limits.tokensPerMinute, limits.tokensPerMinute, now);
    const refused = this.#refusal(buckets, limits, tokens);
    if (!refused) {
      buckets.requests.level -= 1;
      buckets.tokens.level -= tokens;
    }
    return {
      requests: allowance(buckets.requests, this.#requestCapacity, limits.requestsPerMinute),
      tokens: allowance(buckets.tokens, limits.tokensPerMinute, limits.tokensPerMinute),
      ...(refused && { refused }),
    };
  }

  reset(): void {
    this.#buckets.clear();
  }

  #refusal(buckets: { requests: Bucket; tokens: Bucket }, limits: RateLimits, tokens: number): RateState["refused"] {
    if (buckets.requests.level < 1) {
      return { by: "requests", retryMs: untilLevel(buckets.requests, 1, limits.requestsPerMinute) };
    }
    if (buckets.tokens.level < tokens) {
      return { by: "tokens", retryMs: untilLevel(buckets.tokens, tokens, limits.tokensPerMinute) };
    }
    return undefined;
  }

  #bucketsOf(name: string, limits: RateLimits, now: number): { requests: Bucket; tokens: Bucket } {
    let buckets = this.#buckets.get(name);
    if (!buckets) {
      buckets = {
        requests: { level: this.#requestCapacity, at: now },
        tokens: { level: limits.tokensPerMinute, at: now },
      };
      this.#buckets.set(name, buckets);
    }
    return buckets;
  }
}

function refill(bucket: Bucket, capacity: number, perMinute: number, now: number): void {
  bucket.level = Math.min(capacity, bucket.level + ((now - bucket.at) * perMinute) / MINUTE_MS);
  bucket.at = now;
}

function untilLevel(bucket: Bucket, level: number, perMinute: number): number {
  return Math.ceil(((level - bucket.level) * MINUTE_MS) / perMinute);
}

function allowance(bucket: Bucket, capacity: number, perMinute: number): Allowance {
  return {
    limit: perMinute,
    remaining: Math.max(0, Math.floor((bucket.level / capacity) * perMinute)),
    resetMs: untilLevel(bucket, capacity, perMinute),
  };
}

function wideOpen(tokens: number): RateState {
  const { requestsPerMinute, tokensPerMinute } = WIDE_LIMITS;
  return {
    requests: { limit: requestsPerMinute, remaining: requestsPerMinute - 1, resetMs: 6 },
    tokens: { limit: tokensPerMinute, remaining: Math.max(0, tokensPerMinute - tokens), resetMs: 1 },
  };
}
