/**
 * What does the access log say of one request?
 *
 * One JSON object on one line, from the exchange alone: ids, names, times and sizes, never content or secrets. Every
 * request has one: see `json-line.ts` for how it is put together.
 */
import { NANO_PER_USD } from "../../routing/budgets/money.ts";
import type { Spillover } from "../dialects/spillover.ts";
import type { AttemptRecord, Exchange, RealtimeRecord, Usage } from "../exchange.ts";
import { count, cut, duration, flat, name, object, round, since, text } from "./json-line.ts";
import { overheadOf } from "./overhead.ts";

/** The line, with its line end. Durations in milliseconds; absent means unknown. */
export function accessLine(exchange: Exchange, traceID: string | undefined): string {
  const { startedAt, attempts } = exchange;
  const last = attempts.at(-1);
  let line = `{"time":"${isoTime(exchange.time)}","level":"info","msg":"request","request_id":"${exchange.id}"`;
  line += text(',"trace_id":', traceID);
  line += name(',"method":', exchange.method);
  line += text(',"path":', exchange.path);
  line += name(',"operation":', exchange.operation);
  line += name(',"client":', exchange.client);
  line += name(',"namespace":', exchange.namespace);
  line += name(',"residency":', exchange.residency);
  line += name(',"route":', exchange.route);
  line += text(',"model":', exchange.model);
  line += name(',"provider":', last?.provider);
  line += name(',"backend":', last?.backend);
  line += text(',"upstream_model":', last?.upstreamModel);
  line += text(',"provider_request_id":', last?.providerRequestID);
  line += name(',"decision":', exchange.decision);
  line += name(',"hedge":', exchange.hedge);
  line += exchange.stream ? ',"stream":true,"status":' : ',"stream":false,"status":';
  line += exchange.status;
  line += name(',"outcome":', exchange.outcome);
  line += text(',"error_code":', exchange.errorCode);
  line += name(',"error_origin":', exchange.errorOrigin);
  line += since(',"duration_ms":', startedAt, exchange.endedAt);
  line += duration(',"overhead_ms":', overheadOf(exchange));
  line += since(',"first_byte_ms":', startedAt, exchange.firstByteAt);
  line += since(',"first_token_ms":', startedAt, exchange.firstTokenAt);
  line += `,"request_bytes":${exchange.requestBytes},"response_bytes":${exchange.responseBytes}`;
  if (exchange.usage) line += usageOf(exchange.usage);
  if (exchange.cost !== undefined) line += count(',"cost_usd":', exchange.cost / NANO_PER_USD);
  if (exchange.unpriced) line += ',"unpriced":true';
  if (exchange.realtime) line += object(',"realtime":', realtimeEntry(exchange.realtime));
  line += ',"attempts":[';
  for (let i = 0; i < attempts.length; i++) line += (i === 0 ? "" : ",") + attemptEntry(attempts[i] as AttemptRecord);
  line += "]";
  if (exchange.excluded) line += object(',"excluded":', exchange.excluded);
  return flat(`${line}}\n`);
}

function usageOf(usage: Usage): string {
  let line = count(',"input_tokens":', usage.input);
  line += count(',"cached_input_tokens":', usage.cachedInput);
  line += count(',"output_tokens":', usage.output);
  line += count(',"reasoning_tokens":', usage.reasoning);
  line += count(',"audio_input_tokens":', usage.audioInput);
  line += count(',"audio_output_tokens":', usage.audioOutput);
  line += count(',"image_input_tokens":', usage.imageInput);
  line += count(',"image_output_tokens":', usage.imageOutput);
  line += count(',"audio_seconds":', usage.seconds);
  return usage.estimated ? `${line},"usage_estimated":true` : line;
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

function attemptEntry(attempt: AttemptRecord): string {
  const { usage } = attempt;
  let entry = name('{"provider":', attempt.provider);
  entry += name(',"backend":', attempt.backend);
  entry += text(',"model":', attempt.upstreamModel);
  entry += count(',"status":', attempt.status);
  entry += name(',"outcome":', attempt.outcome);
  entry += text(',"detail":', attempt.detail);
  entry += text(',"changed":', attempt.changed);
  if (usage) {
    entry += count(',"input_tokens":', usage.input) + count(',"output_tokens":', usage.output);
    if (usage.estimated) entry += ',"usage_estimated":true';
    if (attempt.cost !== undefined) entry += count(',"cost_usd":', attempt.cost / NANO_PER_USD);
    if (attempt.unpriced) entry += ',"unpriced":true';
  }
  if (attempt.spillover) entry += object(',"spillover":', spilloverEntry(attempt.spillover));
  entry += since(',"response_ms":', attempt.startedAt, attempt.respondedAt);
  entry += since(',"duration_ms":', attempt.startedAt, attempt.endedAt);
  entry += text(',"request_id":', attempt.providerRequestID);
  return `${entry}}`;
}

function spilloverEntry({ to, error }: Spillover): object {
  return { to: to === undefined ? undefined : cut(to), error: error === undefined ? undefined : cut(error) };
}
