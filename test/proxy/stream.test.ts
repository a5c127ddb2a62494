/** Streams: whole, cut, stalled, malformed; a cut answer never looks like a whole one. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { beforeEach, test } from "node:test";
import { event, FakeProvider, stream, WHOLE_STREAM } from "../fakes/provider.ts";
import { objects, startHarness } from "./harness.ts";

const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const harness = await startHarness({ openai: openai.url, azure: azure.url });
const WHOLE = WHOLE_STREAM.join("");

beforeEach(() => {
  openai.seen.length = 0;
  azure.seen.length = 0;
  azure.answer = stream(WHOLE_STREAM);
  harness.apply([]);
  harness.apply(objects({ openai: { timeouts: { idle: "200ms" } } }));
});

const ask = () => harness.chat({ stream: true });

function assertCut(text: string, before: string): void {
  assert.ok(text.startsWith(before), text);
  const rest = text.slice(before.length);
  assert.match(
    rest,
    /^data: \{"error":\{"message":"[^"]+","type":"server_error","param":null,"code":"stream_interrupted"\}\}\n\n$/,
  );
}

test("a whole stream passes byte for byte", async () => {
  openai.answer = stream(WHOLE_STREAM);
  const response = await ask();
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  assert.equal(await response.text(), WHOLE);
});

test("chunks are passed as they come, not held", async () => {
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(WHOLE_STREAM[0]);
    await gate;
    response.end(WHOLE_STREAM.slice(1).join(""));
  };
  const reader = (await ask()).body?.getReader();
  const first = await reader?.read();
  assert.equal(new TextDecoder().decode(first?.value), WHOLE_STREAM[0]);
  go();
  while (!(await reader?.read())?.done);
});

test("a body that ends cleanly after the finish reason is whole: [DONE] is added", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, -1));
  assert.equal(await (await ask()).text(), WHOLE);
});

for (const [what, after] of [
  ["breaks", (response: ServerResponse) => response.destroy()],
  ["stays open", () => undefined],
] as const) {
  test(`a connection that ${what} after [DONE] takes nothing from the answer`, async () => {
    openai.answer = stream(WHOLE_STREAM, after);
    assert.equal(await (await ask()).text(), WHOLE);
    assert.equal(azure.calls.length, 0);
  });
}

test("a body that ends cleanly before the finish reason is a cut", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, 2));
  assertCut(await (await ask()).text(), WHOLE_STREAM.slice(0, 2).join(""));
});

test("with n choices, every one must finish", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, -1));
  const text = await (await harness.chat({ stream: true, n: 2 })).text();
  assertCut(text, WHOLE_STREAM.slice(0, -1).join(""));
});

test("a connection that breaks mid-stream is a cut, half an event is not passed on", async () => {
  openai.answer = stream([WHOLE_STREAM[0] as string, `${WHOLE_STREAM[1]}data: {"choi`], (response) =>
    response.destroy(),
  );
  assertCut(await (await ask()).text(), WHOLE_STREAM.slice(0, 2).join(""));
  assert.equal(azure.calls.length, 0, "fell over after bytes had been passed on");
});

test("a stream that stalls longer than timeouts.idle is a cut", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, 2), () => undefined);
  assertCut(await (await ask()).text(), WHOLE_STREAM.slice(0, 2).join(""));
});

test("a stream that breaks before its first event falls over", async () => {
  openai.answer = stream(['data: {"choi'], (response) => response.destroy());
  assert.equal(await (await ask()).text(), WHOLE);
  openai.answer = stream([]);
  assert.equal(await (await ask()).text(), WHOLE);
});

test("a byte order mark before the first event hides nothing of it", async () => {
  openai.answer = stream([`\uFEFFdata: {"error":{"message":"no capacity","type":"x","param":null,"code":"y"}}\n\n`]);
  assert.equal(await (await ask()).text(), WHOLE);
});

test("an error as the first event falls over, a later one is passed on and ends the stream", async () => {
  const error =
    'data: {"error":{"message":"no capacity","type":"too_many_requests","param":null,"code":"no_capacity"}}\n\n';
  openai.answer = stream([error]);
  const elsewhere = await ask();
  assert.equal(elsewhere.headers.get("x-tandem-decision"), "failover:rate_limited");
  assert.equal(await elsewhere.text(), WHOLE);
  // Anew, it is not left alone any more.
  harness.apply([]);
  harness.apply(objects());
  openai.answer = stream([WHOLE_STREAM[0] as string, error]);
  const text = await (await ask()).text();
  assert.equal(text, WHOLE_STREAM[0] + error);
});

test("an event that is not whole JSON is left out", async () => {
  const parts = [...WHOLE_STREAM];
  parts.splice(2, 0, 'data: {"choices":[{"delta":{"content":"lo\n\n');
  openai.answer = stream(parts);
  assert.equal(await (await ask()).text(), WHOLE);
});

test("a caller who goes away ends the call at the provider", async () => {
  openai.answer = stream(WHOLE_STREAM.slice(0, 2), () => undefined);
  harness.apply(objects());
  const abort = new AbortController();
  const response = await fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer tdm-harness-client-key" },
    body: JSON.stringify({ model: "gpt-4o", stream: true, messages: [] }),
    signal: abort.signal,
  });
  await response.body?.getReader().read();
  abort.abort();
  while (!openai.calls[0]?.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("a slow reader holds the provider back instead of filling memory", async () => {
  const big = event({ content: "x".repeat(60_000) });
  let sent = 0;
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let i = 0; i < 2000 && !response.destroyed; i++) {
      if (!response.write(big)) {
        const drained = new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
        await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, 400))]);
        if (response.writableNeedDrain) break;
      }
      sent++;
    }
  };
  const response = await ask();
  await new Promise((resolve) => setTimeout(resolve, 900));
  assert.ok(sent < 600, `${sent} of 2000 events of 60 kB were taken although nobody read`);
  await response.body?.cancel();
});

test("reloads do not touch a stream that runs", async () => {
  let go: () => void = () => undefined;
  openai.answer = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(WHOLE_STREAM[0]);
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    response.end(WHOLE_STREAM.slice(1).join(""));
  };
  harness.apply(objects());
  const response = await ask();
  harness.apply([]);
  go();
  assert.equal(await response.text(), WHOLE);
});
