/** Does a session pass everything, in bounds, and end as its ends say? */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RealtimeLimits } from "../../../proxy/realtime/limits.ts";
import { LogDestination } from "../../../proxy/telemetry/log.ts";
import { client } from "../../e2e/over-simulators.ts";
import { MODEL, openai, Peer, refused, route } from "../../e2e/realtime-world.ts";
import { FakeRealtime } from "../../fakes/realtime-provider.ts";
import { type Harness, startHarness } from "../harness.ts";

const MEBIBYTE = 1024 ** 2;
const folder = await mkdtemp(join(tmpdir(), "tandem-realtime-"));
after(() => rm(folder, { recursive: true, force: true }));
const provider = await new FakeRealtime().start();

interface World extends Harness {
  readonly at: string;
  /** A line of the access log. */
  line(isIt: (line: Line) => boolean): Promise<Line>;
}

interface Line {
  readonly [field: string]: unknown;
  readonly realtime?: Record<string, unknown>;
}

async function start(limits: Partial<RealtimeLimits> = {}, url = provider.url, file = "/dev/null"): Promise<World> {
  const objects = [openai(), route(["openai"]), client()];
  const accessLog = file === "/dev/null" ? undefined : new LogDestination(file);
  const harness = await startHarness({ openai: url, azure: url, objects, realtime: limits, accessLog });
  const lines = async () => (await readFile(file, "utf8").catch(() => "")).trim().split("\n").filter(Boolean);
  return Object.assign(harness, {
    at: `${harness.url}/v1/realtime?model=${MODEL}`,
    line: async (isIt: (line: Line) => boolean) => {
      for (let i = 0; i < 200; i++) {
        const found = (await lines()).map((one) => JSON.parse(one) as Line).find(isIt);
        if (found) return found;
        await sleep(20);
      }
      throw new Error("no such line came");
    },
  });
}

const of =
  ({ headers }: Peer) =>
  ({ request_id }: Line) =>
    request_id === headers["x-request-id"];

const usage = (input: number, output: number) => ({
  type: "response.done",
  event_id: "event_2",
  response: {
    id: "resp_1",
    output: [{ content: [{ transcript: 'with "usage": {} in it' }] }],
    usage: {
      input_tokens: input,
      output_tokens: output,
      input_token_details: { cached_tokens: 2, audio_tokens: 3 },
      output_token_details: { audio_tokens: 4 },
    },
  },
});

/** The one for all tests that change nothing. */
const shared = await start({}, provider.url, join(folder, "access.log"));

test("frames pass both ways byte for byte", async () => {
  const heard: string[] = [];
  provider.greet = (socket) => {
    socket.on("message", (data) => {
      heard.push(String(data));
      socket.send(data, { binary: false });
    });
  };
  const peer = await Peer.open(shared.at);
  const frames = [
    '{"type":"input_audio_buffer.append","audio":"AAAA"}',
    '  { "audio" : "BB\\/\\u0041==",\n\t"type":"input_audio_buffer.append" } ',
    '{"type":"conversation.item.create","item":{"text":"Grüße 🎧 \\ud83c\\udfa7","n":1.0e2}}',
    '{"type":"session.update","session":{"type":"realtime","instructions":"é \\"model\\""}}',
    `{"type":"x","big":"${"a".repeat(200_000)}"}`,
  ];
  for (const frame of frames) peer.socket.send(frame);
  for (let i = 0; i < 200 && peer.frames.length < frames.length; i++) await sleep(5);
  assert.deepEqual(heard, frames);
  assert.deepEqual(peer.frames, frames);
  await peer.close();
});

test("what the provider sends with its 101 is not lost", async () => {
  provider.greet = (socket) => {
    for (let n = 0; n < 50; n++) socket.send(`{"type":"n","n":${n}}`);
    socket.close(4000, "that was all");
  };
  const peer = await Peer.open(shared.at);
  const end = await peer.closed;
  assert.deepEqual(end, { code: 4000, reason: "that was all" });
  assert.equal(peer.frames.length, 50);
});

