/**
 * How does the provider stand-in answer? As fast as a Node process can, so that the proxies in front of it are what is measured.
 *
 * A process of its own: it reports `{ port }` to its parent and then takes `Answer` messages, each confirmed, that say
 * what every POST gets from then on. GET (health checks) always gets an empty list.
 * It is not a simulator: nothing is checked here. The strict one is in simulators/.
 */

import net from "node:net";
import { MessageReader } from "./http1.ts";
import { type Answer, plainAnswer, streamEvents, USAGE_EVENT } from "./traffic.ts";

/** Events written before the loop gets a turn, so that a long stream does not hold up the others. */
const EVENTS_PER_TURN = 50;
const STREAM_HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
const LAST_CHUNK = "0\r\n\r\n";

const USAGE_ASKED = '"include_usage":true';

type Reply = (socket: net.Socket, withUsage: boolean) => void;

const models = jsonReply(Buffer.from('{"object":"list","data":[]}'));
let reply: Reply = replyFor({ kind: "json" });

function jsonReply(body: Buffer): Reply {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: ${body.length}\r\n\r\n`;
  const whole = Buffer.concat([Buffer.from(head), body]);
  return (socket) => void socket.write(whole);
}

function replyFor(answer: Answer): Reply {
  if (answer.kind === "json") return jsonReply(plainAnswer());
  const events = streamEvents(answer.kind === "idle" ? "chat" : answer.api, answer.kind === "idle" ? 1 : answer.chunks);
  const frames = events.map(framed);
  const first = frames[0] as Buffer;
  if (answer.kind === "idle") {
    return (socket) => {
      socket.write(STREAM_HEAD);
      socket.write(first);
    };
  }
  const whole = [...frames, Buffer.from(LAST_CHUNK)];
  // Before `[DONE]` and the last chunk.
  const told = whole.toSpliced(-2, 0, framed(USAGE_EVENT));
  return (socket, withUsage) => {
    socket.write(STREAM_HEAD);
    writeEvents(socket, withUsage ? told : whole, 0, answer.gapMs);
  };
}

function framed(event: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`);
}

/** One write, so one TCP segment, for each event, as providers send them. */
function writeEvents(socket: net.Socket, events: readonly Buffer[], from: number, gapMs: number): void {
  const until = Math.min(events.length, from + (gapMs > 0 ? 1 : EVENTS_PER_TURN));
  let accepted = true;
  for (let at = from; at < until; at += 1) accepted = socket.write(events[at] as Buffer);
  if (until === events.length || socket.destroyed) return;
  const goOn = () => writeEvents(socket, events, until, gapMs);
  if (gapMs > 0) setTimeout(goOn, gapMs);
  else if (accepted) setImmediate(goOn);
  else socket.once("drain", goOn);
}

const server = net.createServer({ noDelay: true }, (socket) => {
  const reader = new MessageReader();
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    if (!reader.push(bytes)) return;
    const isGet = reader.head.startsWith("GET");
    reader.reset();
    (isGet ? models : reply)(socket, bytes.includes(USAGE_ASKED));
  });
});

process.on("message", (answer: Answer) => {
  reply = replyFor(answer);
  process.send?.({ ok: true });
});
process.on("disconnect", () => process.exit(0));
const port = Number(process.argv[2] ?? 0);
server.listen({ port, host: "127.0.0.1", backlog: 4096 }, () => {
  process.send?.({ port: (server.address() as net.AddressInfo).port });
});
