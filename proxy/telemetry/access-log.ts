/**
 * What does the access log say of one request?
 *
 * One JSON object on one line, from the exchange alone: ids, names, times and sizes, never content or secrets. Texts are
 * cut to a length: a caller chooses some of them (model, path). It is put together by hand, straight into the buffered
 * destination: half of what JSON.stringify of an object costs, a quarter of a logger's call, and every request has one.
 */
import { NANO_PER_USD } from "../../routing/budgets/money.ts";
import type { Spillover } from "../dialects/spillover.ts";
import type { AttemptRecord, Exchange, RealtimeRecord, Usage } from "../exchange.ts";
import { escapeControls } from "./log.ts";
import { overheadOf } from "./overhead.ts";

const MICROS_PER_MS = 1000;
const OPEN_BRACE = 0x7b;
/** Characters kept of a text. */
const MAX_TEXT = 256;
/** Anything but printable ASCII without quote and backslash. */
const NEEDS_ESCAPING = /[^ !#-[\]-~]/;

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
  line += name(',"error_code":', exchange.errorCode);
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

/**
 * V8 keeps a text that was put together as a tree of its parts until somebody looks at a letter of it. Joined later, among
 * many, the parts have left the processor's cache.
 */
function flat(text: string): string {
  return text.charCodeAt(0) === OPEN_BRACE ? text : `${text}`;
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

/** A member behind others, by its name as JSON writes it; nothing when its value is not known. */
function text(member: string, value: string | undefined): string {
  return value === undefined ? "" : member + quoted(value);
}

const quotedNames = new Map<string, string>();
/** All names of a large table, and Tandem's own words. */
const MOST_NAMES = 20_000;

/** The same for what configuration or Tandem itself calls something: few values, which come again with every request. */
function name(member: string, value: string | undefined): string {
  return value === undefined ? "" : member + (quotedNames.get(value) ?? quotedName(value));
}

function quotedName(value: string): string {
  if (quotedNames.size >= MOST_NAMES) quotedNames.clear();
  const made = quoted(value);
  quotedNames.set(value, made);
  return made;
}

function count(member: string, value: number | undefined): string {
  return value === undefined ? "" : member + value;
}

function since(member: string, start: number, end: number | undefined): string {
  return end === undefined ? "" : duration(member, end - start);
}

/** `.000` to `.999`: to write a fraction costs as much as to write the rest of a line's member. */
const FRACTIONS = Array.from({ length: MICROS_PER_MS }, (_, micros) => `.${String(micros).padStart(3, "0")}`);

/** To the microsecond. */
function duration(member: string, ms: number): string {
  const micros = Math.round(ms * MICROS_PER_MS);
  // A clock that was read in two places may go back by a hair.
  if (!(micros >= 0)) return count(member, Number.isNaN(micros) ? undefined : micros / MICROS_PER_MS);
  const fraction = micros % MICROS_PER_MS;
  return member + (micros - fraction) / MICROS_PER_MS + FRACTIONS[fraction];
}

/** What seldom is there, however it looks. */
function object(member: string, value: object): string {
  return member + escapeControls(JSON.stringify(value));
}

/** Nearly all texts are names, which nothing of has to be escaped. */
function quoted(value: string): string {
  const kept = cut(value);
  return NEEDS_ESCAPING.test(kept) ? escapeControls(JSON.stringify(kept)) : `"${kept}"`;
}

function cut(value: string): string {
  return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
}

/** Microseconds are enough, and short numbers make short lines. */
function round(ms: number): number {
  return Math.round(ms * MICROS_PER_MS) / MICROS_PER_MS;
}
