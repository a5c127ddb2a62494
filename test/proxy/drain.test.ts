/** Does a gateway go away without failing a request, also for clients that do not try again? */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../cli/tandem.ts";
import { chatAnswer, delayed, event, FakeProvider, WHOLE_STREAM } from "../fakes/provider.ts";
import { KEY, objects, startHarness } from "./harness.ts";
import { Service } from "./service.ts";

const openai = await new FakeProvider(delayed(5, chatAnswer("hello"))).start();
const azure = await new FakeProvider(chatAnswer("hello")).start();
const start = () => startHarness({ openai: openai.url, azure: azure.url });
const IN_A_CLUSTER = { drainMs: 20_000, acceptMs: 1_500, keepIdle: true };

/** One connection on which a test says when what is sent. */
class Connection {
  readonly socket: Socket;
  /** Once it is closed. */
  readonly ended: Promise<unknown>;
  received = "";
  isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket.setEncoding("utf8");
    this.ended = new Promise((resolve) => socket.once("close", resolve));
    socket.on("data", (text: string) => {
      this.received += text;
    });
    socket.on("close", () => {
      this.isClosed = true;
    });
    socket.on("error", () => {});
    after(() => socket.destroy());
  }

  static async to(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    return new Connection(socket);
  }

  chat(body: object = {}): void {
    const text = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }], ...body });
    const head = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", `authorization: Bearer ${KEY}`];
    this.socket.write([...head, `content-length: ${Buffer.byteLength(text)}`, "", text].join("\r\n"));
  }

  async until(what: RegExp): Promise<void> {
    for (let i = 0; !what.test(this.received); i++) {
      assert.ok(i < 500, `${what} did not come: ${this.received}`);
      await sleep(10);
    }
  }
}

const WHOLE_ANSWER = /^HTTP\/1\.1 200 [\s\S]*"hello"[\s\S]*\}$/;

test("no request of clients that never retry fails while one of two gateways goes", { timeout: 30_000 }, async () => {
  const [old, next] = await Promise.all([start(), start()]);
  const service = new Service(old.url);
  const clients = Array.from({ length: 12 }, (_, i) => service.ask([0, 10, 100, 400][i % 4] ?? 0));
  await waitFor("answers of the old one", 10_000, async () => service.answers.length > 20);
  const before = service.answers.length;
  const closed = old.gateway.close(IN_A_CLUSTER);
  // Endpoints go late: until then new connections still come.
  await sleep(300);
  service.endpoint = next.url;
  await closed;
  await waitFor("answers of the next one", 10_000, async () => service.answers.length > before + 20);
  service.stop();
  await Promise.all(clients);
  assert.deepEqual(service.failures, []);
  assert.ok(service.answers.some(({ headers }) => headers.connection === "close"));
});

test("an answer under way and one on a kept connection say Connection: close", async () => {
  const harness = await start();
  const [busy, idle] = [await Connection.to(harness.url), await Connection.to(harness.url)];
  idle.chat();
  await idle.until(WHOLE_ANSWER);
  assert.match(idle.received, /connection: keep-alive/i);
  openai.answer = delayed(300, chatAnswer("hello"));
  busy.chat();
  await sleep(100);
  const closed = harness.gateway.close({ ...IN_A_CLUSTER, acceptMs: 0 });
  await busy.until(WHOLE_ANSWER);
  openai.answer = delayed(5, chatAnswer("hello"));
  assert.match(busy.received, /connection: close/i);
  await sleep(400);
  assert.ok(!idle.isClosed, "its client may be about to use it");
  idle.received = "";
  idle.chat();
  await idle.until(WHOLE_ANSWER);
  assert.match(idle.received, /connection: close/i);
  await closed;
  await Promise.all([idle.ended, busy.ended]);
});

