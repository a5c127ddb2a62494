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
}

export const ERRORS = {
  invalid_api_key: { status: 401, type: "invalid_request_error", retry: false },
  model_not_found: { status: 404, type: "invalid_request_error", retry: false },
  unknown_url: { status: 404, type: "invalid_request_error", retry: false },
  method_not_allowed: { status: 405, type: "invalid_request_error", retry: false },
  operation_not_supported: { status: 404, type: "invalid_request_error", retry: false },
  listing_not_allowed: { status: 403, type: "invalid_request_error", retry: false },
  resource_not_found: { status: 404, type: "invalid_request_error", retry: false },
  id_conflict: { status: 400, type: "invalid_request_error", retry: false },
  route_not_found: { status: 404, type: "invalid_request_error", retry: false },
  route_required: { status: 400, type: "invalid_request_error", retry: false },
  invalid_json: { status: 400, type: "invalid_request_error", retry: false },
  invalid_batch: { status: 400, type: "invalid_request_error", retry: false },
  invalid_form: { status: 400, type: "invalid_request_error", retry: false },
  duplicate_field: { status: 400, type: "invalid_request_error", retry: false },
  missing_field: { status: 400, type: "invalid_request_error", retry: false },
  invalid_field: { status: 400, type: "invalid_request_error", retry: false },
  unsupported_parameter: { status: 400, type: "invalid_request_error", retry: false },
  bad_request: { status: 400, type: "invalid_request_error", retry: false },
  unsupported_media_type: { status: 415, type: "invalid_request_error", retry: false },
  request_too_large: { status: 413, type: "invalid_request_error", retry: false },
  headers_too_large: { status: 431, type: "invalid_request_error", retry: false },
  request_timeout: { status: 408, type: "invalid_request_error", retry: true },
  not_ready: { status: 503, type: "service_unavailable_error", retry: true },
  overloaded: { status: 503, type: "service_unavailable_error", retry: true },
  no_backend_available: { status: 503, type: "service_unavailable_error", retry: true },
  rate_limit_exceeded: { status: 429, type: "rate_limit_error", retry: true },
  upstream_auth_failed: { status: 502, type: "server_error", retry: false },
  upstream_unreachable: { status: 502, type: "server_error", retry: true },
  upstream_invalid: { status: 502, type: "server_error", retry: true },
  upstream_timeout: { status: 504, type: "server_error", retry: true },
  stream_interrupted: { status: 502, type: "server_error", retry: true },
  internal_error: { status: 500, type: "server_error", retry: true },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An answer that Tandem gives by itself. `message` is one clear sentence that names the field and the fix. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly param: string | null;
  /** Milliseconds after which asking again makes sense. */
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { param?: string; retryAfter?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = ERRORS[code].status;
    this.param = options.param ?? null;
    this.retryAfter = options.retryAfter;
  }

  /** The JSON body. */
  body(): string {
    return errorBody(this.message, ERRORS[this.code].type, this.param, this.code);
  }

  /** Headers of the answer beside those that every answer has. */
  headers(): Record<string, string> {
    const headers: Record<string, string> = {
      "content-type": "application/json",
      "x-tandem-error-origin": "gateway",
      "x-should-retry": String(ERRORS[this.code].retry),
    };
    if (this.retryAfter !== undefined) {
      headers["retry-after-ms"] = String(Math.ceil(this.retryAfter));
      headers["retry-after"] = String(Math.ceil(this.retryAfter / 1000));
    }
    if (this.code === "invalid_api_key") headers["www-authenticate"] = 'Bearer realm="Tandem"';
    return headers;
  }
}

export function errorBody(message: string, type: string, param: string | null, code: string | null): string {
  return JSON.stringify({ error: { message, type, param, code } });
}

/** The provider's 401 or 403: not one for the caller, whose own key is right. */
export function credentialsRefused(status: number, code: string | null): GatewayError {
  const what = code === null || code === String(status) ? String(status) : `${status}, ${code}`;
  const message = `The provider refused the gateway's credentials or rights (${what}). The gateway's operator has to mend that.`;
  return new GatewayError("upstream_auth_failed", message);
}
