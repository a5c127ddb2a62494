/**
 * Which spans does one request make?
 *
 * A SERVER span for the request and a CLIENT span for each attempt, named and described by OpenTelemetry's HTTP and
 * GenAI conventions. Spans begin when the pipeline says so, because their ids travel upstream; everything else is
 * taken from the exchange when it has ended. Content is never an attribute. Spans wait in the SDK's bounded queue
 * (OTEL_BSP_MAX_QUEUE_SIZE, 2048) and are dropped when it is full.
 */
import {
  type Attributes,
  type Context,
  createTraceState,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import type { ProviderType } from "../../routing/table.ts";
import type { AttemptOutcome, AttemptRecord, Exchange } from "../exchange.ts";
import type { Logger } from "./log.ts";
import { readContext, type TracedProvider, type TraceHeaders, type Tracing } from "./tracing.ts";

/** Characters kept of what a caller can choose. */
const MAX_TEXT = 256;
/** For sending what waits when the gateway closes. */
const CLOSE_TIMEOUT_MS = 3_000;

/** https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/ */
const PROVIDER_NAME: Readonly<Record<ProviderType, string>> = { OpenAI: "openai", AzureOpenAI: "azure.ai.openai" };
const OPERATION_NAME: Readonly<Record<string, string>> = {
  "chat/completions": "chat",
  responses: "chat",
  completions: "text_completion",
  embeddings: "embeddings",
};

const IS_NO_ERROR: ReadonlySet<AttemptOutcome> = new Set(["ok", "aborted", "superseded"]);

interface AttemptSpan {
  readonly span: Span;
  readonly attempt: AttemptRecord;
  readonly provider: TracedProvider;
}

interface RequestTrace {
  readonly span: Span;
  readonly context: Context;
  readonly attempts: AttemptSpan[];
}

export function startSpans(env: NodeJS.ProcessEnv, log: Logger): Tracing {
  // The SDK's process detector would export the command line; its host and OS detectors add nothing in a pod.
  process.env.OTEL_NODE_RESOURCE_DETECTORS ??= "env,serviceinstance";
  diag.setLogger(diagLogger(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const named = env.OTEL_SERVICE_NAME || env.OTEL_RESOURCE_ATTRIBUTES?.includes("service.name=");
  const sdk = new NodeSDK({
    // Contexts are handed on by hand: async_hooks would cost every request.
    contextManager: null as never,
    textMapPropagator: null,
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
    ...(named ? {} : { serviceName: "tandem" }),
  });
  sdk.start();
  return new Spans(trace.getTracer("tandem"), async () => {
    const given = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref());
    const sent = sdk.shutdown().catch((err) => log.warn({ err }, "the last spans could not be sent"));
    await Promise.race([sent, given]);
    trace.disable();
    diag.disable();
  });
}

class Spans implements Tracing {
  readonly #tracer: Tracer;
  readonly close: () => Promise<void>;

  constructor(tracer: Tracer, close: () => Promise<void>) {
    this.#tracer = tracer;
    this.close = close;
  }

  startServer(headers: Parameters<Tracing["startServer"]>[0], exchange: Exchange): void {
    const remote = readContext(headers);
    const parent = remote ? trace.setSpanContext(ROOT_CONTEXT, spanContext(remote)) : ROOT_CONTEXT;
    const options = {
      kind: SpanKind.SERVER,
      startTime: exchange.time,
      attributes: { "http.request.method": exchange.method },
    };
    const span = this.#tracer.startSpan(exchange.method, options, parent);
    exchange.trace = { span, context: trace.setSpan(parent, span), attempts: [] } satisfies RequestTrace;
  }

  startAttempt(exchange: Exchange, attempt: AttemptRecord, provider: TracedProvider): TraceHeaders {
    const request = exchange.trace as RequestTrace | undefined;
    if (request === undefined) return {};
    const startTime = wallClock(exchange, attempt.startedAt);
    const name = attemptName(exchange, attempt);
    const span = this.#tracer.startSpan(name, { kind: SpanKind.CLIENT, startTime }, request.context);
    request.attempts.push({ span, attempt, provider });
    return traceHeaders(span.spanContext());
  }

  end(exchange: Exchange): void {
    const request = exchange.trace as RequestTrace | undefined;
    if (request === undefined) return;
    const endedAt = exchange.endedAt ?? performance.now();
    request.attempts.forEach((attempt, resends) => {
      endAttempt(exchange, attempt, resends, attempt.attempt.endedAt ?? endedAt);
    });
    const { span } = request;
    if (exchange.operation !== undefined) span.updateName(`${exchange.method} /v1/${exchange.operation}`);
    span.setAttributes(requestAttributes(exchange));
    // HTTP conventions: on a server span a 4xx is the caller's error, not the server's.
    if (exchange.status >= 500 || exchange.outcome === "cut") span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(wallClock(exchange, endedAt));
  }

  traceID(exchange: Exchange): string | undefined {
    return (exchange.trace as RequestTrace | undefined)?.span.spanContext().traceId;
  }
}

function endAttempt(
  exchange: Exchange,
  { span, attempt, provider }: AttemptSpan,
  resends: number,
  endedAt: number,
): void {
  span.setAttributes(attemptAttributes(exchange, attempt, provider));
  if (resends > 0) span.setAttribute("http.request.resend_count", resends);
  if (attempt === exchange.attempts.at(-1) && exchange.usage !== undefined) {
    span.setAttribute("gen_ai.usage.input_tokens", exchange.usage.input);
    span.setAttribute("gen_ai.usage.output_tokens", exchange.usage.output);
  }
  if (attempt.outcome !== undefined && !IS_NO_ERROR.has(attempt.outcome)) {
    span.setAttribute("error.type", attempt.outcome);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end(wallClock(exchange, endedAt));
}

function requestAttributes(exchange: Exchange): Attributes {
  return defined({
    "url.path": cut(exchange.path),
    "url.scheme": "http",
    "http.route": exchange.operation === undefined ? undefined : `/v1/${exchange.operation}`,
    "http.response.status_code": exchange.status || undefined,
    "error.type": exchange.errorCode === undefined ? undefined : cut(exchange.errorCode),
    "tandem.request.id": exchange.id,
    "tandem.client": exchange.client,
    "tandem.route": exchange.route,
    "tandem.decision": exchange.decision,
    "tandem.outcome": exchange.outcome,
  });
}

function attemptAttributes(exchange: Exchange, attempt: AttemptRecord, provider: TracedProvider): Attributes {
  const { hostname, port, protocol } = new URL(provider.endpoint);
  const azure = provider.type === "AzureOpenAI";
  return defined({
    "gen_ai.operation.name": OPERATION_NAME[exchange.operation ?? ""],
    "gen_ai.provider.name": PROVIDER_NAME[provider.type],
    "gen_ai.request.model": cut(attempt.model ?? attempt.upstreamModel),
    "server.address": hostname,
    "server.port": Number(port) || (protocol === "http:" ? 80 : 443),
    "http.request.method": exchange.method,
    "http.response.status_code": attempt.status,
    "tandem.request.id": exchange.id,
    "tandem.provider": attempt.provider,
    "tandem.backend": attempt.backend,
    "tandem.deployment": azure ? attempt.upstreamModel : undefined,
    "tandem.provider.request_id": attempt.providerRequestID,
    // The registry's name for the id that Azure's support asks for.
    "azure.service.request.id": azure ? attempt.providerRequestID : undefined,
    "tandem.attempt.changed": attempt.changed,
    "tandem.attempt.detail": attempt.detail === undefined ? undefined : cut(attempt.detail),
  });
}

/** GenAI conventions: `{operation} {model}`; calls that are only piped get HTTP's name. */
function attemptName(exchange: Exchange, attempt: AttemptRecord): string {
  const operation = OPERATION_NAME[exchange.operation ?? ""];
  return operation === undefined ? exchange.method : `${operation} ${cut(attempt.model ?? attempt.upstreamModel)}`;
}

function spanContext(remote: NonNullable<ReturnType<typeof readContext>>): SpanContext {
  const { tracestate } = remote.headers;
  return {
    traceId: remote.traceID,
    spanId: remote.spanID,
    traceFlags: remote.flags & 1,
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  };
}

function traceHeaders({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceHeaders {
  const traceparent = `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  const tracestate = traceState?.serialize();
  return tracestate ? { traceparent, tracestate } : { traceparent };
}

/** Unix milliseconds of a moment on the monotonic clock. */
function wallClock(exchange: Exchange, at: number): number {
  return exchange.time + (at - exchange.startedAt);
}

function defined(attributes: Readonly<Record<string, string | number | undefined>>): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as Attributes;
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text;
}

/** The SDK's complaints without their arguments, which may hold a request to the collector with its headers. */
function diagLogger(log: Logger): Parameters<typeof diag.setLogger>[0] {
  const ignore = () => {};
  return {
    error: (message) => log.warn({ component: "opentelemetry" }, cut(message)),
    warn: (message) => log.warn({ component: "opentelemetry" }, cut(message)),
    info: ignore,
    debug: ignore,
    verbose: ignore,
  };
}
