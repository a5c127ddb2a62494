/**
 * May the client ask for that much more (`AIClient.spec.limits`)?
 *
 * A request takes one request, the tokens that it is expected to use, and a place. The tokens are settled when their
 * number is known, the place is given back when the answer has ended. The body is not parsed for that.
 */
import type { Client, ClientLimits } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import type { Limited, Refused, Taken } from "../limits/client-limiter.ts";
import { askedOf } from "../strategy/expect.ts";

/** Whose answers are text that costs tokens. */
const WRITES = new Set(["chat/completions", "completions", "responses"]);
/** Whose prompts alone do. */
const READS = new Set(["embeddings", "moderations"]);

const SHORT: Readonly<Record<Exclude<Limited, "concurrent">, string>> = { requests: "RPM", tokens: "TPM" };

/** Nothing to wait for where the client has no limits, or no other proxy has to know. */
export function limit(context: RequestContext): Promise<void> | void {
  const { client } = context;
  if (client?.limits === undefined) return undefined;
  return limitClient(context, client, client.limits);
}

function limitClient(context: RequestContext, client: Client, limits: ClientLimits): Promise<void> | void {
  const { rateLimits } = context.services;
  const tokens = limits.tokensPerMinute === undefined ? 0 : expected(context, client, limits);
  const answer = rateLimits.take(client, limits, tokens);
  if (!(answer instanceof Promise)) return conclude(context, limits, tokens, answer);
  return answer.then((told) => conclude(context, limits, tokens, told));
}

function conclude(context: RequestContext, limits: ClientLimits, tokens: number, answer: Taken | Refused): void {
  const { exchange, client } = context;
  if ("limiter" in answer) {
    exchange.limit = "allowed";
    context.taken = answer;
    return;
  }
  const { what, wait } = answer;
  exchange.limit = what;
  const who = `AIClient ${client?.name}`;
  if (what === "concurrent") {
    const message = `${who} has as many requests in progress as its limit of ${limits.maxConcurrent} lets it have. Wait for one to end.`;
    throw new GatewayError("concurrency_limit_exceeded", message, { retryAfter: wait });
  }
  const requested = what === "tokens" ? `, Requested ${tokens}` : "";
  const most = what === "tokens" ? limits.tokensPerMinute : limits.requestsPerMinute;
  const message = `Rate limit reached for ${who} on ${what} per min (${SHORT[what]}): Limit ${most}${requested}. Please try again in ${seconds(wait)}s.`;
  throw new GatewayError("rate_limit_exceeded", message, { retryAfter: wait, type: what });
}

/** Throws what could never fit. */
function expected(context: RequestContext, client: Client, limits: ClientLimits): number {
  const { operation, services } = context;
  const most = limits.tokensPerMinute ?? 0;
  const name = operation?.name ?? "";
  const writes = WRITES.has(name);
  if (!writes && !READS.has(name)) return 0;
  const { bytes, bound, choices } = askedOf(context);
  const { input, output } = services.rateLimits.limiterOf(client.key, limits).learned.guess(bytes);
  const read = Math.ceil(input);
  if (read > most) {
    context.exchange.limit = "tokens";
    const message = `Request too large for AIClient ${client.name} on tokens per min (TPM): Limit ${most}, Requested ${read}. The input must be reduced; asking again does not help.`;
    throw new GatewayError("rate_limit_exceeded", message, { retry: false, type: "tokens" });
  }
  // What an answer will be is a guess: it makes nothing impossible.
  return writes ? Math.min(most, read + Math.ceil(Math.min(output, bound) * choices)) : read;
}

/** The answer has ended, whichever way. */
export function leave({ services }: RequestContext, taken: Taken): void {
  services.rateLimits.leave(taken);
}

/** What was used is known, or will never be. */
export function settleTokens(context: RequestContext, taken: Taken): void {
  const { exchange, services, choices, operation } = context;
  const { usage } = exchange;
  if (usage) {
    services.rateLimits.settle(taken, usage.input + usage.output);
    if (WRITES.has(operation?.name ?? "") && taken.limiter.tokens) {
      taken.limiter.learned.observe(askedOf(context).bytes, choices, usage);
    }
    return;
  }
  // Where a provider may have worked and nobody tells for how much, what was expected stays taken.
  const isUnknown = exchange.attempts.length > 0 && (exchange.outcome === "ok" || exchange.outcome === "client_closed");
  if (!isUnknown) services.rateLimits.settle(taken, 0);
}

function seconds(milliseconds: number): string {
  return String(Math.ceil(milliseconds) / 1000);
}
