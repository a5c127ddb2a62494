/**
 * What does the proxy accept as HTTP?
 *
 * Node's own server and parser (llhttp, strict: a request with both Content-Length and Transfer-Encoding is refused),
 * with every limit named. What the parser refuses is answered in OpenAI's shape as well.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { drainable } from "./drain.ts";
import { type ErrorCode, GatewayError } from "./errors.ts";
import { createServer } from "./node-http.ts";

/** Milliseconds. */
const HEADERS_TIMEOUT = 15_000;
/** From the first byte of a request to the last of its body. */
const REQUEST_TIMEOUT = 300_000;
/** Longer than load balancers keep idle connections (60 s is common), so that they close first. */
const KEEP_ALIVE_TIMEOUT = 75_000;
/** How often the two limits above are looked at. */
const CHECK_INTERVAL = 5_000;
/** Header lines of one request. */
const MOST_HEADERS = 200;

const REFUSALS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ["headers_too_large", "The request's headers are larger than the gateway's limit."],
  ERR_HTTP_REQUEST_TIMEOUT: ["request_timeout", "The request did not arrive whole in time."],
};

export interface ListenerOptions {
  readonly headerBytes: number;
  readonly draining: () => boolean;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export function createListener(options: ListenerOptions): Server {
  const server = createServer(
    {
      maxHeaderSize: options.headerBytes,
      ServerResponse: drainable(options.draining),
      headersTimeout: HEADERS_TIMEOUT,
      requestTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      connectionsCheckingInterval: CHECK_INTERVAL,
      requireHostHeader: true,
      // Who offers another protocol, as clients offer HTTP/2 with `h2c`, is answered in this one (RFC 9110, 7.8).
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
      noDelay: true,
    },
    options.handle,
  );
  server.maxHeadersCount = MOST_HEADERS;
  server.on("clientError", refuse);
  server.on("upgrade", options.upgrade);
  return server;
}

function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, message] = REFUSALS[error.code ?? ""] ?? ["bad_request", "The request is not valid HTTP/1.1."];
  end(socket, new GatewayError(code, message));
}

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  404: "Not Found",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

/** Written by hand: the parser gave no request to answer to. */
function end(socket: Duplex, error: GatewayError): void {
  const body = error.body();
  const headers = { ...error.headers(), "content-length": String(Buffer.byteLength(body)), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${error.status} ${REASONS[error.status] ?? "Error"}\r\n${lines.join("")}\r\n${body}`);
}
