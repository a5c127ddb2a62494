/** How do the events of a stream get onto the wire in time, and how do they break when told to? */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Call, Provider, StreamEvent } from "./call.ts";
import { errorInside } from "./fault-answers.ts";
import { type Fault, numberOf } from "./faults.ts";
import type { Latency } from "./options.ts";
import { cutConnection, writeSplit } from "./write-answer.ts";

const DEFAULT_DELAY_MS = 1_000;
const DEFAULT_TOKEN_MS = 200;
const KEEP_ALIVE_EVERY_MS = 100;
const GARBAGE = "data: \u0001\u0002<<not json>>\n\n";

/** How the stream ended, for the bill. */
export interface StreamEnd {
  /** Output tokens that were written. */
  readonly tokens: number;
  readonly whole: boolean;
}

interface StreamState {
  readonly call: Call;
  readonly fault: Fault | undefined;
  readonly after: number;
  tokens: number;
  /** Content events so far. */
  contents: number;
  splitDone: boolean;
  held: string;
}

/** Writes until the events end, a fault ends them, or the caller has gone. */
export async function writeStream(
  provider: Provider,
  call: Call,
  events: Iterable<StreamEvent>,
  latency: Latency,
): Promise<StreamEnd> {
  const { fault } = call;
  const state: StreamState = {
    call,
    fault,
    after: fault ? numberOf(fault, "after", 1) : 0,
    tokens: 0,
    contents: 0,
    splitDone: false,
    held: "",
  };
  await waitForFirst(provider, call, latency);
  const perTokenMs = fault?.name === "slow-tokens" ? numberOf(fault, "ms", DEFAULT_TOKEN_MS) : latency.perTokenMs;
  for (const event of events) {
    if (isGone(call)) return { tokens: state.tokens, whole: false };
    if (event.kind === "pause") {
      await pause(call, event.ms ?? 0);
      continue;
    }
    if (perTokenMs > 0 && event.kind === "content" && state.contents > 0)
      await pause(call, perTokenMs * (event.tokens ?? 1));
    if (isGone(call)) return { tokens: state.tokens, whole: false };
    const ended = fault ? await writeFaulty(state, event, fault) : await write(call, framed(event));
    if (ended) return { tokens: state.tokens, whole: false };
    call.entry.events += 1;
    state.tokens += event.tokens ?? 0;
    if (event.kind === "content") state.contents += 1;
  }
  call.response.end(state.held);
  return { tokens: state.tokens, whole: true };
}

/** Headers come with the first token, but for a stream that is told to show them before. */
async function waitForFirst(provider: Provider, call: Call, latency: Latency): Promise<void> {
  const { fault } = call;
  const early = fault?.name === "slow-first-token";
  if (!early && latency.firstTokenMs > 0) await pause(call, latency.firstTokenMs);
  if (isGone(call)) return;
  call.entry.status = 200;
  const all = provider.headers(call, true);
  all.push("content-type", "text/event-stream; charset=utf-8");
  call.response.writeHead(200, all);
  if (!early) return;
  const every = numberOf(fault, "every", KEEP_ALIVE_EVERY_MS);
  const until = performance.now() + numberOf(fault, "ms", DEFAULT_DELAY_MS);
  while (performance.now() < until && !isGone(call)) {
    call.response.write(": keep-alive\n\n");
    await pause(call, Math.min(every, Math.max(1, until - performance.now())));
  }
}

function framed(event: StreamEvent): string {
  return event.event === undefined ? `data: ${event.data}\n\n` : `event: ${event.event}\ndata: ${event.data}\n\n`;
}

/** True when the stream must not go on: the caller left. */
async function write(call: Call, text: string): Promise<boolean> {
  if (call.response.write(text)) return false;
  await Promise.race([once(call.response, "drain"), once(call.response, "close")]);
  return isGone(call);
}

/** True when the fault ended the stream. */
async function writeFaulty(state: StreamState, event: StreamEvent, fault: Fault): Promise<boolean> {
  const { call } = state;
  const due = event.kind === "content" && state.contents === state.after;
  const text = framed(event);
  switch (fault.name) {
    case "cut":
      if (due) await cutConnection(call);
      return due || write(call, text);
    case "clean-end":
      if (due) call.response.end();
      return due || write(call, text);
    case "stall":
      return due || write(call, text);
    case "error-event":
      if (due) call.response.end(errorEvent(call, event, fault));
      return due || write(call, text);
    case "malformed":
      return write(call, due ? `${text.slice(0, text.length >> 1)}\n\n` : text);
    case "garbage":
      return write(call, due ? GARBAGE + text : text);
    case "no-done":
      return event.kind === "done" ? false : write(call, text);
    case "crlf":
      return write(call, text.replaceAll("\n", "\r\n"));
    case "one-write":
      state.held += text;
      return false;
    case "split-utf8":
      if (state.splitDone) return write(call, text);
      state.splitDone = await writeSplit(call, Buffer.from(text));
      return false;
    default:
      return write(call, text);
  }
}

/** Chat sends the error as data; an API with named events names it. */
function errorEvent(call: Call, event: StreamEvent, fault: Fault): string {
  const { code, message, body } = errorInside(call.provider, fault);
  if (event.event === undefined) return `data: ${JSON.stringify(body)}\n\n`;
  const data = { type: "error", code, message, param: null, sequence_number: call.entry.events };
  return `event: error\ndata: ${JSON.stringify(data)}\n\n`;
}

function isGone(call: Call): boolean {
  return call.response.destroyed || call.request.socket.destroyed;
}

/** Waits, but not for callers who have gone. */
export async function pause(call: Call, ms: number): Promise<void> {
  const gone = new AbortController();
  const stop = () => gone.abort();
  call.response.once("close", stop);
  await sleep(ms, undefined, { signal: gone.signal }).catch(() => undefined);
  call.response.off("close", stop);
}
