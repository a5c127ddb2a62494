/** Does a caller who breaks off, does not read, or sends what is no WebSocket's, leave nothing behind? */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { client } from "../../e2e/over-simulators.ts";
import { MODEL, openai, Peer, route } from "../../e2e/realtime-world.ts";
import { FakeRealtime } from "../../fakes/realtime-provider.ts";
import { KEY, startHarness } from "../harness.ts";

const provider = await new FakeRealtime().start();
const limits = { maxConcurrent: 100 };
const spec = { concurrency: { max: 100 } };
const objects = [openai("openai", spec), route(["openai"]), client({ limits })];
const harness = await startHarness({ openai: provider.url, azure: provider.url, objects });
const at = `${harness.url}/v1/realtime?model=${MODEL}`;
const { hostname, port } = new URL(harness.url);

/** A caller that writes its own bytes. */
function knock(): Socket {
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const lines = [
    `GET /v1/realtime?model=${MODEL} HTTP/1.1`,
    "host: gateway",
    `authorization: Bearer ${KEY}`,
    "connection: Upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    "sec-websocket-extensions: permessage-deflate",
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  return socket;
}

/** Nothing is counted as open, anywhere. */
async function untilNothingIsOpen(): Promise<void> {
  for (let i = 0; ; i++) {
    const { providers, limits } = (await harness.status()) as {
      providers: { calls: { inFlight: number } }[];
      limits: { concurrent: { running: number } }[];
    };
    const metrics = await (await fetch(`${harness.gateway.adminUrl}/metrics`)).text();
    const counts = [
      providers[0]?.calls.inFlight,
      limits[0]?.concurrent.running ?? 0,
      Number(/tandem_open_streams (\d+)/.exec(metrics)?.[1]),
      provider.sockets.filter(({ readyState, CLOSED }) => readyState !== CLOSED).length,
    ];
    if (counts.every((count) => count === 0)) return;
    assert.ok(i < 300, `still open: ${counts.join(", ")}`);
    await sleep(10);
  }
}

test("a caller whose reset comes together with the provider's 101 leaves no session", async () => {
  for (let i = 0; i < 10; i++) {
    const accepted = new Promise<void>((resolve) => {
      provider.intercept = (far) => {
        const key = provider.requests.at(-1)?.headers["sec-websocket-key"];
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
        setImmediate(() => {
          // Both in one turn: the gateway hears of them in one turn as well.
          socket.resetAndDestroy();
          const lines = ["upgrade: websocket", "connection: upgrade", `sec-websocket-accept: ${accept}`];
          far.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`);
          resolve();
        });
        return true;
      };
    });
    const socket = knock();
    await accepted;
  }
  provider.intercept = undefined;
  await untilNothingIsOpen();
});

test("whoever breaks off at any moment leaves no session", async () => {
  const sockets: Socket[] = [];
  for (let i = 0; i < 60; i++) {
    const socket = knock();
    sockets.push(socket);
    const end = [() => socket.destroy(), () => socket.resetAndDestroy(), () => socket.end()][i % 3] as () => void;
    if (i % 4 === 0) socket.once("data", end);
    else setTimeout(end, i % 20);
  }
  await Promise.all(sockets.map((socket) => (socket.closed ? undefined : once(socket, "close"))));
  await untilNothingIsOpen();
});

/** What the gateway says and how it ends, to these bytes behind the 101. */
async function answerTo(...bytes: readonly number[]): Promise<{ readonly head: string; readonly code: number }> {
  const socket = knock();
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(socket, "data");
  const end = provider.closed();
  socket.write(Buffer.from(bytes));
  await Promise.all([once(socket, "close"), end]);
  const all = Buffer.concat(chunks);
  const headEnd = all.indexOf("\r\n\r\n") + 4;
  assert.equal(all[headEnd], 0x88, "a close frame");
  return { head: all.toString("latin1", 0, headEnd), code: all.readUInt16BE(headEnd + 2) };
}

test("frames that break the protocol end the session with a code", async () => {
  for (const [what, bytes, code] of [
    ["not masked", [0x81, 0x01, 0x61], 1002],
    ["compressed, which was not agreed", [0xc1, 0x81, 1, 2, 3, 4, 0x60], 1002],
    ["an opcode that is none", [0x83, 0x80, 1, 2, 3, 4], 1002],
    ["a continuation of nothing", [0x80, 0x80, 1, 2, 3, 4], 1002],
    ["a ping in pieces", [0x09, 0x80, 1, 2, 3, 4], 1002],
    ["a ping of 126 bytes", [0x89, 0xfe, 0, 126, 1, 2, 3, 4], 1002],
    ["text that is no UTF-8", [0x81, 0x81, 0, 0, 0, 0, 0xff], 1007],
    ["a close with a reserved code", [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002],
    ["2^62 bytes announced", [0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1009],
  ] as const) {
    const answer = await answerTo(...bytes);
    assert.equal(answer.code, code, what);
    assert.doesNotMatch(answer.head, /sec-websocket-extensions/i);
  }
  await untilNothingIsOpen();
});

test("a flood of pings whose answers nobody reads, and a frame in endless pieces, end the session", async () => {
  const ping = Buffer.from([0x89, 0xfd, ...Array<number>(129).fill(0)]);
  const piece = Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x61]);
  const more = Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x61]);
  for (const [first, rest] of [
    [ping, ping],
    [piece, more],
  ] as const) {
    const socket = knock();
    await once(socket, "data");
    socket.pause();
    const end = provider.closed();
    socket.write(Buffer.concat([first, ...Array<Buffer>(100_000).fill(rest)]));
    assert.equal((await end).code, 1001);
    socket.destroy();
  }
  await untilNothingIsOpen();
});

test("a caller that does not read what it is told of its mistakes is not read either", {
  timeout: 60_000,
}, async () => {
  const peer = await Peer.open(at);
  peer.socket.pause();
  const count = 40_000;
  const eventID = "e".repeat(480);
  const frame = JSON.stringify({ type: "session.update", event_id: eventID, session: { model: "not-mine" } });
  for (let i = 0; i < count; i++) peer.socket.send(frame);
  for (let last = -1; last !== peer.socket.bufferedAmount; await sleep(1500)) last = peer.socket.bufferedAmount;
  const taken = count * frame.length - peer.socket.bufferedAmount;
  // What the kernel's buffers hold of both ways, and what the gateway may keep.
  assert.ok(taken < 16 * 1024 ** 2, `${taken} bytes were taken of a caller that reads nothing`);
  peer.socket.resume();
  for (let i = 0; i < 3000 && peer.frames.length < count; i++) await sleep(10);
  assert.equal(peer.frames.length, count, "all are told in the end");
  await peer.close();
  await untilNothingIsOpen();
});
