/** Does a simulator keep time, notice who leaves, remember what came, and end cleanly? */

import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request } from "node:https";
import { test } from "node:test";
import { startSimulators } from "../../simulators/main.ts";
import { certificatesFor } from "../proxy/upstream/servers.ts";
import { AZURE_KEY, ask, askAzure, askOpenai, azure, CHAT, OPENAI_KEY, openai } from "./ask.ts";

const HOST = "contoso-sweden.openai.azure.com";
const STREAM = { ...CHAT, stream: true };

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !holds(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(holds());
}

test("both start together on free ports, and their ports are free again after close", async () => {
  const both = await startSimulators({ options: { counting: "estimate" } });
  assert.equal((await askOpenai(both.openai, CHAT)).status, 200);
  assert.equal((await askAzure(both.azure, CHAT)).status, 200);
  await both.close();
  await assert.rejects(askOpenai(both.openai, CHAT), { code: "ECONNREFUSED" });
  const again = await startSimulators({ openai: { port: both.openai.port }, azure: { port: both.azure.port } });
  assert.equal(again.openaiUrl, both.openaiUrl);
  await again.close();
});

test("a port that is taken is an error, and nothing is left running", async () => {
  const one = await openai();
  await assert.rejects(startSimulators({ azure: { port: one.port } }), { code: "EADDRINUSE" });
});

test("tokens come in time", async () => {
  const server = await openai({ counting: "estimate", latency: { firstTokenMs: 60, perTokenMs: 4 } });
  const before = performance.now();
  const answer = await askOpenai(server, { ...STREAM, max_tokens: 20 });
  const took = performance.now() - before;
  assert.ok(took >= 60 + 15 * 4 - 5, `${took}`);
  assert.ok(answer.reads.length > 8);
  const plain = performance.now();
  await askOpenai(server, { ...CHAT, max_tokens: 20 });
  assert.ok(performance.now() - plain >= 60 + 15 * 4 - 5);
});

test("a caller who leaves stops the stream, is remembered, and pays for what came", async () => {
  const server = await openai({ latency: { firstTokenMs: 0, perTokenMs: 15 } });
  const body = JSON.stringify({ ...STREAM, messages: [{ role: "user", content: "200 words" }] });
  const sent = httpRequest(`${server.url}/v1/chat/completions`, {
    method: "POST",
    agent: false,
    headers: { authorization: `Bearer ${OPENAI_KEY}`, "content-type": "application/json" },
  });
  sent.on("error", () => undefined);
  sent.end(body);
  const [response] = await once(sent, "response");
  await once(response, "data");
  sent.destroy();
  await until(() => server.requests()[0]?.aborted === true);
  await until(() => (server.bill().lines as { completionTokens: number }[]).length === 1);
  const events = server.requests()[0]?.events ?? 0;
  assert.ok(events < 60);
  assert.ok(((server.bill().lines as { completionTokens: number }[])[0]?.completionTokens ?? 0) < 60);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.requests()[0]?.events, events);
});

test("only models take their time, lists do not", async () => {
  const server = await openai({ latency: { firstTokenMs: 60_000, perTokenMs: 0 } });
  const list = await ask(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${OPENAI_KEY}` } });
  assert.equal(list.status, 200);
});

test("a caller who leaves before the plain answer is remembered", async () => {
  const server = await azure({ latency: { firstTokenMs: 5_000, perTokenMs: 0 } });
  await assert.rejects(askAzure(server, CHAT, {}, { patienceMs: 50 }));
  await until(() => server.requests()[0]?.aborted === true);
});

test("what came is remembered without its secrets", async () => {
  const server = await azure({ keepBodyBytes: 20 });
  await askAzure(server, CHAT, { "x-stainless-lang": "js", cookie: "session=secret-cookie" });
  await ask(`${server.url}/openai/v1/models`, { headers: { authorization: "Bearer header.body.signature" } });
  const shown = await ask(`${server.url}/_sim/requests`);
  for (const secret of [AZURE_KEY, "secret-cookie", "header.body.signature"])
    assert.ok(!shown.text.includes(secret), secret);
  const { total, requests } = JSON.parse(shown.text) as { total: number; requests: ReturnType<typeof server.requests> };
  assert.equal(total, 2);
  const [chat, models] = requests;
  assert.equal(chat?.headers["x-stainless-lang"], "js");
  assert.match(chat?.headers["api-key"] ?? "", /^sha256:[0-9a-f]{16}$/);
  assert.deepEqual(
    [chat?.operation, chat?.model, chat?.deployment, chat?.status, chat?.aborted],
    ["chat.completions", "gpt-4o", "gpt-4o-prod", 200, false],
  );
  assert.equal(chat?.body, JSON.stringify(CHAT).slice(0, 20));
  assert.match(chat?.bodySha256 ?? "", /^[0-9a-f]{64}$/);
  assert.match(models?.headers.authorization ?? "", /^sha256:/);
  assert.equal(
    (JSON.parse((await ask(`${server.url}/_sim/requests?last=1`)).text) as { requests: unknown[] }).requests.length,
    1,
  );
});

test("only so many requests are kept", async () => {
  const server = await openai({ keepRequests: 3, counting: "estimate" });
  for (let count = 0; count < 5; count += 1) await askOpenai(server, { ...CHAT, seed: count });
  assert.equal(server.requests().length, 3);
});

test("the control surface says what it knows, and reset forgets everything", async () => {
  const server = await openai();
  await askOpenai(server, CHAT);
  server.fault({ match: {}, fault: "500" });
  const faults = JSON.parse((await ask(`${server.url}/_sim/faults`)).text) as { known: object; planned: unknown[] };
  assert.equal(faults.planned.length, 1);
  assert.ok("cut" in faults.known);
  assert.equal((await ask(`${server.url}/_sim/nothing`)).status, 404);
  assert.equal((await ask(`${server.url}/_sim/faults`, { method: "POST", body: "{" })).status, 400);
  await ask(`${server.url}/_sim/reset`, { method: "POST" });
  assert.deepEqual([server.requests().length, server.bill().lines.length], [0, 0]);
  assert.equal((await askOpenai(server, CHAT)).status, 200);
});

test("a large body is taken, one beyond 64 MiB is not", async () => {
  const server = await openai({ counting: "estimate" });
  const body = (bytes: number) => ({ ...CHAT, messages: [{ role: "user", content: "x".repeat(bytes) }] });
  assert.equal((await askOpenai(server, body(400_000))).status, 200);
  assert.equal((await askOpenai(server, body(65 * 1024 * 1024))).status, 413);
});

test("with a key and a certificate it speaks HTTPS", async (context) => {
  const certificates = certificatesFor(HOST);
  if (!certificates) return context.skip("there is no openssl to make a certificate with");
  const { ca, key, cert } = certificates;
  const server = await azure({ tls: { key, cert } });
  assert.match(server.url, /^https:/);
  const sent = request(`${server.url}/openai/v1/models`, {
    ca,
    servername: HOST,
    headers: { "api-key": AZURE_KEY },
  }).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 200);
});
