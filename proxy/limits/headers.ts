/**
 * What do answers say of the client's own limits?
 *
 * As OpenAI says it (platform.openai.com, rate limits in headers), so that clients which pace themselves by them do.
 */
import type { Headers } from "../headers.ts";
import type { Allowance } from "./allowance.ts";
import type { ClientLimiter } from "./client-limiter.ts";

const SECOND = 1000;
const MINUTE = 60_000;

/** `proxies`: among how many what is left is shared; 1 where one count serves all. */
export function addLimitHeaders(headers: Headers, limiter: ClientLimiter, now: number, proxies: number): void {
  if (limiter.requests) add(headers, "requests", limiter.requests, now, proxies);
  if (limiter.tokens) add(headers, "tokens", limiter.tokens, now, proxies);
}

function add(headers: Headers, what: string, allowance: Allowance, now: number, proxies: number): void {
  headers[`x-ratelimit-limit-${what}`] = String(allowance.limit);
  headers[`x-ratelimit-remaining-${what}`] = String(allowance.remaining(now, proxies));
  headers[`x-ratelimit-reset-${what}`] = shownDuration(allowance.resetIn(now));
}

/** `12ms`, `1s`, `6m0s`. */
export function shownDuration(milliseconds: number): string {
  const whole = Math.max(0, Math.ceil(milliseconds));
  if (whole < SECOND) return `${whole}ms`;
  const minutes = Math.floor(whole / MINUTE);
  const seconds = `${(whole - minutes * MINUTE) / SECOND}s`;
  return minutes === 0 ? seconds : `${minutes}m${seconds}`;
}
