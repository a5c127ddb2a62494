/**
 * Which errors does Tandem itself answer with, and how does one look on the wire?
 *
 * Everything is OpenAI-shaped: `{"error":{"message","type","param","code"}}`. `retry` becomes `x-should-retry`, which
 * the official SDKs obey first, so that they do not multiply attempts that Tandem has made already.
 */

interface ErrorKind {
  readonly status: number;
  readonly type: string;
  /** Whether asking again can help. */
  readonly retry: boolean;
  /** For the documentation: a clause. */
  readonly when: string;
}

/** The caller's request has to change. */
function refusal(status: number, when: string): ErrorKind {
  return { status, type: "invalid_request_error", retry: false, when };
}

/** It may be over in a moment. */
function passing(status: number, type: string, when: string): ErrorKind {
  return { status, type, retry: true, when };
}

export const ERRORS = {
  invalid_api_key: refusal(401, "no key was sent, or not one of this gateway's"),
  invalid_caller_token: refusal(401, "the token that says where the caller belongs (`callers.jwt`) does not hold"),
  model_not_found: refusal(404, "no route offers the model, or not to this caller"),
  unknown_url: refusal(404, "there is no such path"),
  method_not_allowed: refusal(405, "the path has other methods: they stand in `allow`"),
  upgrade_required: refusal(426, "the path is a WebSocket's"),
  operation_not_supported: refusal(404, "no provider of the route has the operation"),
  residency_unsatisfiable: refusal(
    403,
    "nothing that the route has may process the caller's data: no byte of the request has left the gateway",
  ),
  content_leaves_residency: refusal(
    403,
    "a tool or field of the request sends content elsewhere, which the caller's residency forbids",
  ),
  listing_not_allowed: refusal(403, "a list of what stays with a provider would show everybody's"),
  resource_not_found: refusal(404, "what an id names is not there, or not this caller's"),
  id_conflict: refusal(
    400,
    "the ids in one request are at different providers, or at one that its model's route does not use",
  ),
  route_not_found: refusal(404, "`x-tandem-route` names no route that this key may use"),
  route_required: refusal(400, "the call names no model, and more than one route could serve it"),
  invalid_json: refusal(400, "the body is not one JSON object"),
  invalid_batch: refusal(400, "a line of the batch's file cannot be used"),
  invalid_form: refusal(400, "the body is not the multipart/form-data that it says"),
  duplicate_field: refusal(400, "a field that Tandem reads stands twice"),
  missing_field: refusal(400, "a field that Tandem needs is missing"),
  invalid_field: refusal(400, "a field that Tandem needs is of another type"),
  unsupported_parameter: refusal(400, "no provider of the route can take a field of the request"),
  bad_request: refusal(400, "the request was not sent whole, or is not HTTP"),
  unsupported_media_type: refusal(415, "the content-type or content-encoding is not possible here"),
  request_too_large: refusal(413, "the body is larger than `limits.requestBytes`"),
  headers_too_large: refusal(431, "the headers are larger than `limits.headerBytes`"),
  request_timeout: passing(408, "invalid_request_error", "the request did not arrive in time"),
  caller_unverified: passing(
    503,
    "service_unavailable_error",
    "the keys that verify where the caller belongs (`callers.jwt`) cannot be had",
  ),
  not_ready: passing(503, "service_unavailable_error", "the gateway has no configuration yet"),
  overloaded: passing(
    503,
    "service_unavailable_error",
    "the gateway is short of memory or time, holds as many bodies as it may (`limits.replayBytes`), or has as many calls at every provider of the model as it may (`concurrency`)",
  ),
  no_backend_available: passing(503, "service_unavailable_error", "no backend of the route can be used now"),
  rate_limit_exceeded: passing(
    429,
    "rate_limit_error",
    "every provider of the model is at its limit, or the client at its own (`limits`; `type` is `requests` or `tokens` then); `retry-after` says how long",
  ),
  concurrency_limit_exceeded: passing(
    429,
    "rate_limit_error",
    "the client has as many requests in progress as it may (`limits.maxConcurrent`)",
  ),
  insufficient_quota: {
    status: 429,
    type: "insufficient_quota",
    retry: false,
    when: "the client's budget for this month is spent (its AIClient's `budget`), or what is left of it is not enough for the request",
  },
  budget_unavailable: passing(
    503,
    "service_unavailable_error",
    "what the client may still spend is not known: the operator, which hands budgets out, has not been heard for a while",
  ),
  upstream_auth_failed: {
    status: 502,
    type: "server_error",
    retry: false,
    when: "the provider refused the gateway's key or rights (its 401 or 403), or there is no token for it: the operator's to mend",
  },
  upstream_misconfigured: {
    status: 502,
    type: "server_error",
    retry: false,
    when: "the provider refused how the gateway calls it (path, api-version, headers): the operator's to mend",
  },
  upstream_unreachable: passing(502, "server_error", "no provider could be reached, or the connection broke"),
  upstream_invalid: passing(502, "server_error", "the provider's answer was no HTTP or no JSON"),
  upstream_timeout: passing(504, "server_error", "no provider answered within `timeouts`"),
  stream_interrupted: passing(502, "server_error", "in an event: the answer broke off, what came before it is not all"),
  internal_error: passing(500, "server_error", "a defect of the gateway; its log has the request's id"),
} satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/**
 * Milliseconds. openai-node waits no longer than this, but asks again at once where it is told to wait longer: an answer
 * that names a longer time must say that asking again does not help.
 */