test("an answer that is no 101, and an address that is not allowed, are nobody's session", async () => {
  provider.intercept = (socket) => {
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    return true;
  };
  const plain = await refused(shared.at);
  provider.intercept = (socket) => {
    socket.end("HTTP/1.1 101 Hm\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: wrong\r\n\r\n");
    return true;
  };
  const wrong = await refused(shared.at);
  provider.intercept = undefined;
  for (const answer of [plain, wrong]) assert.deepEqual([answer.status, answer.error.code], [502, "upstream_invalid"]);
  const world = await start({}, provider.url, join(folder, "denied.log"));
  world.apply([openai("openai", { endpoint: "https://localhost:9/v1" }), route(["openai"]), client()]);
  const denied = await refused(world.at);
  assert.deepEqual([denied.status, denied.error.code], [502, "upstream_unreachable"]);
  const { attempts } = await world.line(() => true);
  assert.match(JSON.stringify(attempts), /"outcome":"connect_error","detail":"[^"]*loopback/);
});

test("close codes pass both ways", async () => {
  provider.greet = () => undefined;
  for (const [code, reason] of [
    [1000, "done"],
    [1008, "policy"],
    [3000, ""],
    [4999, "own"],
  ] as const) {
    const one = await Peer.open(shared.at);
    provider.socket.close(code, reason);
    assert.deepEqual(await one.closed, { code, reason });
    const other = await Peer.open(shared.at);
    const end = provider.closed();
    other.socket.close(code, reason);
    assert.deepEqual(await end, { code, reason });
  }
  const silent = await Peer.open(shared.at);
  const end = provider.closed();
  silent.socket.close();
  assert.equal((await end).code, 1005);
});

test("a connection that breaks is never taken for an end", async () => {
  provider.greet = (socket) => socket.send('{"type":"response.created"}');
  const peer = await Peer.open(shared.at);
  await peer.until("response.created");
  provider.socket.terminate();
  assert.deepEqual(await peer.closed, { code: 1011, reason: "the provider's connection broke" });
  const line = await shared.line(of(peer));
  assert.deepEqual(
    [line.status, line.outcome, line.error_code, line.error_origin],
    [101, "cut", "stream_interrupted", "provider"],
  );
  assert.deepEqual(
    [line.realtime?.close_code, line.realtime?.closed_by, line.realtime?.unfinished],
    [1006, "provider", 1],
  );
  const other = await Peer.open(shared.at);
  const end = provider.closed();
  other.socket.terminate();
  assert.deepEqual(await end, { code: 1001, reason: "the caller's connection broke" });
});

test("usage, frames and the end of a session stand in the access log and the metrics", async () => {
  provider.greet = (socket) => {
    socket.send('{"event_id":"e","session":{"model":"gpt-realtime-x","id":"sess_1"},"type":"session.created"}');
    for (const event of [
      { type: "response.created" },
      { type: "response.output_audio.delta", delta: "AAAA" },
      usage(10, 20),
      { type: "response.created" },
      usage(1, 2),
      {
        type: "conversation.item.input_audio_transcription.completed",
        usage: { type: "tokens", input_tokens: 5, output_tokens: 6 },
      },
      { type: "error", error: {} },
    ]) {
      socket.send(JSON.stringify(event));
    }
  };
  const peer = await Peer.open(shared.at);
  await peer.until("error");
  const openStreams = async () => /tandem_open_streams (\d+)/.exec(await metricsOf(shared))?.[1];
  assert.equal(await openStreams(), "1");
  await peer.close();
  const line = await shared.line(of(peer));
  const {
    frames_in,
    frames_out,
    responses,
    errors,
    session_id,
    close_code,
    closed_by,
    first_token_ms,
    ...transcribed
  } = line.realtime ?? {};
  assert.deepEqual([line.operation, line.status, line.outcome], ["realtime", 101, "ok"]);
  assert.deepEqual([line.input_tokens, line.cached_input_tokens, line.output_tokens], [11, 4, 22]);
  assert.deepEqual([line.audio_input_tokens, line.audio_output_tokens], [6, 8]);
  assert.deepEqual([frames_in, frames_out, responses, errors], [0, 8, 2, 1]);
  assert.deepEqual([session_id, close_code, closed_by], ["sess_1", 1000, "client"]);
  assert.ok(Number(first_token_ms) >= 0);
  assert.equal(transcribed.transcribed_input_tokens, 5);
  assert.equal(await openStreams(), "0");
  assert.match(await metricsOf(shared), /tandem_requests_total\{[^}]*status="101"[^}]*\} 1/);
  assert.match(await metricsOf(shared), /tandem_tokens_total\{[^}]*kind="audio_output"[^}]*\} 8/);
});

