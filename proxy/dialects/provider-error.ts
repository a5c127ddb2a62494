/**
 * What did the provider's error say, and how does the caller see it?
 *
 * OpenAI sends `{"error":{message,type,param,code}}`; Azure often only `code` and `message`, sometimes no envelope
 * (`{"statusCode":401,"message":…}`), and whatever stands before either may answer HTML or nothing. The caller always
 * gets OpenAI's four fields; whatever else the provider put into the envelope (Azure's `innererror`, filter results)
 * stays as it is.
 */

export interface ProviderError {
  readonly code: string | null;
  readonly type: string;
  readonly message: string;
  /** OpenAI-shaped JSON. */
  readonly body: string;
}

/** Longest message taken from a body that is not JSON. */
const EXCERPT_CHARACTERS = 200;

/** Types by status, where the provider says none. */
const TYPES: Readonly<Record<number, string>> = {
  401: "invalid_request_error",
  403: "invalid_request_error",
  404: "invalid_request_error",
  408: "timeout",
  409: "conflict_error",
  429: "rate_limit_error",
  503: "service_unavailable_error",
};

type Json = Record<string, unknown>;

/** `key`: the gateway's own at this provider, which an error that repeats the request must not carry to the caller. */
export function readProviderError(status: number, body: Buffer, key?: string | undefined): ProviderError {
  const text = withoutKey(body.toString("utf8"), key);
  const envelope = envelopeOf(text);
  const message = textOf(envelope?.message) ?? plainMessage(status, envelope ? "" : text);
  const type = textOf(envelope?.type) ?? TYPES[status] ?? (status >= 500 ? "server_error" : "invalid_request_error");
  const code = textOf(envelope?.code) ?? null;
  const param = textOf(envelope?.param) ?? null;
  const error = { ...envelope, message, type, param, code };
  return { code, type, message, body: JSON.stringify({ error }) };
}

function withoutKey(text: string, key: string | undefined): string {
  return key === undefined || key === "" ? text : text.replaceAll(key, "[redacted]");
}

function envelopeOf(body: string): Json | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  if (isObject(parsed.error)) return parsed.error;
  if (typeof parsed.error === "string") return { message: parsed.error };
  // Azure's envelope-less 401: the status is in the status line already.
  if (typeof parsed.message !== "string") return undefined;
  const { statusCode: _statusCode, ...rest } = parsed;
  return rest;
}

function plainMessage(status: number, body: string): string {
  const text = body
    .replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  const excerpt = text.length > EXCERPT_CHARACTERS ? `${text.slice(0, EXCERPT_CHARACTERS)}…` : text;
  return excerpt === ""
    ? `The provider answered ${status} without a body.`
    : `The provider answered ${status} without a JSON body: ${excerpt}`;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" ? String(value) : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
