/**
 * Is tracing on, and what does the pipeline call for it?
 *
 * On when OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set; only then the OpenTelemetry SDK
 * is loaded, which reads the other OTEL_* variables itself. When off, a caller's trace context goes on to the provider
 * unchanged, as W3C Trace Context asks of those who do not take part; a context that is not well-formed goes nowhere.
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Provider } from "../../routing/table.ts";
import type { AttemptRecord, Exchange } from "../exchange.ts";
import type { Logger } from "./log.ts";

/** `traceparent` and, when there is one, `tracestate`. */
export type TraceHeaders = Readonly<Record<string, string>>;

export interface Tracing {
  /** Once per request, before its first attempt. Keeps what it needs in `exchange.trace`. */
  startServer(headers: IncomingHttpHeaders, exchange: Exchange): void;
  /** Once per attempt, before it is sent: the headers that go with it. */
  startAttempt(exchange: Exchange, attempt: AttemptRecord, provider: TracedProvider): TraceHeaders;
  /** Once, when the request has ended: everything else is read from the records. */
  end(exchange: Exchange): void;
  /** 32 hex digits, for the access log. */
  traceID(exchange: Exchange): string | undefined;
  /** Sends what waits. */
  close(): Promise<void>;
}

export type TracedProvider = Pick<Provider, "type" | "endpoint">;

export interface RemoteContext {
  readonly traceID: string;
  readonly spanID: string;
  readonly flags: number;
  readonly headers: TraceHeaders;
}

/** https://www.w3.org/TR/trace-context/#traceparent-header: a later version may append fields, version ff is forbidden. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?$/;
const MAX_TRACEPARENT = 128;
/** W3C: at least 512 characters should be propagated; more is not kept. */
const MAX_TRACESTATE = 512;

/** The caller's trace context; undefined when there is none or it is not well-formed. */
export function readContext(headers: IncomingHttpHeaders): RemoteContext | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== "string" || traceparent.length > MAX_TRACEPARENT) return undefined;
  const match = TRACEPARENT.exec(traceparent);
  if (!match) return undefined;
  const [, version, traceID = "", spanID = "", flags = "", more] = match;
  if (version === "00" && more !== undefined) return undefined;
  const state = Array.isArray(tracestate) ? tracestate.join(",") : tracestate;
  const passed = { traceparent, ...(state && state.length <= MAX_TRACESTATE ? { tracestate: state } : {}) };
  return { traceID, spanID, flags: Number.parseInt(flags, 16), headers: passed };
}

const NO_HEADERS: TraceHeaders = {};

/** Tracing that is off. A request without a trace context costs one property look-up. */
export const PASSING_ON: Tracing = {
  startServer(headers, exchange) {
    if (headers.traceparent !== undefined) exchange.trace = readContext(headers);
  },
  startAttempt(exchange) {
    return (exchange.trace as RemoteContext | undefined)?.headers ?? NO_HEADERS;
  },
  end() {},
  traceID(exchange) {
    return (exchange.trace as RemoteContext | undefined)?.traceID;
  },
  async close() {},
};

/** `env`: where OTEL_* variables are looked for. Never throws: a gateway without traces serves. */
export async function startTracing(env: NodeJS.ProcessEnv, log: Logger): Promise<Tracing> {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const disabled = env.OTEL_SDK_DISABLED?.toLowerCase() === "true" || env.OTEL_TRACES_EXPORTER === "none";
  if (!endpoint || disabled) return PASSING_ON;
  try {
    const { startSpans } = await import("./spans.ts");
    return startSpans(env, log);
  } catch (err) {
    log.error({ err }, "tracing could not be started, serving without traces: check the OTEL_* variables");
    return PASSING_ON;
  }
}
