/**
 * What does a plain reverse proxy on Node cost? node:http in front, undici's dispatcher with raw handlers behind, both
 * directions streamed with backpressure. No routing, no keys, no log: the floor under every gateway built from these parts.
 *
 * Usage: node undici-proxy.ts UPSTREAM_PORT PORT
 */

import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http";
import { type Dispatcher, Pool } from "undici";

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "host",
  "expect",
]);
const [upstreamPort, port] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: null, headersTimeout: 0, bodyTimeout: 0 });

function requestHeaders(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string;
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, raw[at + 1] as string);
  }
  return kept;
}

function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {};
  for (const name in headers) if (!HOP_BY_HOP.has(name)) kept[name] = headers[name];
  return kept;
}

function relay(response: http.ServerResponse): Dispatcher.DispatchHandler {
  let paused: Dispatcher.DispatchController | undefined;
  response.on("drain", () => paused?.resume());
  return {
    onRequestStart(controller) {
      response.on("close", () => {
        if (!response.writableFinished) controller.abort(new Error("the client went away"));
      });
    },
    onResponseStart(_controller, status, headers) {
      response.writeHead(status, answerHeaders(headers));
    },
    onResponseData(controller, chunk) {
      if (response.write(chunk)) return;
      paused = controller;
      controller.pause();
    },
    onResponseEnd() {
      response.end();
    },
    onResponseError() {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  };
}

http
  .createServer((request, response) => {
    const headers = requestHeaders(request.rawHeaders);
    const method = request.method as Dispatcher.HttpMethod;
    const body = method === "GET" || method === "HEAD" ? null : request;
    pool.dispatch({ path: request.url as string, method, headers, body }, relay(response));
  })
  .listen({ port, host: "127.0.0.1", backlog: 4096 });
