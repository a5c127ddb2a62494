/** What does the caller see when nobody answered? */
import type { RequestContext } from "../context.ts";
import { refusedField } from "../dialects/fields.ts";
import type { ProviderError } from "../dialects/provider-error.ts";
import { GatewayError, insteadOf, LONGEST_CLIENT_WAIT } from "../errors.ts";
import { fieldRulesAt } from "../snapshot.ts";
import { retryAfterIn } from "../upstream/retry-after.ts";
import type { Failure, ResponseHeaders } from "./settled.ts";

/** The provider's own error, to be passed on in OpenAI's shape. */
export class ProviderRefusal extends Error {
  override readonly name = "ProviderRefusal";
  readonly status: number;
  readonly body: string;
  readonly code: string | null;
  readonly headers: ResponseHeaders;
  /** The gateway's own, which must not come back. */
  readonly key: string | undefined;
  /** For `x-should-retry`; undefined leaves it to the client. */
  readonly retry: false | undefined;
  /** Milliseconds after which another backend or the same one can take it. */
  readonly retryAfter: number | undefined;

  constructor(
    error: ProviderError,
    { headers, key }: Failure,
    retry: false | undefined,
    retryAfter: number | undefined,
  ) {
    super(error.message);
    this.status = error.shown.status;
    this.body = error.shown.body;
    this.code = error.shown.code;
    this.headers = headers;
    this.key = key;
    this.retry = retry;
    this.retryAfter = retryAfter;
  }
}

/** Spent money comes back by paying, not by waiting and asking again. */
export function isSpent({ error }: Failure): boolean {
  return error?.rule.outcome === "rate_limited" && error.rule.retry === "never";
}

/** Failures after which a provider may have done what it was asked for. */
const MAY_HAVE_HAPPENED = new Set<Failure["outcome"]>(["reset", "server_error", "malformed", "cut", "timeout"]);

/** What makes a thing is not asked for twice: the first may have been made, and nobody would know of it. */
export function mayHaveHappened({ operation }: RequestContext, failure: Failure): boolean {
  return operation?.handling === "resource" && operation.method === "POST" && MAY_HAVE_HAPPENED.has(failure.outcome);
}

/** Milliseconds after which a caller who found all places taken may come again: calls last seconds. */
const PLACES_RETRY_AFTER = 1_000;

/** Where nobody answers, somebody may be back in a moment: milliseconds, up to twice, so that not all come at once. */
const OUTAGE_RETRY_AFTER = 1_000;

/** There was an answer, but nothing that can be passed on. */
const UNUSABLE = new Set<Failure["outcome"]>(["malformed", "server_error", "cut"]);

/** `wait`: milliseconds until the first rate limit has passed. */
export function finalError(
  context: RequestContext,
  last: Failure | undefined,
  wait: number | undefined,
): GatewayError | ProviderRefusal {
  if (!last) return unattempted(context, wait);
  const { error, status, headers } = last;
  if (error && status !== undefined) {
    const { instead, retry } = error.rule;
    if (instead) return insteadOf(instead, status, error.code);
    // A provider that fails may say itself when to come again.
    const told = retry === "once" ? retryAfterIn(headers, Date.now()) : undefined;
    const later = retry === "later" ? wait : told;
    const isOnce = mayHaveHappened(context, last);
    const mayRetry = mayAsk(context, error, later) && !isOnce;
    const isOutage = last.outcome === "server_error" && !isOnce && told === undefined;
    return new ProviderRefusal(error, last, mayRetry ? undefined : false, isOutage ? outageWait() : later);
  }
  // Tandem has tried several times already: the official SDKs would only multiply that.
  const isOnce = mayHaveHappened(context, last);
  const options = {
    ...((context.exchange.attempts.length > 1 || isOnce) && { retry: false }),
    ...(!isOnce && { retryAfter: outageWait() }),
  };
  if (last.outcome === "timeout") {
    return new GatewayError("upstream_timeout", `No provider answered in time: ${last.detail}.`, options);
  }
  if (UNUSABLE.has(last.outcome)) {
    return new GatewayError("upstream_invalid", `The provider's answer cannot be used: it ${last.detail}.`, options);
  }
  return new GatewayError("upstream_unreachable", "No provider could be reached. Ask again in a moment.", options);
}

function outageWait(): number {
  return OUTAGE_RETRY_AFTER * (1 + Math.random());
}

/** Whether the client may ask again by itself. */
function mayAsk(context: RequestContext, { rule }: ProviderError, wait: number | undefined): boolean {
  if ((wait ?? 0) > LONGEST_CLIENT_WAIT) return false;
  return rule.retry === "later" || (rule.retry === "once" && context.exchange.attempts.length <= 1);
}

export function notOffered({ plan, operation }: RequestContext): GatewayError {
  const providers = plan?.targets.map(({ provider }) => `${provider.name} (${provider.type})`).join(", ");
  const message = `No provider of the route '${plan?.route.name}' has ${operation?.name}: it goes to ${providers}. Ask for a model whose route has a provider with it.`;
  return new GatewayError("operation_not_supported", message);
}

/** Entra ID gives no token for a provider, and nobody else could answer. */
export function tokenUnavailable(): GatewayError {
  const message =
    "The gateway gets no access token from Microsoft Entra ID for the provider. The gateway's operator has to mend that.";
  return new GatewayError("upstream_auth_failed", message);
}

/** Each provider that could be asked has as many calls as its `concurrency` allows. */
export function placesTaken({ plan }: RequestContext): GatewayError {
  const message = `The gateway has as many calls under way for '${plan?.model}' as its providers' concurrency allows. Ask again in a moment.`;
  return new GatewayError("overloaded", message, { retryAfter: PLACES_RETRY_AFTER });
}

function unattempted(context: RequestContext, wait: number | undefined): GatewayError {
  const { plan, operation } = context;
  if (wait !== undefined) {
    const message = "Every provider of this model is at its rate limit. Ask again after the time in Retry-After.";
    return new GatewayError("rate_limit_exceeded", message, { retryAfter: wait });
  }
  const reasons = new Set(context.exchange.excluded?.map(({ reason }) => reason));
  if (reasons.has("token_unavailable")) return tokenUnavailable();
  if (reasons.has("concurrency_limit")) return placesTaken(context);
  const refused = fieldRefused(context);
  if (refused) return refused;
  const message = `No backend of the route '${plan?.route.name}' can take ${operation?.name} for '${plan?.model}' now.`;
  return new GatewayError("no_backend_available", message);
}

/** Each backend that there is refuses some field: the caller's own request is what has to change. */
export function fieldRefused({ plan, operation, order, body }: RequestContext): GatewayError | undefined {
  if (!operation || !body) return undefined;
  const refusals = new Map<string, string>();
  let param: string | undefined;
  for (const target of order) {
    const refused = refusedField(fieldRulesAt(target, operation), body.scan);
    if (!refused) continue;
    param ??= refused.field;
    refusals.set(target.provider.name, `${target.provider.name} not '${refused.field}': ${refused.because}`);
  }
  if (param === undefined) return undefined;
  const why = [...refusals.values()].join("; ");
  const message = `No provider of the route '${plan?.route.name}' takes all fields of this request (${why}). Leave the field out, or ask for a model of a provider that takes it.`;
  return new GatewayError("unsupported_parameter", message, { param });
}
