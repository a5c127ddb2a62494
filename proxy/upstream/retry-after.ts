/**
 * How long does a provider's answer ask to be left alone?
 *
 * OpenAI: `retry-after` when present, "Please try again in 6m0s" in the message, `x-ratelimit-reset-*` as durations
 * (`120ms`, `6m0s`). Azure: `retry-after-ms`, `x-ms-retry-after-ms` and `retry-after`, "Please retry after 20 seconds" in the message (also
 * without a header), `x-ratelimit-reset-*` as plain seconds.
 */
import type { IncomingHttpHeaders } from "node:http";

/**
 * The longest wait that is believed. Azure names up to a day; asking once an hour costs one 429 and notices a quota
 * that was raised.
 */
export const LONGEST_RETRY_AFTER_MS = 3_600_000;

type Headers = Readonly<IncomingHttpHeaders>;

type Source = (headers: Headers, message: string, now: number) => number | undefined;

/** That say nothing else; in this order. */
const HEADERS: readonly Source[] = [
  (headers) => numeric(headers["retry-after-ms"], 1),
  (headers) => numeric(headers["x-ms-retry-after-ms"], 1),
  (headers, _message, now) => retryAfterHeader(headers["retry-after"], now),
];

/** Of a rate limit; the first that says something decides. */
const SOURCES: readonly Source[] = [
  ...HEADERS,
  (_headers, message) => inMessage(message),
  (headers) => resetHeaders(headers),
];

/**
 * Milliseconds, more than 0 and at most an hour; undefined when nothing in the answer says. `message` is the error's
 * message, `now` Unix milliseconds (for HTTP dates).
 */
export function retryAfter(headers: Headers, message: string | undefined, now: number): number | undefined {
  return firstOf(SOURCES, headers, message ?? "", now);
}

/** The same for an answer that is no rate limit: what it says of limits is another matter. */
export function retryAfterIn(headers: Headers, now: number): number | undefined {
  return firstOf(HEADERS, headers, "", now);
}

function firstOf(sources: readonly Source[], headers: Headers, message: string, now: number): number | undefined {
  for (const source of sources) {
    const wait = source(headers, message, now);
    if (wait !== undefined && wait > 0) return Math.min(Math.ceil(wait), LONGEST_RETRY_AFTER_MS);
  }
  return undefined;
}

type Value = string | string[] | undefined;

function first(value: Value): string {
  return (Array.isArray(value) ? (value[0] ?? "") : (value ?? "")).trim();
}

function numeric(value: Value, unitMs: number): number | undefined {
  const text = first(value);
  return /^\d{1,12}(?:\.\d{1,9})?$/.test(text) ? Number(text) * unitMs : undefined;
}

/** RFC 9110, 10.2.3: seconds or an HTTP date. */
function retryAfterHeader(value: Value, now: number): number | undefined {
  const seconds = numeric(value, 1000);
  if (seconds !== undefined) return seconds;
  const text = first(value);
  // Every HTTP date ends with GMT or, in asctime's form, with a year; Date.parse alone takes nearly anything.
  if (!/^[A-Z][a-z]{2}.{10,30}(?:GMT|\d{4})$/.test(text)) return undefined;
  const at = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(at) ? undefined : at - now;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. Go's spelling, as OpenAI sends it: `1s`, `6m0s`, `120ms`, `1h2m3.5s`. Azure sends plain seconds. */
export function durationOf(text: string): number | undefined {
  const seconds = numeric(text, 1000);
  if (seconds !== undefined) return seconds;
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h|d)){1,5}$/.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|[smhd])/g))
    total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  return total;
}

const AFTER_SECONDS = /retry after (\d{1,9}) (millisecond|second|minute)/i;
const IN_DURATION = /try again in ((?:[\d.]{1,12}(?:ms|s|m|h|d)){1,5})/i;
const WORD_MS: Readonly<Record<string, number>> = { millisecond: 1, second: 1000, minute: 60_000 };

function inMessage(message: string): number | undefined {
  const after = AFTER_SECONDS.exec(message);
  if (after) return Number(after[1]) * (WORD_MS[(after[2] ?? "").toLowerCase()] ?? 0);
  return durationOf(IN_DURATION.exec(message)?.[1] ?? "");
}

const LIMITS = ["requests", "tokens"] as const;

/**
 * The reset of the limit that is used up, the later one when both are. Where neither says 0 (a large request does not
 * fit into what is left) the sooner reset.
 */
function resetHeaders(headers: Headers): number | undefined {
  const resets: number[] = [];
  const exhausted: number[] = [];
  for (const limit of LIMITS) {
    const reset = durationOf(first(headers[`x-ratelimit-reset-${limit}`]));
    if (reset === undefined || reset <= 0) continue;
    resets.push(reset);
    if (first(headers[`x-ratelimit-remaining-${limit}`]) === "0") exhausted.push(reset);
  }
  if (exhausted.length > 0) return Math.max(...exhausted);
  return resets.length > 0 ? Math.min(...resets) : undefined;
}
