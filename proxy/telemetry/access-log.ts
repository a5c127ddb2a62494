/**
 * What does the access log say of one request?
 *
 * One JSON object on one line, from the exchange alone: ids, names, times and sizes, never content or secrets. What a
 * caller can choose (model, path) is cut to a length. JSON.stringify straight into the buffered destination costs
 * half of what a logger call costs, and nothing here needs levels or serializers.
 */
import type { Spillover } from "../dialects/spillover.ts";
import type { AttemptRecord, Exchange, RealtimeRecord } from "../exchange.ts";
import { escapeControls } from "./log.ts";
import { overheadOf } from "./overhead.ts";

const NANO_PER_USD = 1_000_000_000;
/** Characters kept of what a caller can choose. */
const MAX_TEXT = 256;

/** The line, with its line end. Durations in milliseconds; absent means unknown. */
export function accessLine(exchange: Exchange, traceID: string | undefined): string {
  const { startedAt, attempts, usage } = exchange;
  const last = attempts.at(-1);
  const line = {
    time: isoTime(exchange.time),
    level: "info",
    msg: "request",
    request_id: exchange.id,
    trace_id: traceID,
    method: exchange.method,
    path: cut(exchange.path),
    operation: exchange.operation,
    client: exchange.client,
    namespace: exchange.namespace,
    residency: exchange.residency,
    route: exchange.route,
    model: exchange.model === undefined ? undefined : cut(exchange.model),
    provider: last?.provider,
    backend: last?.backend,
    upstream_model: last === undefined ? undefined : cut(last.upstreamModel),
    provider_request_id: last?.providerRequestID,
    decision: exchange.decision,
    hedge: exchange.hedge,
    stream: exchange.stream,
    status: exchange.status,
    outcome: exchange.outcome,
    error_code: exchange.errorCode === undefined ? undefined : cut(exchange.errorCode),
    error_origin: exchange.errorOrigin,
    duration_ms: since(startedAt, exchange.endedAt),
    overhead_ms: round(overheadOf(exchange)),
    first_byte_ms: since(startedAt, exchange.firstByteAt),
    first_token_ms: since(startedAt, exchange.firstTokenAt),
    request_bytes: exchange.requestBytes,
    response_bytes: exchange.responseBytes,
    input_tokens: usage?.input,
    cached_input_tokens: usage?.cachedInput,
    output_tokens: usage?.output,
    reasoning_tokens: usage?.reasoning,
    audio_input_tokens: usage?.audioInput,
    audio_output_tokens: usage?.audioOutput,
    image_input_tokens: usage?.imageInput,
    image_output_tokens: usage?.imageOutput,
    audio_seconds: usage?.seconds,
    usage_estimated: usage?.estimated,
    cost_usd: exchange.cost === undefined ? undefined : exchange.cost / NANO_PER_USD,
    unpriced: exchange.unpriced,
    realtime: exchange.realtime && realtimeEntry(exchange.realtime),
    attempts: attempts.map(attemptEntry),
    excluded: exchange.excluded,
  };
  return `${escapeControls(JSON.stringify(line))}\n`;
}

let lastTime = Number.NaN;
let lastIsoTime = "";

/** Many requests share a millisecond. */
function isoTime(unixMilliseconds: number): string {
  if (unixMilliseconds !== lastTime) {
    lastTime = unixMilliseconds;
    lastIsoTime = new Date(unixMilliseconds).toISOString();
  }
  return lastIsoTime;
}

function realtimeEntry(session: RealtimeRecord): object {
  const { transcribed } = session;
  return {
    close_code: session.closeCode,
    closed_by: session.closedBy,
    reason: session.reason === undefined ? undefined : cut(session.reason),
    session_id: session.sessionID === undefined ? undefined : cut(session.sessionID),
    frames_in: session.framesIn,
    frames_out: session.framesOut,
    responses: session.responses,
    unfinished: session.unfinished,
    errors: session.errors,
    first_token_ms: session.firstTokenMs === undefined ? undefined : round(session.firstTokenMs),
    transcribed_input_tokens: transcribed?.inputTokens,
    transcribed_output_tokens: transcribed?.outputTokens,
    transcribed_seconds: transcribed?.seconds,
  };
}

function attemptEntry(attempt: AttemptRecord): object {
  return {
    provider: attempt.provider,
    backend: attempt.backend,
    model: cut(attempt.upstreamModel),
    status: attempt.status,
    outcome: attempt.outcome,
    detail: attempt.detail === undefined ? undefined : cut(attempt.detail),
    changed: attempt.changed,
    input_tokens: attempt.usage?.input,
    output_tokens: attempt.usage?.output,
    usage_estimated: attempt.usage?.estimated,
    spillover: attempt.spillover && spilloverEntry(attempt.spillover),
    response_ms: since(attempt.startedAt, attempt.respondedAt),
    duration_ms: since(attempt.startedAt, attempt.endedAt),
    request_id: attempt.providerRequestID,
  };
}

function spilloverEntry({ to, error }: Spillover): object {
  return { to: to === undefined ? undefined : cut(to), error: error === undefined ? undefined : cut(error) };
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function since(start: number, end: number | undefined): number | undefined {
  return end === undefined ? undefined : round(end - start);
}

/** Microseconds are enough, and short numbers make short lines. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