test("a session that transcribes is counted by its transcripts", async () => {
  provider.greet = (socket) => {
    const counted = { type: "tokens", input_tokens: 5, output_tokens: 6, input_token_details: { audio_tokens: 5 } };
    socket.send(JSON.stringify({ type: "conversation.item.input_audio_transcription.completed", usage: counted }));
  };
  const peer = await Peer.open(`${shared.url}/v1/realtime?intent=transcription`);
  await peer.until("conversation.item.input_audio_transcription.completed");
  await peer.close();
  const line = await shared.line(of(peer));
  assert.deepEqual([line.input_tokens, line.output_tokens, line.audio_input_tokens], [5, 6, 5]);
});

test("a session is one that transcribes when its provider says so, as with an ephemeral key", async () => {
  const counted = { type: "tokens", input_tokens: 5, output_tokens: 6 };
  const transcript = { type: "conversation.item.input_audio_transcription.completed", usage: counted };
  for (const first of [
    { type: "session.created", session: { type: "transcription", id: "sess_2" } },
    { type: "session.updated", event_id: "e", session: { id: "sess_2", type: "transcription" } },
    { type: "transcription_session.created", session: { id: "sess_2" } },
    { type: "transcription_session.updated", session: { id: "sess_2" } },
  ]) {
    provider.greet = (socket) => {
      socket.send(JSON.stringify(first));
      socket.send(JSON.stringify(transcript));
    };
    const peer = await Peer.open(shared.at);
    await peer.until(transcript.type);
    await peer.close();
    const line = await shared.line(of(peer));
    assert.deepEqual([line.input_tokens, line.output_tokens], [5, 6], first.type);
  }
});

async function metricsOf({ gateway }: Harness): Promise<string> {
  return (await fetch(`${gateway.adminUrl}/metrics`)).text();
}

const FRAME = `{"type":"response.output_audio.delta","delta":"${"A".repeat(256 * 1024)}"}`;
const FRAMES = 400;

test("a slow reader holds its sender, both ways, and memory stays bounded", { timeout: 60_000 }, async () => {
  let arrived = 0;
  provider.greet = (socket) => {
    socket.on("message", (data: Buffer) => {
      arrived += data.length;
    });
    for (let i = 0; i < FRAMES; i++) socket.send(FRAME);
  };
  const peer = await Peer.open(shared.at);
  peer.socket.pause();
  await settled(() => provider.socket.bufferedAmount);
  const taken = FRAMES * FRAME.length - provider.socket.bufferedAmount;
  // What the kernel's buffers of two connections hold, and what the gateway may keep.
  assert.ok(taken < 24 * MEBIBYTE, `${taken} bytes were taken for a reader that reads nothing`);
  peer.socket.resume();
  for (let i = 0; i < 1000 && peer.frames.length < FRAMES; i++) await sleep(10);
  assert.equal(peer.frames.length, FRAMES);
  provider.socket.pause();
  for (let i = 0; i < FRAMES; i++) peer.socket.send(FRAME);
  await settled(() => peer.socket.bufferedAmount);
  const sent = FRAMES * FRAME.length - peer.socket.bufferedAmount;
  assert.ok(sent < 24 * MEBIBYTE, `${sent} bytes were taken for a provider that reads nothing`);
  provider.socket.resume();
  for (let i = 0; i < 1000 && arrived < FRAMES * FRAME.length; i++) await sleep(10);
  assert.equal(arrived, FRAMES * FRAME.length);
  await peer.close();
});

/** Until the number has not changed for a while. */
async function settled(read: () => number): Promise<void> {
  for (let last = -1; last !== read(); await sleep(300)) last = read();
}

