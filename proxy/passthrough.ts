/**
 * How is a request served that is neither translated nor replayed?
 *
 * Piped once to the one provider that was chosen, by http-proxy-middleware, which knows what a body, a range, a broken
 * connection and a slow reader ask of a proxy. What it may not decide is decided here: which headers cross, where the
 * connection goes, how long it may take, how large a body may be, and how an error looks.
 */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Transform } from "node:stream";
import type { RequestHandler } from "http-proxy-middleware";
import type { Credentials } from "../routing/secrets.ts";
import type { Provider } from "../routing/table.ts";
import type { AttemptRecord, Exchange } from "./exchange.ts";
import type { Headers } from "./headers.ts";
import { Agents, type AgentsOptions } from "./passthrough-agents.ts";
import { PipedCall } from "./piped-call.ts";

export interface PassthroughCall {
  readonly provider: Provider;
  /** Where the provider's CA is found; `headers` hold its key or token already. */
  readonly credentials: Credentials;
  /** Path and query on the provider's host. */
  readonly path: string;
  /** What the sender adds to the caller's allowed headers: auth, trace context. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The gateway's key or token among `headers`, which must not come back. */
  readonly key?: string | undefined;
  readonly exchange: Exchange;
  /** In `exchange.attempts` already. */
  readonly attempt: AttemptRecord;
  /** Largest request body in bytes. */
  readonly limit: number;
  /** Milliseconds for which a caller may take nothing of what waits for it. */
  readonly readerPatience: number;
  /** Takes the bytes of a whole answer on their way; undefined: they pass as they are. */
  readonly translator?: Transform | undefined;
  /** Adds Tandem's own headers to those of the answer. */
  readonly answerHeaders: (headers: Headers) => OutgoingHttpHeaders;
}

export interface PassthroughOptions extends AgentsOptions {
  readonly streams?: { streamOpened(): void; streamClosed(): void };
}

export interface Passthrough {
  /**
   * Resolves when the answer has ended, whole or not: the exchange and the attempt say how. Rejects with a
   * GatewayError when nothing was answered yet. `request.headers` hold what was sent from then on.
   */
  (request: IncomingMessage, response: ServerResponse, call: PassthroughCall): Promise<void>;
  close(): void;
}

export function createPassthrough(options: PassthroughOptions): Passthrough {
  const agents = new Agents(options);
  const calls = new WeakMap<IncomingMessage, PipedCall>();
  // Loaded with the first piped request: a gateway that only chats starts faster and smaller.
  let middleware: Promise<RequestHandler<IncomingMessage, ServerResponse>> | undefined;

  const pipe = async (request: IncomingMessage, response: ServerResponse, call: PassthroughCall): Promise<void> => {
    const way = agents.wayTo(call.provider, call.credentials);
    const piped = new PipedCall(request, response, call, way, options.streams);
    calls.set(request, piped);
    piped.prepare();
    middleware ??= createMiddleware(calls);
    const handle = await middleware;
    // The rest is told by events; a rejection of the middleware has been told as an error as well.
    handle(request, response).catch((error: Error) => piped.onError(error));
    await piped.ended;
  };
  return Object.assign(pipe, { close: () => agents.close() });
}

async function createMiddleware(calls: WeakMap<IncomingMessage, PipedCall>) {
  const { createProxyMiddleware } = await import("http-proxy-middleware");
  return createProxyMiddleware({
    // Its default plugins log, and answer errors in plain text.
    ejectPlugins: true,
    plugins: [
      (proxy) => {
        proxy.on("proxyReq", (upstream, request) => calls.get(request)?.onUpstream(upstream));
        proxy.on("proxyRes", (answer, request) => calls.get(request)?.onAnswer(answer));
        proxy.on("error", (error, request) => request && calls.get(request)?.onError(error));
        proxy.on("econnreset", () => undefined);
      },
    ],
    selfHandleResponse: true,
    ignorePath: true,
    followRedirects: false,
    // Called once per request with options of its own (http-proxy-middleware, prepareProxyRequest).
    router: (request, _response, own) => {
      const call = calls.get(request);
      if (!call) throw new Error("a request that nobody gave");
      own.agent = call.way.agent;
      if (call.body) own.buffer = call.body;
      return call.target;
    },
  });
}