export const LONGEST_CLIENT_WAIT = 60_000;

/** An answer that Tandem gives by itself. `message` is one clear sentence that names the field and the fix. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly param: string | null;
  /** Milliseconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;
  /** For `x-should-retry`. */
  readonly retry: boolean;
  readonly type: string;

  constructor(
    code: ErrorCode,
    message: string,
    options: { param?: string; retryAfter?: number; retry?: boolean; type?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = ERRORS[code].status;
    this.param = options.param ?? null;
    this.retryAfter = options.retryAfter;
    this.type = options.type ?? ERRORS[code].type;
    this.retry = options.retry ?? (ERRORS[code].retry && (options.retryAfter ?? 0) <= LONGEST_CLIENT_WAIT);
  }

  /** The JSON body. */
  body(): string {
    return errorBody(this.message, this.type, this.param, this.code);
  }

  /** Headers of the answer beside those that every answer has. */
  headers(): Record<string, string> {
    const headers: Record<string, string> = {
      "content-type": "application/json",
      "x-tandem-error-origin": "gateway",
      "x-should-retry": String(this.retry),
      ...retryAfterHeaders(this.retryAfter),
    };
    if (this.code === "upgrade_required") headers.upgrade = "websocket";
    if (this.code === "invalid_api_key") headers["www-authenticate"] = 'Bearer realm="Tandem"';
    return headers;
  }
}

export function errorBody(message: string, type: string, param: string | null, code: string | null): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

/** When to ask again, in both units that clients know: `undefined` says nothing. */
export function retryAfterHeaders(milliseconds: number | undefined): Record<string, string> {
  if (milliseconds === undefined) return {};
  return {
    "retry-after-ms": String(Math.ceil(milliseconds)),
    "retry-after": String(Math.ceil(milliseconds / 1000)),
  };
}

/** Before the first table. */
export function notReady(): GatewayError {
  return new GatewayError("not_ready", "The gateway has no configuration yet. Ask again in a moment.");
}

const INSTEAD: Partial<Record<ErrorCode, string>> = {
  upstream_auth_failed: "The provider refused the gateway's credentials or rights",
  upstream_misconfigured: "The provider refused how the gateway calls it",
};

/** In place of a provider's error that is not one for the caller, whose own key and request are right. */
export function insteadOf(code: ErrorCode, status: number, providerCode: string | null): GatewayError {
  const what = providerCode === null || providerCode === String(status) ? String(status) : `${status}, ${providerCode}`;
  return new GatewayError(code, `${INSTEAD[code]} (${what}). The gateway's operator has to mend that.`);
}