test("what is passed through says Connection: close as well", async () => {
  const harness = await start();
  harness.apply(objects({ route: { foreignIDs: "Probe" } }));
  openai.answer = (response) => void response.writeHead(200, { "content-type": "text/plain" }).end("content");
  const connection = await Connection.to(harness.url);
  const ask = async () => {
    connection.received = "";
    const head = ["GET /v1/files/file-1/content HTTP/1.1", "host: gateway", `authorization: Bearer ${KEY}`];
    connection.socket.write([...head, "x-tandem-route: chat", "", ""].join("\r\n"));
    await connection.until(/content\r?\n?/);
  };
  await ask();
  assert.match(connection.received, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(connection.received, /connection: close/i);
  const closed = harness.gateway.close({ ...IN_A_CLUSTER, acceptMs: 0 });
  await ask();
  openai.answer = delayed(5, chatAnswer("hello"));
  assert.match(connection.received, /connection: close/i);
  await closed;
});

test("a new connection is served for a while, with Connection: close, and then refused", async () => {
  const harness = await start();
  const closed = harness.gateway.close(IN_A_CLUSTER);
  await sleep(200);
  const late = await Connection.to(harness.url);
  late.chat();
  await late.until(WHOLE_ANSWER);
  assert.match(late.received, /connection: close/i);
  await closed;
  await assert.rejects(Connection.to(harness.url), /ECONNREFUSED/);
});

test("while it drains /readyz is 503, /healthz 200 and the summary says so", async () => {
  const harness = await start();
  const kept = await Connection.to(harness.url);
  kept.chat();
  await kept.until(WHOLE_ANSWER);
  const closed = harness.gateway.close({ ...IN_A_CLUSTER, acceptMs: 0 });
  const ask = (path: string) => fetch(harness.gateway.adminUrl + path, { headers: { connection: "close" } });
  assert.equal((await ask("/readyz")).status, 503);
  assert.equal((await ask("/healthz")).status, 200);
  assert.equal(((await (await ask("/status/summary")).json()) as { draining: boolean }).draining, true);
  kept.socket.destroy();
  await closed;
});

test("a stream runs to its end, and its connection can be used once more", async () => {
  const harness = await start();
  const gate = Promise.withResolvers<void>();
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(event({ content: "first" }));
    await gate.promise;
    response.end(WHOLE_STREAM.slice(1).join(""));
  };
  const connection = await Connection.to(harness.url);
  connection.chat({ stream: true });
  await connection.until(/first/);
  const closed = harness.gateway.close({ ...IN_A_CLUSTER, acceptMs: 0 });
  await sleep(300);
  gate.resolve();
  await connection.until(/\[DONE\][\s\S]*\r\n0\r\n\r\n$/);
  openai.answer = delayed(5, chatAnswer("hello"));
  await sleep(200);
  // The answer's head had been sent before, without Connection: close.
  assert.ok(!connection.isClosed);
  connection.received = "";
  connection.chat();
  await connection.until(WHOLE_ANSWER);
  assert.match(connection.received, /connection: close/i);
  await closed;
});

test("what takes longer than it may is broken off, on new connections too", async () => {
  const harness = await start();
  openai.answer = () => {};
  const [early, idle] = [await Connection.to(harness.url), await Connection.to(harness.url)];
  early.chat();
  await sleep(50);
  const begun = performance.now();
  const closed = harness.gateway.close({ drainMs: 400, acceptMs: 5_000, keepIdle: true });
  await sleep(200);
  const late = await Connection.to(harness.url);
  late.chat();
  await closed;
  const took = performance.now() - begun;
  openai.answer = delayed(5, chatAnswer("hello"));
  assert.ok(took > 350 && took < 3_000, `${took} ms`);
  await Promise.all([early.ended, late.ended, idle.ended]);
});

test("on a laptop nobody waits for idle connections", async () => {
  const harness = await start();
  const idle = await Connection.to(harness.url);
  idle.chat();
  await idle.until(WHOLE_ANSWER);
  const begun = performance.now();
  await harness.gateway.close({ drainMs: 30_000 });
  assert.ok(performance.now() - begun < 3_000);
});
