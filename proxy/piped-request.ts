/**
 * What exactly goes to the provider when a request is piped, and how does the answer point back?
 */
import type { IncomingMessage } from "node:http";
import { Transform } from "node:stream";
import type { Exchange } from "./exchange.ts";
import { pipedRequestHeaders } from "./headers.ts";
import type { PassthroughCall } from "./passthrough.ts";

/** Methods whose body Node's client does not send in chunks by itself. */
const UNCHUNKED = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"]);

/** Whether a body follows: HTTP/1.1 says so by its headers, not by the method. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

/** Every header of the request to the provider. The framing is said anew, never copied. */
export function sentHeaders(request: IncomingMessage, call: PassthroughCall, host: string): Record<string, string> {
  const { provider, exchange } = call;
  const sent: Record<string, string> = {
    ...pipedRequestHeaders(request.headers, provider.type, exchange.id),
    ...call.headers,
    host,
  };
  const length = request.headers["content-length"];
  const unchunked = UNCHUNKED.has(request.method ?? "");
  if (length !== undefined) sent["content-length"] = String(length);
  else if (request.headers["transfer-encoding"] !== undefined) {
    // Without it Node would send the body of such a method without any framing: request smuggling.
    if (unchunked) sent["transfer-encoding"] = "chunked";
  } else if (!unchunked) sent["content-length"] = "0";
  return sent;
}

/** Counts what the caller sends, and takes no more than `limit` bytes: a body in chunks declares no length. */
export function metered(exchange: Exchange, limit: number, tooMuch: () => void): Transform {
  exchange.requestBytes = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      exchange.requestBytes += chunk.length;
      if (exchange.requestBytes <= limit) done(null, chunk);
      else tooMuch();
    },
  });
}

/** Not by resolving one URL against another: a path that begins with `//` would name a host. */
export function targetOf(origin: URL, path: string): URL {
  const target = new URL(origin);
  const mark = path.indexOf("?");
  target.pathname = mark === -1 ? path : path.slice(0, mark);
  target.search = mark === -1 ? "" : path.slice(mark);
  return target;
}

/** A resource that the provider has made is found under the gateway's own path. */
export function ownLocation(location: string, endpoint: string): string {
  const provider = new URL(endpoint);
  const url = URL.parse(location, provider.origin);
  if (!url || url.origin !== provider.origin) return location;
  url.searchParams.delete("api-version");
  const base = provider.pathname.replace(/\/$/, "");
  const below = url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length) : url.pathname;
  return `/v1${below.replace(/^\/openai(\/v1)?(?=\/)/, "")}${url.search}`;
}
