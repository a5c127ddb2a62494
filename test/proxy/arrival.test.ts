/** In which pieces a request comes must make no difference. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { beforeEach, test } from "node:test";
import { chatAnswer, FakeProvider } from "../fakes/provider.ts";
import { KEY, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url });

beforeEach(() => {
  openai.seen.length = 0;
  openai.answer = chatAnswer("hello");
});

function bodyOf(user: string): string {
  return JSON.stringify({ model: "gpt-4o", user, messages: [{ role: "user", content: "größer" }] });
}

function headOf(length: string): string {
  const lines = ["host: gateway", `authorization: Bearer ${KEY}`, "content-type: application/json", length];
  return `POST /v1/chat/completions HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

function requestOf(user: string): Buffer {
  const body = Buffer.from(bodyOf(user));
  return Buffer.concat([Buffer.from(headOf(`content-length: ${body.length}`)), body]);
}

/** Statuses of the answers, when there are so many. */
async function answersOn(socket: Socket, count: number): Promise<string[]> {
  let text = "";
  for await (const [chunk] of onData(socket)) {
    text += chunk;
    const bodies = text.match(/"chat\.completion"/g) ?? [];
    if (bodies.length === count) break;
  }
  return [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status ?? "");
}

async function* onData(socket: Socket): AsyncGenerator<[string]> {
  for (;;) yield (await once(socket, "data")).map(String) as [string];
}

async function connected(): Promise<Socket> {
  const socket = connect(Number(new URL(harness.url).port), "127.0.0.1");
  socket.setNoDelay(true);
  await once(socket, "connect");
  return socket;
}

function usersSeen(): unknown[] {
  return openai.calls.map(({ body }) => (JSON.parse(body.toString()) as { user: unknown }).user);
}

test("several requests in one packet are answered one by one, and the connection goes on", async () => {
  const socket = await connected();
  socket.write(Buffer.concat(["a", "b", "c"].map(requestOf)));
  assert.deepEqual(await answersOn(socket, 3), ["200", "200", "200"]);
  socket.write(requestOf("d"));
  assert.deepEqual(await answersOn(socket, 1), ["200"]);
  assert.deepEqual(usersSeen().sort(), ["a", "b", "c", "d"]);
  socket.destroy();
});

test("a body that comes with its head, behind it, or in two parts is the same body", async () => {
  const whole = requestOf("parts");
  const bodyAt = whole.indexOf("\r\n\r\n") + 4;
  const socket = await connected();
  const cuts = [bodyAt - 1, bodyAt, bodyAt + 1, whole.indexOf("ö") + 1, whole.length - 1];
  for (const cut of cuts) {
    socket.write(whole.subarray(0, cut));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(whole.subarray(cut));
    assert.deepEqual(await answersOn(socket, 1), ["200"], `cut at ${cut}`);
  }
  const sent = openai.calls.map(({ body }) => body.toString());
  assert.deepEqual(sent, Array(cuts.length).fill(bodyOf("parts")));
  socket.destroy();
});

test("a body without a declared length is read to its last chunk", async () => {
  const body = Buffer.from(bodyOf("chunked"));
  const socket = await connected();
  const parts = [body.subarray(0, 10), body.subarray(10)].map((part) =>
    Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]),
  );
  socket.write(Buffer.concat([Buffer.from(headOf("transfer-encoding: chunked")), ...parts, Buffer.from("0\r\n\r\n")]));
  assert.deepEqual(await answersOn(socket, 1), ["200"]);
  assert.deepEqual(usersSeen(), ["chunked"]);
  socket.destroy();
});
