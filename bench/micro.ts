/**
 * What do the byte scans cost by themselves, beside parsing the same bytes? One process, no sockets.
 *
 * A scan is of interest only while it is small against a request's whole cost: compare with bench/main.ts.
 */

import { performance } from "node:perf_hooks";
import { BodyScan } from "../proxy/body/scan.ts";
import { EventReader } from "../proxy/sse/reader.ts";
import { type API, type BodyShape, plainAnswer, requestBody, streamEvents } from "./traffic.ts";

/** As Node hands out what arrived on a socket. */
const SOCKET_CHUNK_BYTES = 65_536;
const WANTED = new Set(["model", "stream", "stream_options", "user"]);
const ROUNDS = 7;
const ROUND_MS = 150;

interface Trial {
  readonly name: string;
  readonly bytes: number;
  readonly work: () => unknown;
}

function bodyTrials(shape: BodyShape, name: string): Trial[] {
  const body = requestBody(shape);
  const chunks = inChunks(body);
  return [
    { name: `${name}: scan`, bytes: body.length, work: () => scanned(chunks) },
    {
      name: `${name}: parse and stringify`,
      bytes: body.length,
      work: () => JSON.stringify(JSON.parse(body.toString())),
    },
  ];
}

function inChunks(bytes: Buffer): readonly Buffer[] {
  const count = Math.ceil(bytes.length / SOCKET_CHUNK_BYTES);
  return Array.from({ length: count }, (_, at) =>
    bytes.subarray(at * SOCKET_CHUNK_BYTES, (at + 1) * SOCKET_CHUNK_BYTES),
  );
}

function scanned(chunks: readonly Buffer[]): number {
  const scan = new BodyScan(WANTED);
  for (const chunk of chunks) scan.push(chunk);
  if (!scan.complete || !scan.fields.has("model")) throw new Error("the scan did not find the model");
  return scan.length;
}

/** @param perRead how many events one read from the socket brings. */
function streamTrial(api: API, events: number, perRead: number): Trial {
  const all = streamEvents(api, events);
  const reads: Buffer[] = [];
  for (let at = 0; at < all.length; at += perRead) reads.push(Buffer.from(all.slice(at, at + perRead).join("")));
  const bytes = reads.reduce((sum, read) => sum + read.length, 0);
  const work = () => {
    const reader = new EventReader({ profile: api === "chat" ? "chat" : "typed" });
    for (const read of reads) reader.feed(read);
    if (!reader.whole || reader.dropped > 0) throw new Error("the reader did not take the stream as whole");
  };
  return { name: `${api}: stream of ${events} events, ${perRead} in a read`, bytes, work };
}

/** Microseconds: the fastest of some rounds, the one that was disturbed least. */
function microsOf(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = performance.now();
    let times = 0;
    for (; performance.now() - begun < ROUND_MS; times += 1) work();
    best = Math.min(best, ((performance.now() - begun) * 1000) / times);
  }
  return best;
}

const small = { messages: 1, stream: false } as const;
const answer = plainAnswer();
const trials: readonly Trial[] = [
  ...bodyTrials({ ...small, bytes: 300, modelAt: "first" }, "300 B body"),
  ...bodyTrials({ bytes: 100_000, messages: 20, modelAt: "last", stream: false }, "100 KB body"),
  ...bodyTrials({ bytes: 1_000_000, messages: 100, modelAt: "last", stream: false }, "1 MB body"),
  streamTrial("chat", 50, 1),
  streamTrial("chat", 50, 10),
  streamTrial("chat", 1000, 50),
  streamTrial("responses", 50, 1),
  streamTrial("responses", 1000, 50),
  { name: "610 B answer: parse", bytes: answer.length, work: () => JSON.parse(answer.toString()) },
];

process.stdout.write("| work | bytes | µs | ns a byte |\n|---|---|---|---|\n");
for (const { name, bytes, work } of trials) {
  const micros = microsOf(work);
  process.stdout.write(`| ${name} | ${bytes} | ${micros.toFixed(2)} | ${((micros * 1000) / bytes).toFixed(2)} |\n`);
}
