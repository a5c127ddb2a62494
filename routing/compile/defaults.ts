/**
 * What does a field mean that is left out?
 *
 * The CRDs state the same defaults (a test compares), but an object may be older than its CRD, and list items have no
 * schema defaults.
 */
import type { Breaker, Failover, HealthCheck, Timeouts } from "../table.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export const OPENAI_ENDPOINT = "https://api.openai.com/v1";
export const AZURE_API_VERSION = "v1";

export const TIMEOUTS: Timeouts = {
  connect: 5 * SECOND,
  firstByte: 60 * SECOND,
  idle: 120 * SECOND,
  request: 10 * MINUTE,
};

export const HEALTH: HealthCheck = { path: "/models", interval: 10 * SECOND, timeout: 5 * SECOND, failureThreshold: 3 };

export const BREAKER: Breaker = {
  failureThreshold: 5,
  failurePercent: 50,
  minRequests: 20,
  recoveryTimeout: 60 * SECOND,
};

export const FAILOVER: Failover = {
  retrySameProvider: 1,
  fallbackToNext: true,
  maxAttempts: 4,
  maxDuration: 60 * SECOND,
  backoff: { base: 250, max: 4 * SECOND },
};

export const BACKEND_PRIORITY = 1;
export const BACKEND_WEIGHT = 1;
