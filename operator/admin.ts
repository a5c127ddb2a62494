/** What does the operator tell probes and scrapers? Nothing here is secret, and nothing can be changed. */
import { createServer, type Server } from "node:http";
import express from "express";

export interface AdminOptions {
  /** Undefined: all is well; else why not. */
  readonly unhealthy: () => string | undefined;
  readonly notReady: () => string | undefined;
  /** Prometheus text format 0.0.4. */
  readonly metrics: () => Promise<string>;
}

/** Milliseconds. */
const REQUEST_TIMEOUT = 10_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 256;

/** Not listening yet. */
export function createAdmin(options: AdminOptions): Server {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  const probe = (path: string, fault: () => string | undefined) => {
    app.get(path, (_request, response) => {
      const why = fault();
      response.status(why === undefined ? 200 : 503).json(why === undefined ? { status: "ok" } : { status: why });
    });
  };
  probe("/healthz", options.unhealthy);
  probe("/readyz", options.notReady);
  app.get("/metrics", async (_request, response) => {
    const text = await options.metrics();
    response.set("content-type", "text/plain; version=0.0.4; charset=utf-8").end(text);
  });
  app.use((_request, response) => {
    response.status(404).json({ error: "There is nothing here: try /metrics, /healthz or /readyz." });
  });
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, app);
  server.headersTimeout = REQUEST_TIMEOUT;
  server.requestTimeout = REQUEST_TIMEOUT;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}
