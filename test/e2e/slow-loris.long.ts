/** Is a client that never finishes its headers cut off? */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { FakeProvider } from "../fakes/provider.ts";
import { startHarness } from "../proxy/harness.ts";

/** The listener's limit for headers, how often it looks, and a margin: milliseconds. */
const PATIENCE = 15_000 + 5_000 + 5_000;

test("a slow-loris client gets 408 and loses its connection", { timeout: PATIENCE + 5_000 }, async () => {
  const provider = await new FakeProvider().start();
  const { url } = await startHarness({ openai: provider.url, azure: provider.url });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: tandem\r\n");
  const drip = setInterval(() => socket.write("x-drip: 1\r\n"), 1_000);
  const began = performance.now();
  await once(socket, "close");
  clearInterval(drip);
  assert.ok(performance.now() - began < PATIENCE);
  assert.match(answer, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assert.match(answer, /"code":"request_timeout"/);
  assert.equal(provider.calls.length, 0);
});
