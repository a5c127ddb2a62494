/**
 * What does a proxy tell those who run it?
 *
 * `/healthz`, `/readyz` and `/metrics` are open, as probes and scrapers expect. `/status` (and `/status/summary`) names providers, routes and
 * addresses: it asks for the admin token, unless the question comes over loopback (a laptop, `kubectl port-forward`).
 * `GET /status/comparisons` holds what callers and models said: it asks for the token over loopback, too, wherever there is one.
 * `POST /status/usage` is the operator's: it hands out budgets, and asks for the token always.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import express, { type ErrorRequestHandler, type RequestHandler, type Response } from "express";
import type { Redacted } from "../routing/secrets.ts";
import type { Question } from "./budgets/question.ts";
import { GatewayError } from "./errors.ts";
import { createServer } from "./node-http.ts";

export interface AdminOptions {
  readonly ready: () => { readonly ok: true } | { readonly ok: false; readonly reason: string };
  /** Plain JSON without secrets. */
  readonly status: () => object;
  /** What the operator asks for, often: the same rules, and short. */
  readonly summary: () => object;
  /** What callers and models said, of one route. */
  readonly comparisons: (route: string) => object;
  /** Who hands out budgets tells and asks. Rejects only with a defect. */
  readonly usage: (question: Question, gone: AbortSignal) => Promise<object>;
  /** Prometheus text format 0.0.4. */
  readonly metrics: () => Promise<string>;
  /** Undefined: nobody outside loopback gets in. It may change. */
  readonly adminToken: () => Redacted | undefined;
}

/** Milliseconds. */
const REQUEST_TIMEOUT = 10_000;
/** Above the intervals at which Prometheus scrapes. */
const KEEP_ALIVE_TIMEOUT = 75_000;
const CHECK_INTERVAL = 1_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Probes, scrapers and people: more is a mistake or an attack. */
const MAX_CONNECTIONS = 256;

const PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8";

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Not listening yet. */
export function createAdmin(options: AdminOptions): Server {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use((_request, response, next) => {
    response.set(SECURITY_HEADERS);
    next();
  });
  app.post("/status/usage", holdersOnly(options.adminToken), json, async (request, response) => {
    // Loaded with the first one: zod costs a start 35 ms and 15 MB.
    const { questionSchema } = await import("./budgets/question.ts");
    const question = questionSchema.safeParse(request.body);
    if (!question.success) throw new GatewayError("invalid_json", "The body is not what an operator tells a proxy.");
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    response.json(await options.usage(question.data, gone.signal));
  });
  app.use(onlyReading);
  app.get("/healthz", (_request, response) => {
    response.json({ status: "ok" });
  });
  app.get("/readyz", (_request, response) => {
    const ready = options.ready();
    if (!ready.ok) throw new GatewayError("not_ready", `The gateway is not ready: ${ready.reason}.`);
    response.json({ status: "ready" });
  });
  app.get("/metrics", async (_request, response) => {
    const text = await options.metrics();
    response.set("content-type", PROMETHEUS_TEXT).end(text);
  });
  app.get("/status", permitted(options.adminToken), (_request, response) => {
    response.json(options.status());
  });
  app.get("/status/summary", permitted(options.adminToken), (_request, response) => {
    response.json(options.summary());
  });
  app.get("/status/comparisons", contentHolders(options.adminToken), ({ query }, response) => {
    if (typeof query.route !== "string") {
      throw new GatewayError("missing_field", "Name the route: /status/comparisons?route=NAMESPACE/NAME.");
    }
    response.json(options.comparisons(query.route));
  });
  app.use(({ path }) => {
    throw new GatewayError(
      "unknown_url",
      `There is no ${shown(path)} here: try /status, /metrics, /healthz or /readyz.`,
    );
  });
  app.use(answerError);
  return limited(createServer({ maxHeaderSize: MAX_HEADER_BYTES, connectionsCheckingInterval: CHECK_INTERVAL }, app));
}

function limited(server: Server): Server {
  server.headersTimeout = REQUEST_TIMEOUT;
  server.requestTimeout = REQUEST_TIMEOUT;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

const onlyReading: RequestHandler = (request, response, next) => {
  if (request.method === "GET" || request.method === "HEAD") return next();
  response.set("allow", "GET, HEAD");
  throw new GatewayError("method_not_allowed", "The admin port only answers GET and HEAD.");
};

/** Of all grants of a proxy. */
const json = express.json({ limit: "4mb" });

/** Lets loopback and the holders of the admin token through. */
function permitted(token: () => Redacted | undefined): RequestHandler {
  const held = holdersOnly(token);
  return (request, response, next) => (isLoopback(request) ? next() : held(request, response, next));
}

/** Whoever may forward a port is not yet someone who may read prompts; on a laptop there is no token and nobody else. */
function contentHolders(token: () => Redacted | undefined): RequestHandler {
  const [held, near] = [holdersOnly(token), permitted(token)];
  return (request, response, next) => (token() === undefined ? near : held)(request, response, next);
}

/** What changes something asks for the token over loopback, too. */
function holdersOnly(token: () => Redacted | undefined): RequestHandler {
  return (request, _response, next) => {
    const wanted = token();
    if (wanted === undefined) {
      throw new GatewayError("invalid_api_key", "No admin token is configured: /status answers over loopback only.");
    }
    const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (given !== undefined && timingSafeEqual(digest(given), digest(wanted.reveal()))) return next();
    throw new GatewayError("invalid_api_key", "The admin token is missing or wrong: send it as Authorization: Bearer.");
  };
}

/** Of equal length, as timingSafeEqual asks. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

const LOOPBACK_PEER = /^(127\.|::ffff:127\.|::1$)/;
const LOOPBACK_HOST = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * The peer's address, not a header. The name that was asked for must be loopback's as well: a web page can make a
 * browser on this machine connect here under a name of its own (DNS rebinding).
 */
function isLoopback({ socket, headers }: IncomingMessage): boolean {
  return LOOPBACK_PEER.test(socket.remoteAddress ?? "") && LOOPBACK_HOST.test(headers.host ?? "");
}

const answerError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error);
  return answer(response, error instanceof GatewayError ? error : unreadable(error));
};

/** As the reader of bodies says it, else a defect. */
function unreadable(error: unknown): GatewayError {
  const { status } = error as { status?: unknown };
  if (status === 413) return new GatewayError("request_too_large", "The body is larger than any that belongs here.");
  if (status === 400) return new GatewayError("invalid_json", "The body is not JSON.");
  return new GatewayError("internal_error", "The gateway failed to answer this.");
}

function answer(response: Response, error: GatewayError): void {
  response.status(error.status).set(error.headers()).end(error.body());
}

function shown(path: string): string {
  return path.length > 100 ? `${path.slice(0, 100)}…` : path;
}
