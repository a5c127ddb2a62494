/** How do whole answers and refusals get onto the wire, and how do they break on the way when told to? */

import { setTimeout as sleep } from "node:timers/promises";
import type { Arrival, Call, Provider } from "./call.ts";
import type { Failure } from "./errors.ts";
import { errorInside } from "./fault-answers.ts";
import type { Fault } from "./faults.ts";

const JSON_TYPE = "application/json";
/** Long enough for the bytes before a cut to be read on the other side as such. */
export const BEFORE_CUT_MS = 10;

/** Writes a refusal, which may come before anything is known of the request. */
export function writeFailure(provider: Provider, call: Arrival, failure: Failure): void {
  const body = typeof failure.body === "string" ? failure.body : JSON.stringify(failure.body);
  const type = failure.contentType ?? JSON_TYPE;
  const all = provider.headers(call, false);
  if (failure.headers) all.push(...failure.headers);
  all.push("content-type", type, "content-length", String(Buffer.byteLength(body)));
  call.entry.status = failure.status;
  call.response.writeHead(failure.status, all);
  call.response.end(body);
}

/** Writes a whole body; a fault whose place is the body breaks it. */
export async function writeWhole(
  provider: Provider,
  call: Call,
  body: string | Buffer,
  type = JSON_TYPE,
  headers: readonly string[] = [],
): Promise<void> {
  call.entry.status = 200;
  const all = provider.headers(call, false);
  all.push(...headers);
  all.push("content-type", type);
  if (call.fault) return breakWhole(call, Buffer.from(body), all, call.fault);
  all.push("content-length", String(Buffer.byteLength(body)));
  call.response.writeHead(200, all);
  call.response.end(body);
}

async function breakWhole(call: Call, body: Buffer, all: string[], fault: Fault): Promise<void> {
  const { response } = call;
  const half = body.subarray(0, body.length >> 1);
  switch (fault.name) {
    case "cut":
    case "stall":
      response.writeHead(200, [...all, "content-length", String(body.length)]);
      response.write(half);
      if (fault.name === "cut") await cutConnection(call);
      return;
    case "clean-end":
    case "malformed":
    case "garbage":
      response.writeHead(200, [...all, "content-length", String(half.length)]);
      response.end(half);
      return;
    case "error-event":
      response.writeHead(200, all);
      response.end(JSON.stringify(errorInside(call.provider, fault).body));
      return;
    case "split-utf8":
      response.writeHead(200, [...all, "content-length", String(body.length)]);
      await writeSplit(call, body);
      response.end();
      return;
    default:
      response.writeHead(200, [...all, "content-length", String(body.length)]);
      response.end(body);
  }
}

/** Lets what was written go out, then ends the connection inside the answer. */
export async function cutConnection(call: Call): Promise<void> {
  await sleep(BEFORE_CUT_MS);
  call.entry.tookMs = performance.now() - call.startedAt;
  call.request.socket.destroySoon();
}

const CONTINUATION_BITS = 0b1100_0000;
const CONTINUATION = 0b1000_0000;

/** Two writes, the first of which ends inside a character, if the bytes have one of several bytes. */
export async function writeSplit(call: Call, bytes: Buffer): Promise<boolean> {
  const at = bytes.findIndex((byte) => (byte & CONTINUATION_BITS) === CONTINUATION);
  if (at < 0) {
    call.response.write(bytes);
    return false;
  }
  call.response.write(bytes.subarray(0, at));
  await sleep(BEFORE_CUT_MS);
  call.response.write(bytes.subarray(at));
  return true;
}
