/**
 * How much of its rate limit has a provider's model left, by its own headers, and when will a request fit again?
 *
 * `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` of every answer; the newest word counts. OpenAI writes the
 * reset as a duration (`6m0s`): then the limit is full again, and it refills evenly until then
 * (https://developers.openai.com/api/docs/guides/rate-limits). Azure writes plain seconds: a window ends. A negative number says
 * nothing (Azure's Responses answer -1), and provisioned deployments send none of them.
 */
import type { IncomingHttpHeaders } from "node:http";
import { durationOf } from "./retry-after.ts";

type Headers = Readonly<IncomingHttpHeaders>;

/** More tokens than any request takes: with so many left nobody need be asked how large it is. */
const AMPLE_TOKENS = 1_200_000;
const AMPLE_REQUESTS = 1;
/** As with waits: what says more is not believed. */
const LONGEST_RESET_MS = 3_600_000;

export interface Left {
  readonly remaining: number;
  /** Milliseconds from now; 0: it has been reset. */
  readonly resetInMs: number;
}

/** What was said of one of the two limits. */
interface Word {
  readonly remaining: number;
  readonly saidAt: number;
  /** How much comes back each millisecond; 0: all of it at the reset. */
  readonly refill: number;
  readonly resetAt: number;
}

export class Headroom {
  /** Something may not fit. Read before every request, so a plain property. */
  scarce = false;
  #requests: Word | undefined;
  #tokens: Word | undefined;
  #saidBy = 0;

  /** Headers of the answer to the attempt with this ticket. A later attempt's word is not taken back. */
  told(headers: Headers, ticket: number, now: number): void {
    const requests = headers["x-ratelimit-remaining-requests"];
    const tokens = headers["x-ratelimit-remaining-tokens"];
    if ((requests === undefined && tokens === undefined) || ticket < this.#saidBy) return;
    this.#saidBy = ticket;
    const fewRequests = countOf(requests) < AMPLE_REQUESTS;
    const fewTokens = countOf(tokens) < AMPLE_TOKENS;
    this.#requests = fewRequests ? wordOf(headers, "requests", now) : undefined;
    this.#tokens = fewTokens ? wordOf(headers, "tokens", now) : undefined;
    this.scarce = this.#requests !== undefined || this.#tokens !== undefined;
  }

  /** Whether a request of so many tokens should fit. */
  fits(tokens: number, now: number): boolean {
    if (this.#requests && this.#requests.resetAt <= now) this.#requests = undefined;
    if (this.#tokens && this.#tokens.resetAt <= now) this.#tokens = undefined;
    this.scarce = this.#requests !== undefined || this.#tokens !== undefined;
    return (
      (!this.#requests || leftOf(this.#requests, now) >= AMPLE_REQUESTS) &&
      (!this.#tokens || leftOf(this.#tokens, now) >= Math.max(1, tokens))
    );
  }

  /** For people; what is ample is not told. */
  show(now: number): { readonly requests?: Left; readonly tokens?: Left } {
    return {
      ...(this.#requests && { requests: shown(this.#requests, now) }),
      ...(this.#tokens && { tokens: shown(this.#tokens, now) }),
    };
  }
}

function leftOf({ remaining, saidAt, refill }: Word, now: number): number {
  return remaining + (now - saidAt) * refill;
}

function shown(word: Word, now: number): Left {
  return { remaining: Math.floor(leftOf(word, now)), resetInMs: Math.max(0, Math.ceil(word.resetAt - now)) };
}

function wordOf(headers: Headers, limit: "requests" | "tokens", now: number): Word | undefined {
  const remaining = countOf(headers[`x-ratelimit-remaining-${limit}`]);
  const text = first(headers[`x-ratelimit-reset-${limit}`]);
  const reset = Math.min(durationOf(text) ?? 0, LONGEST_RESET_MS);
  if (reset <= 0) return undefined;
  const most = countOf(headers[`x-ratelimit-limit-${limit}`]);
  const evenly = !isPlainNumber(text) && Number.isFinite(most) && most > remaining;
  return { remaining, saidAt: now, refill: evenly ? (most - remaining) / reset : 0, resetAt: now + reset };
}

/** Infinity: nothing was said. */
function countOf(value: string | string[] | undefined): number {
  const text = first(value);
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

function isPlainNumber(text: string): boolean {
  return /^[\d.]+$/.test(text);
}

function first(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? (value[0] ?? "") : (value ?? "")).trim();
}
