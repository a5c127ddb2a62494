/**
 * How fast, and how late, do answers come? The load client: a process of its own that takes one order at a time and reports a result.
 *
 * Raw sockets with one shared read buffer: it must cost much less than any target. It checks every answer (status and payload length).
 */

import { performance } from "node:perf_hooks";
import { Caller, type LoadResult, Tally } from "./caller.ts";
import { type BodyShape, type PayloadSize, requestBody } from "./traffic.ts";

export interface Order {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: BodyShape;
  /** Payload of a right answer; undefined: hold the stream open after its first byte. */
  readonly payload: PayloadSize | undefined;
  readonly pattern:
    | { readonly kind: "closed"; readonly connections: number; readonly seconds: number }
    /** Requests start at a fixed rate, whether or not earlier ones were answered. */
    | { readonly kind: "open"; readonly perSecond: number; readonly seconds: number }
    /** Opens that many streams and keeps them until the next order. */
    | { readonly kind: "hold"; readonly streams: number };
}

/** A target that fails this often is not measured any further. */
const MAX_ERRORS = 20;
/** Answers still out when the time is up get this long. */
const GRACE_MS = 10_000;
const OPENING_AT_ONCE = 100;
const OPENING_TIMEOUT_MS = 120_000;
/** Held streams stay open this long before they count. */
const SETTLE_MS = 2_000;
let held: Caller[] = [];

async function run(order: Order): Promise<LoadResult> {
  for (const caller of held) caller.destroy();
  held = [];
  const tally = new Tally();
  const request = requestOf(order);
  if (order.pattern.kind === "closed") await closedLoop(order, request, tally, order.pattern);
  else if (order.pattern.kind === "open") await openLoop(order, request, tally, order.pattern);
  else await hold(order, request, tally, order.pattern.streams);
  return tally.result();
}

function requestOf(order: Order): Buffer {
  const body = requestBody(order.body);
  const headers = { host: `${order.host}:${order.port}`, ...order.headers, "content-length": String(body.length) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${order.path} HTTP/1.1\r\n${lines.join("")}\r\n`), body]);
}

function closedLoop(
  order: Order,
  request: Buffer,
  tally: Tally,
  pattern: { connections: number; seconds: number },
): Promise<void> {
  return new Promise((resolve) => {
    const deadline = tally.startedAt + pattern.seconds * 1000;
    let active = pattern.connections;
    const grace = setTimeout(
      () => {
        tally.fail(`no answer ${GRACE_MS / 1000} s after the end`);
        resolve();
      },
      pattern.seconds * 1000 + GRACE_MS,
    );
    const next = (caller: Caller): void => {
      if (performance.now() >= deadline || tally.errors >= MAX_ERRORS) {
        caller.destroy();
        active -= 1;
        if (active > 0) return;
        clearTimeout(grace);
        resolve();
      } else if (caller.closed) new Caller(order, tally, next).send(request);
      else caller.send(request);
    };
    for (let n = 0; n < pattern.connections; n += 1) new Caller(order, tally, next).send(request);
  });
}

async function openLoop(
  order: Order,
  request: Buffer,
  tally: Tally,
  pattern: { perSecond: number; seconds: number },
): Promise<void> {
  const total = pattern.perSecond * pattern.seconds;
  const free: Caller[] = [];
  const idle = (caller: Caller) => void free.push(caller);
  let sent = 0;
  while (sent < total && tally.errors < MAX_ERRORS) {
    const due = Math.min(total, ((performance.now() - tally.startedAt) * pattern.perSecond) / 1000);
    for (; sent < due; sent += 1) freeCaller(free, () => new Caller(order, tally, idle)).send(request);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const graceUntil = performance.now() + GRACE_MS;
  while (tally.latencies.length + tally.errors < sent && performance.now() < graceUntil) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const missing = sent - tally.latencies.length - tally.errors;
  if (missing > 0) tally.fail(`${missing} requests without an answer after ${GRACE_MS / 1000} s`);
  for (const caller of free) caller.destroy();
}

/** The last one used first, so that the others go idle as they would in a pool. */
function freeCaller(free: Caller[], open: () => Caller): Caller {
  for (let caller = free.pop(); caller !== undefined; caller = free.pop()) if (!caller.closed) return caller;
  return open();
}

async function hold(order: Order, request: Buffer, tally: Tally, streams: number): Promise<void> {
  let opened = 0;
  const open = () => {
    if (opened >= streams || tally.errors >= MAX_ERRORS) return;
    opened += 1;
    const caller = new Caller(order, tally, open);
    held.push(caller);
    caller.send(request);
  };
  for (let n = 0; n < Math.min(streams, OPENING_AT_ONCE); n += 1) open();
  const until = performance.now() + OPENING_TIMEOUT_MS;
  const finished = () => tally.latencies.length >= streams || tally.errors >= MAX_ERRORS;
  while (!finished() && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const lost = held.filter((caller) => caller.closed).length;
  if (lost > tally.errors) tally.fail(`${lost} of ${streams} streams did not stay open`);
}

process.on("message", (order: Order) => {
  run(order).then(
    (result) => process.send?.(result),
    (error) => process.send?.({ requests: 0, errors: 1, firstError: String(error), seconds: 0 }),
  );
});
process.on("disconnect", () => process.exit(0));
