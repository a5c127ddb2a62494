/**
 * Does a proxy that gets more streams than its heap holds go on serving those that it has, and live?
 *
 * A real process with a heap of 64 MiB and 4,500 callers who ask for an answer that does not end, then all leave at once.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { chat, DEMO_KEY, QUICKSTART, startGatewayCommand, waitFor } from "../cli/tandem.ts";
import { chatAnswer, event, FakeProvider, WHOLE_STREAM } from "../fakes/provider.ts";

const CALLERS = 4_500;
const PATIENCE = 60_000;

const provider = await new FakeProvider().start();
const hosts = ["api.openai.com", "contoso-sweden.openai.azure.com"];
const connectTo = hosts.flatMap((host) => ["--connect-to", `${host}=${provider.url}`]);
const gateway = await startGatewayCommand(["--manifests", QUICKSTART, "--dev", ...connectTo], {
  NODE_OPTIONS: "--max-old-space-size=64",
});
const answers: ServerResponse[] = [];
const callers: { readonly socket: Socket; text: string }[] = [];
after(() => {
  for (const { socket } of callers) socket.destroy();
});

async function ask(): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const caller = { socket: connect(Number(port), hostname).on("error", () => undefined), text: "" };
  callers.push(caller);
  caller.socket.on("data", (chunk: Buffer) => {
    caller.text += chunk.toString();
  });
  await once(caller.socket, "connect");
  const body = JSON.stringify({
    model: "gpt-4o",
    stream: true,
    messages: [{ role: "user", content: "x".repeat(2000) }],
  });
  const head = [
    `authorization: Bearer ${DEMO_KEY}`,
    "content-type: application/json",
    `content-length: ${body.length}`,
  ];
  caller.socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n${head.join("\r\n")}\r\n\r\n${body}`);
}

interface LoadStatus {
  readonly inFlight: number;
  readonly load: { readonly pressure: string | null };
}

async function status(): Promise<LoadStatus> {
  return (await (await fetch(`${gateway.adminUrl}/status`, { headers: { connection: "close" } })).json()) as LoadStatus;
}

const isServed = ({ text }: { text: string }) => text.startsWith("HTTP/1.1 200");
const isRefused = ({ text }: { text: string }) => text.startsWith("HTTP/1.1 503");

test("beyond what the heap holds callers are refused, and those that are served stay served", async (t) => {
  provider.answer = (response) => {
    answers.push(response);
    response.writeHead(200, { "content-type": "text/event-stream" }).write(event({ content: "Hello" }));
  };
  for (let i = 0; i < CALLERS; i++) {
    await ask();
    if (i % 50 === 0) await sleep(25);
  }
  const isAnswered = async () => callers.every((caller) => isServed(caller) || isRefused(caller));
  await waitFor("every caller is answered", PATIENCE, isAnswered);
  const served = callers.filter(isServed);
  const refused = callers.filter(isRefused);
  t.diagnostic(`${served.length} streams, ${refused.length} refused`);
  assert.ok(refused.length > 0, "the heap held all: this shows nothing");
  for (const { text } of refused) assert.match(text, /retry-after: [12]\r\n[\s\S]*"code":"overloaded"/);
  assert.match(gateway.stderr(), /overloaded: fewer requests are let in/);
  for (const response of answers.slice(0, 100)) response.end(WHOLE_STREAM.slice(2).join(""));
  const whole = () => served.filter(({ text }) => text.includes("data: [DONE]")).length;
  await waitFor("streams end whole meanwhile", PATIENCE, async () => whole() === 100);
  for (const { socket } of callers) socket.destroy();
  await waitFor("it is over", PATIENCE, async () => (await status()).load.pressure === null);
  provider.answer = chatAnswer("well");
  for (let i = 0; i < 20; i++) assert.equal((await chat(gateway.url)).status, 200);
  assert.equal((await status()).inFlight, 0);
});