test("a frame that is too large ends the session with 1009 for who sent it", async () => {
  const world = await start({ frameBytes: 1000 });
  provider.greet = () => undefined;
  const peer = await Peer.open(world.at);
  const end = provider.closed();
  peer.socket.send("a".repeat(1001));
  assert.equal((await peer.closed).code, 1009);
  assert.equal((await end).code, 1001);
  const other = await Peer.open(world.at);
  provider.socket.send("a".repeat(1001));
  const { code, reason } = await other.closed;
  assert.equal(code, 1011);
  assert.match(reason, /larger than the gateway's limit/);
});

test("a side that has fallen silent is gone", async () => {
  const mute = await new FakeRealtime({ autoPong: false }).start();
  const world = await start({ pingEvery: 250 }, mute.url);
  const peer = await Peer.open(world.at);
  assert.deepEqual(await peer.closed, { code: 1011, reason: "the provider fell silent" });
  const own = await start({ pingEvery: 250 });
  const quiet = await Peer.open(own.at);
  await sleep(1500);
  assert.equal(quiet.socket.readyState, quiet.socket.OPEN, "pongs are signs of life");
  const end = provider.closed();
  // Its pings are not read, and so not answered.
  quiet.socket.pause();
  assert.deepEqual(await end, { code: 1001, reason: "the caller fell silent" });
});

test("a session lasts no longer than it may", async () => {
  const world = await start({ session: 100 });
  const peer = await Peer.open(world.at);
  const end = provider.closed();
  assert.equal((await peer.closed).code, 1001);
  assert.equal((await end).code, 1001);
});

test("draining: an idle session closes with 1012, a response in progress ends first", async () => {
  const world = await start({ drainGrace: 50 });
  provider.greet = () => undefined;
  const idle = await Peer.open(world.at);
  const busy = await Peer.open(world.at);
  provider.socket.send('{"type":"response.created"}');
  await busy.until("response.created");
  const closed = world.gateway.close({ drainMs: 10_000 });
  const { code, reason } = await idle.closed;
  assert.equal(code, 1012);
  assert.match(reason, /service restart/);
  await sleep(200);
  assert.equal(busy.socket.readyState, busy.socket.OPEN);
  provider.socket.send(JSON.stringify(usage(1, 1)));
  await busy.until("response.done");
  assert.equal((await busy.closed).code, 1012);
  await closed;
});

test("draining: nothing outlives drainMs, and who comes or waits then gets 503", async () => {
  const world = await start({ drainGrace: 50 });
  const peer = await Peer.open(world.at);
  provider.socket.send('{"type":"response.created"}');
  await peer.until("response.created");
  provider.intercept = () => true;
  const waiting = refused(world.at);
  await sleep(100);
  const begun = performance.now();
  const closed = world.gateway.close({ drainMs: 1_500, acceptMs: 1_000 });
  assert.equal((await waiting).status, 503);
  assert.equal((await refused(world.at)).error.code, "not_ready");
  provider.intercept = undefined;
  assert.equal((await peer.closed).code, 1012);
  await closed;
  assert.ok(performance.now() - begun < 3_000);
});

test("draining: a client that does not answer the close is cut off in time", async () => {
  const world = await start({ drainGrace: 0, closing: 60_000 });
  const peer = await Peer.open(world.at);
  peer.socket.pause();
  const begun = performance.now();
  await world.gateway.close({ drainMs: 1_500 });
  assert.ok(performance.now() - begun < 4_000);
});

test("a caller who goes away while the provider is dialled is not waited for", async () => {
  provider.intercept = () => true;
  const socket = new (await import("ws")).WebSocket(shared.at.replace("http", "ws"), {
    headers: { authorization: "Bearer tdm-harness-client-key" },
  });
  socket.on("error", () => undefined);
  await sleep(150);
  socket.terminate();
  const line = await shared.line(({ outcome, status }) => outcome === "client_closed" && status !== 101);
  provider.intercept = undefined;
  assert.equal((line.attempts as { outcome: string }[])[0]?.outcome, "aborted");
});
