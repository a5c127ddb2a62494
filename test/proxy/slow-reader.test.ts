/** What becomes of answers that their callers do not take, and of those that find no room? */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { type Answer, chatAnswer, event, FakeProvider, json, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { errorOf, type Harness, KEY, objects, startHarness } from "./harness.ts";

const MEBIBYTE = 1024 ** 2;
/** More than the buffers of two sockets hold. */
const LARGE = 24 * MEBIBYTE;
const PATIENCE = 500;

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url, readerPatience: PATIENCE });
const { limits } = DEFAULT_SETTINGS;
const cramped = await startHarness({
  openai: openai.url,
  azure: azure.url,
  settings: { ...DEFAULT_SETTINGS, limits: { ...limits, replayBytes: MEBIBYTE } },
});

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  azure.answer = chatAnswer("from azure");
  harness.apply(objects({ route: { models: ["gpt-4o"] } }));
});

/** A caller that reads only when told. */
async function caller(path: string, body: object): Promise<Socket> {
  const { hostname, port } = new URL(harness.url);
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  after(() => socket.destroy());
  socket.pause();
  await once(socket, "connect");
  const text = JSON.stringify({ model: "gpt-4o", ...body });
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: gateway",
    `authorization: Bearer ${KEY}`,
    "content-type: application/json",
  ];
  socket.write(`${[...head, `content-length: ${Buffer.byteLength(text)}`].join("\r\n")}\r\n\r\n${text}`);
  return socket;
}

async function keptBytes({ status }: Harness): Promise<number> {
  return ((await status()) as { keptBodies: { bytes: number } }).keptBodies.bytes;
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; !(await isSo()); i++) {
    assert.ok(i < 500, `${isSo} has not come true`);
    await sleep(10);
  }
}

/** A whole answer of the Responses API: held until it is here, since its ids are translated. */
function response(bytes: number): Answer {
  const content = [{ type: "output_text", text: "x".repeat(bytes), annotations: [] }];
  const output = [{ id: "msg_1", type: "message", role: "assistant", content }];
  return json(200, { id: "resp_1", object: "response", status: "completed", output });
}

const endless: Answer = async (answer) => {
  answer.writeHead(200, { "content-type": "text/event-stream" });
  const big = event({ content: "x".repeat(60_000) });
  while (!answer.destroyed) {
    if (answer.write(big)) continue;
    await new Promise<void>((resolve) => {
      const goOn = () => {
        answer.off("drain", goOn).off("close", goOn);
        resolve();
      };
      answer.on("drain", goOn).on("close", goOn);
    });
  }
};

test("what a caller does not take counts as kept, and is given up with the caller", async () => {
  openai.answer = response(LARGE);
  const socket = await caller("/v1/responses", { input: "Hi" });
  await until(async () => (await keptBytes(harness)) > MEBIBYTE);
  await until(async () => (await keptBytes(harness)) === 0);
  // Reads what is still on its way, and finds the connection closed.
  let read = 0;
  socket.on("data", (chunk: Buffer) => {
    read += chunk.length;
  });
  socket.resume();
  await once(socket, "close");
  assert.ok(read < LARGE, "all of it was kept for a caller who took nothing");
});

test("a stream whose caller takes nothing ends at the provider too", async () => {
  openai.answer = endless;
  const socket = await caller("/v1/chat/completions", { stream: true, messages: [] });
  await until(() => openai.calls[0]?.aborted === true);
  socket.resume();
  await once(socket, "close");
  await until(async () => ((await harness.status()) as { inFlight: number }).inFlight === 0);
});

test("a caller who is slow, but takes something now and then, gets all of it", async () => {
  openai.answer = response(LARGE);
  const socket = await caller("/v1/responses", { input: "Hi" });
  let read = 0;
  const begun = performance.now();
  while (read < LARGE) {
    const chunk = socket.read() as Buffer | null;
    read += chunk?.length ?? 0;
    assert.ok(!socket.destroyed, `cut off after ${read} bytes`);
    // A fifth of the patience between reads, and more than the patience for the whole.
    await sleep(performance.now() - begun < 2 * PATIENCE ? PATIENCE / 5 : 0);
  }
});

test("a caller who pauses while nothing waits for it is no slow reader", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, 2), (answer) => {
    setTimeout(() => answer.end(WHOLE_STREAM.slice(2).join("")), 2 * PATIENCE);
  });
  const answer = await harness.chat({ stream: true });
  assert.equal(await answer.text(), WHOLE_STREAM.join(""));
});

test("an answer that must be held and finds no room is refused, and no provider is blamed", async () => {
  cramped.apply(objects({ openai: { circuitBreaker: { failureThreshold: 1 } }, route: { models: ["gpt-4o"] } }));
  openai.answer = response(3 * MEBIBYTE);
  const refused = await cramped.post("/v1/responses", { model: "gpt-4o", input: "Hi" });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal((await errorOf(refused)).code, "overloaded");
  assert.equal(azure.calls.length, 0, "it would be as large from there");
  openai.answer = response(MEBIBYTE / 2);
  const served = await cramped.post("/v1/responses", { model: "gpt-4o", input: "Hi" });
  assert.equal(served.status, 200);
  assert.equal(served.headers.get("x-tandem-backend"), "openai");
  await served.text();
  await until(async () => (await keptBytes(cramped)) === 0);
});

test("an event that finds no room ends its stream", async () => {
  cramped.apply(objects({ route: { models: ["gpt-4o"] } }));
  const large = event({ content: "x".repeat(3 * MEBIBYTE) });
  openai.answer = stream([large.slice(0, -20)], () => undefined);
  const refused = await cramped.chat({ stream: true });
  assert.equal(refused.status, 503);
  assert.equal((await errorOf(refused)).code, "overloaded");
  openai.answer = stream([WHOLE_STREAM[0] as string, large.slice(0, -20)], () => undefined);
  const cut = await (await cramped.chat({ stream: true })).text();
  assert.ok(cut.startsWith(WHOLE_STREAM[0] as string));
  assert.match(cut, /"code":"stream_interrupted"/);
  await until(async () => (await keptBytes(cramped)) === 0);
});

test("an answer that need not be held flows where there is no room", async () => {
  cramped.apply(objects({ route: { models: ["gpt-4o"] } }));
  // Somebody else holds the room.
  let letGo: () => void = () => undefined;
  openai.answer = async (answer) => {
    answer.writeHead(200, { "content-type": "application/json" });
    answer.write(`{"id":"resp_2","x":"${"y".repeat(MEBIBYTE - 40_000)}"`);
    await new Promise<void>((resolve) => {
      letGo = resolve;
    });
    answer.end("}");
  };
  const holding = cramped.post("/v1/responses", { model: "gpt-4o", input: "Hi" });
  await until(async () => (await keptBytes(cramped)) > (MEBIBYTE * 7) / 8);
  const text = "z".repeat((MEBIBYTE * 3) / 4);
  openai.answer = chatAnswer(text);
  const flowing = await cramped.chat();
  assert.equal(flowing.status, 200);
  assert.equal(flowing.headers.get("content-length"), null, "it was held");
  const body = (await flowing.json()) as { choices: { message: { content: string } }[] };
  assert.equal(body.choices[0]?.message.content, text);
  letGo();
  assert.equal((await holding).status, 200);
  await until(async () => (await keptBytes(cramped)) === 0);
});
