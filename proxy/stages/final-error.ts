/** What does the caller see when nobody answered? */
import type { RequestContext } from "../context.ts";
import { refusedField } from "../dialects/fields.ts";
import { credentialsRefused, GatewayError } from "../errors.ts";
import { fieldRulesAt } from "../snapshot.ts";
import type { Failure, ResponseHeaders } from "./call.ts";

/** The provider's own error, to be passed on in OpenAI's shape. */
export class ProviderRefusal extends Error {
  override readonly name = "ProviderRefusal";
  readonly status: number;
  readonly body: string;
  readonly code: string | null;
  readonly headers: ResponseHeaders;
  /** For `x-should-retry`; undefined leaves it to the client. */
  readonly retry: boolean | undefined;

  constructor(failure: Failure & { error: NonNullable<Failure["error"]>; status: number }, retry: boolean | undefined) {
    super(failure.error.message);
    this.status = failure.status;
    this.body = failure.error.body;
    this.code = failure.error.code;
    this.headers = failure.headers;
    this.retry = retry;
  }
}

const SPENT = new Set(["insufficient_quota", "credit_balance_exhausted"]);

/** Spent money comes back by paying, not by waiting and asking again. */
export function isSpent({ error }: Failure): boolean {
  return error?.code !== undefined && error.code !== null && SPENT.has(error.code);
}

export function finalError(
  context: RequestContext,
  last: Failure | undefined,
  wait: number | undefined,
): GatewayError | ProviderRefusal {
  if (!last) return unattempted(context, wait);
  const { error, status } = last;
  if (status === 401 || status === 403) return credentialsRefused(status, error?.code ?? null);
  if (error && status !== undefined) return new ProviderRefusal({ ...last, error, status }, retryOf(context, last));
  if (last.outcome === "timeout") {
    return new GatewayError("upstream_timeout", `No provider answered in time: ${last.detail}.`);
  }
  if (last.outcome === "malformed") {
    return new GatewayError("upstream_invalid", `The provider's answer cannot be used: it ${last.detail}.`);
  }
  return new GatewayError("upstream_unreachable", "No provider could be reached. Ask again in a moment.");
}

/** Tandem has tried several times already: the official SDKs would only multiply that. */
function retryOf(context: RequestContext, last: Failure): boolean | undefined {
  if (isSpent(last)) return false;
  if (last.outcome === "server_error" && context.exchange.attempts.length > 1) return false;
  return undefined;
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

function unattempted(context: RequestContext, wait: number | undefined): GatewayError {
  const { plan, operation } = context;
  if (wait !== undefined) {
    const message = "Every provider of this model is at its rate limit. Ask again after the time in Retry-After.";
    return new GatewayError("rate_limit_exceeded", message, { retryAfter: wait });
  }
  if (context.exchange.excluded?.some(({ reason }) => reason === "token_unavailable")) return tokenUnavailable();
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
