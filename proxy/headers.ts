/**
 * Which headers cross the gateway, in each direction?
 *
 * Towards a provider by an allow-list, so that nothing of the caller (credentials, cookies, organisation, SDK telemetry,
 * addresses) leaves with a request by accident. Back to the caller by a deny-list, because providers add useful headers
 * all the time. Authentication, `host`, `content-length` and trace context are the sender's to add.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { ProviderType } from "../routing/table.ts";

export type Headers = Record<string, string | string[]>;

const USER_AGENT = "tandem";

/** Headers of HTTP itself that both providers understand on every operation. */
const STANDARD = ["accept", "content-type"] as const;

/** More of HTTP's own, for bodies that are only piped: their coding, ranges and conditions are the caller's business. */
const PIPED = ["content-encoding", "range", "if-range", "if-match", "if-none-match", "if-modified-since"] as const;

/**
 * Azure OpenAI answers 431 to more than 10 headers that it does not know
 * (learn.microsoft.com, Azure OpenAI quotas and limits); these, the request id and the W3C trace context stay below.
 * Not here on purpose: `x-ms-spillover-deployment`, `x-ms-oai-image-generation-deployment` and `x-policy-id` would let
 * a caller choose a deployment or a content filter that no route offers.
 */
const CUSTOM = {
  OpenAI: ["idempotency-key", "openai-beta"],
  AzureOpenAI: ["idempotency-key", "openai-beta", "aoai-evals", "aoai-copy-ft-checkpoints"],
} as const satisfies Record<ProviderType, readonly string[]>;

/** Where each provider logs the id that a caller gives, so that one id finds the request on both sides. */
const REQUEST_ID = {
  OpenAI: "x-client-request-id",
  AzureOpenAI: "x-ms-client-request-id",
} as const satisfies Record<ProviderType, string>;

const INFERENCE_LIST = {
  OpenAI: [...STANDARD, ...CUSTOM.OpenAI],
  AzureOpenAI: [...STANDARD, ...CUSTOM.AzureOpenAI],
} as const;

const PIPED_LIST = {
  OpenAI: [...INFERENCE_LIST.OpenAI, ...PIPED],
  AzureOpenAI: [...INFERENCE_LIST.AzureOpenAI, ...PIPED],
} as const;

/**
 * The caller's headers that may go to a provider, with Tandem's own user agent and request id. Names are lower-case.
 * `accept-encoding` does not go: Tandem reads answers and errors. No `content-length`: the body may be rewritten.
 */
export function requestHeaders(
  incoming: IncomingHttpHeaders,
  provider: ProviderType,
  requestID: string,
): Record<string, string> {
  return pick(incoming, INFERENCE_LIST[provider], provider, requestID);
}

/** The same for a request whose body is piped as it is. */
export function pipedRequestHeaders(
  incoming: IncomingHttpHeaders,
  provider: ProviderType,
  requestID: string,
): Record<string, string> {
  return pick(incoming, PIPED_LIST[provider], provider, requestID);
}

function pick(
  incoming: IncomingHttpHeaders,
  names: readonly string[],
  provider: ProviderType,
  requestID: string,
): Record<string, string> {
  const headers: Record<string, string> = { "user-agent": USER_AGENT, [REQUEST_ID[provider]]: requestID };
  for (const name of names) {
    const value = incoming[name];
    if (value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ");
  }
  return headers;
}

/** RFC 9110 section 7.6.1: these belong to one connection. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Headers of an answer that stop here. */
const DROPPED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  // About the provider's host: on the gateway's name a browser or client would take them for the gateway's own.
  "set-cookie",
  "alt-svc",
  "strict-transport-security",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-expose-headers",
  "access-control-max-age",
  "clear-site-data",
  "nel",
  "report-to",
  "reporting-endpoints",
  "server",
  "date",
  "via",
  // Of the provider's authentication, which is not the caller's.
  "www-authenticate",
  "authorization",
  "api-key",
  // Whose account at the provider it is.
  "openai-organization",
  "openai-project",
  // Would become the prototype of the object that is built here.
  "__proto__",
]);

const RATE_LIMIT = "x-ratelimit-";
const PROVIDER_RATE_LIMIT = "x-tandem-provider-ratelimit-";
const OWN = "x-tandem-";

/**
 * A provider's headers as the caller gets them; one that repeats `key`, the gateway's own, stops here. `x-ratelimit-*` are renamed, since a client would take one backend's
 * numbers for its own limits; the provider's `x-request-id` becomes `x-tandem-provider-request-id`, since the plain name
 * is Tandem's. `content-length` stays: who changes the body removes it.
 */
export function responseHeaders(
  upstream: Readonly<Record<string, string | string[] | undefined>>,
  key?: string | undefined,
): Headers {
  const headers: Headers = {};
  const named = connectionTokens(upstream.connection);
  for (const name in upstream) {
    if (DROPPED.has(name)) continue;
    const value = upstream[name];
    if (value === undefined || named?.has(name)) continue;
    // Most values are shorter than a key: this costs nothing.
    if (key !== undefined && value.length >= key.length && value.includes(key)) continue;
    if (!name.startsWith("x-")) headers[name] = value;
    else if (name.startsWith(RATE_LIMIT)) headers[PROVIDER_RATE_LIMIT + name.slice(RATE_LIMIT.length)] = value;
    else if (name === "x-request-id") headers["x-tandem-provider-request-id"] = value;
    else if (!name.startsWith(OWN)) headers[name] = value;
  }
  return headers;
}

/** Headers that a `connection` header declares to be of one connection. The usual values name none. */
function connectionTokens(connection: string | string[] | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === "keep-alive" || connection === "close") return undefined;
  return new Set(
    String(connection)
      .toLowerCase()
      .split(",")
      .map((token) => token.trim()),
  );
}
