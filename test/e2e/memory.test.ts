/**
 * Does a proxy's memory stay bounded, however slow its callers and providers are?
 *
 * A real process with `limits.replayBytes` of 32 MiB, and some hundred MiB in each way that want to be kept in it.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { chat, QUICKSTART, startGatewayCommand, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { type Answer, chatAnswer, event, FakeProvider } from "../fakes/provider.ts";

const MEBIBYTE = 1024 ** 2;
const KEPT = 32 * MEBIBYTE;
/** Beside what is kept: buffers of some hundred connections twice, and what the collector has not come round to. */
const ROOM = 480 * MEBIBYTE;
const PATIENCE = 30_000;

const provider = await new FakeProvider().start();
const folder = await temporaryFolder();
const settings = join(folder, "settings.yaml");
await writeFile(settings, `limits: {replayBytes: ${KEPT / MEBIBYTE}Mi}\n`);
const hosts = ["api.openai.com", "contoso-sweden.openai.azure.com"];
const connectTo = hosts.flatMap((host) => ["--connect-to", `${host}=${provider.url}`]);
const gateway = await startGatewayCommand(["--manifests", QUICKSTART, "--settings", settings, "--dev", ...connectTo]);

const sockets: Socket[] = [];
after(() => {
  for (const socket of sockets) socket.destroy();
});

/** Asks, and reads nothing of the answer. */
async function ask(path: string, body: object): Promise<void> {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  sockets.push(socket);
  socket.pause();
  await once(socket, "connect");
  const text = JSON.stringify({ model: "gpt-4o", ...body });
  const key = "authorization: Bearer tdm-demo-key-for-trying-out";
  const head = [`POST ${path} HTTP/1.1`, "host: gateway", key, "content-type: application/json"];
  socket.write(`${[...head, `content-length: ${Buffer.byteLength(text)}`].join("\r\n")}\r\n\r\n${text}`);
}

async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${gateway.child.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Bytes that the provider has got rid of. */
let sent = 0;

/** Sends so much as far as it is taken, and never ends. */
function unending(type: string, parts: number, part: string): Answer {
  return async (response) => {
    response.writeHead(200, { "content-type": type });
    for (let i = 0; i < parts && !response.destroyed; i++) await write(response, part);
  };
}

async function write(response: ServerResponse, chunk: string): Promise<void> {
  sent += chunk.length;
  if (response.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const goOn = () => {
      response.off("drain", goOn).off("close", goOn);
      resolve();
    };
    response.on("drain", goOn).on("close", goOn);
  });
}

const PART = "x".repeat(64 * 1024);
/** Of the Responses API: held until it is here, since its ids are translated. */
const WHOLE = Buffer.from(
  JSON.stringify({ id: "resp_1", object: "response", output: [{ id: "msg_1", text: "x".repeat(24 * MEBIBYTE) }] }),
);

interface Way {
  readonly count: number;
  readonly path?: string;
  readonly body: object;
  readonly answer: Answer;
}

/** Each wants far more than may be kept: what the sockets' buffers do not hold. */
const WAYS: Readonly<Record<string, Way>> = {
  "requests that are never answered": {
    count: 500,
    body: { messages: [{ role: "user", content: "x".repeat(700_000) }] },
    answer: () => undefined,
  },
  "answers that never end": {
    count: 1000,
    body: { messages: [] },
    answer: unending("application/json", 14, PART),
  },
  "events that never end": {
    count: 60,
    body: { stream: true, messages: [] },
    answer: unending("text/event-stream", 96, PART),
  },
  "whole answers that nobody reads": {
    count: 30,
    path: "/v1/responses",
    body: { input: "Hi" },
    answer: (response) => void response.writeHead(200, { "content-type": "application/json" }).end(WHOLE),
  },
  "streams that nobody reads": {
    count: 40,
    body: { stream: true, messages: [] },
    answer: unending("text/event-stream", Number.POSITIVE_INFINITY, event({ content: PART })),
  },
};

/** The most while nothing moves any more. */
async function restingBytes(): Promise<number> {
  let most = 0;
  for (let before = -1, still = 0, i = 0; still < 3 && i < 100; i++) {
    still = sent === before ? still + 1 : 0;
    before = sent;
    await sleep(200);
    most = Math.max(most, await residentBytes());
  }
  return most;
}

async function isEmpty(): Promise<boolean> {
  const { keptBodies, inFlight } = (await (await fetch(`${gateway.adminUrl}/status`)).json()) as {
    keptBodies: { bytes: number };
    inFlight: number;
  };
  return keptBodies.bytes === 0 && inFlight === 0;
}

const isLinux = process.platform === "linux";
let before = 0;

for (const [name, { count, path = "/v1/chat/completions", body, answer }] of Object.entries(WAYS)) {
  test(`memory stays bounded with ${name}`, { skip: !isLinux }, async (t) => {
    provider.answer = chatAnswer("well");
    for (let i = 0; i < 50; i++) assert.equal((await chat(gateway.url)).status, 200);
    before ||= await residentBytes();
    provider.answer = answer;
    let most = 0;
    for (let i = 0; i < count; i++) {
      await ask(path, body);
      if (i % 10 === 0) most = Math.max(most, await residentBytes());
    }
    most = Math.max(most, await restingBytes());
    const grown = Math.round((most - before) / MEBIBYTE);
    t.diagnostic(`${grown} MiB more than at the start, at most`);
    assert.ok(most - before < KEPT + ROOM, `${grown} MiB more`);
    provider.answer = chatAnswer("well");
    assert.equal((await chat(gateway.url)).status, 200, "it serves others meanwhile");
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor("all is given back", PATIENCE, isEmpty);
  });
}
