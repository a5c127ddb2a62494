/** Do the simulated providers speak realtime as the official client expects, in each of their forms? */
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { AzureOpenAI } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { DEPLOYMENT, MODEL, overTLS, Peer, realtimeSimulators, refused } from "../e2e/realtime-world.ts";
import { AZURE_KEY, OPENAI_KEY } from "../proxy/harness.ts";

const running = await realtimeSimulators();
const openai = await overTLS(running.openaiUrl);
const azure = await overTLS(running.azureUrl);

async function converse(socket: OpenAIRealtimeWS): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("error", reject);
    socket.on("session.created", () => {
      socket.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
    });
    socket.on("session.updated", () => {
      const content = [{ type: "input_text" as const, text: "hello" }];
      socket.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
      socket.send({ type: "response.create" });
    });
    socket.on("response.output_text.delta", ({ delta }) => {
      text += delta;
    });
    socket.on("response.done", ({ response }) => {
      assert.ok((response.usage?.output_tokens ?? 0) > 0);
      socket.close();
      resolve(text);
    });
  });
}

test("OpenAI converses with its official client", async () => {
  const client = new OpenAI({ apiKey: OPENAI_KEY, baseURL: `${openai.url}/v1` });
  const text = await converse(new OpenAIRealtimeWS({ model: MODEL, options: { ca: openai.ca } }, client));
  assert.match(text, /This is gpt-realtime-2025-08-28 at OpenAI\. You said hello/);
});

test("Azure v1 converses with the official client", async () => {
  const client = new AzureOpenAI({ apiKey: AZURE_KEY, endpoint: azure.url, apiVersion: "2025-04-01-preview" });
  const socket = await OpenAIRealtimeWS.azure(client, { deploymentName: DEPLOYMENT, options: { ca: azure.ca } });
  assert.match(await converse(socket), /deployment realtime-prod/);
});

test("the preview's form has its own names", async () => {
  const url = `${running.azureUrl}/openai/realtime?api-version=2025-04-01-preview&deployment=${DEPLOYMENT}&api-key=${AZURE_KEY}`;
  const peer = await Peer.open(url, {});
  peer.say("hi");
  await peer.until("response.done");
  assert.ok(peer.events.some(({ type }) => type === "response.audio.delta"));
  assert.ok(peer.events.every(({ type }) => !type.startsWith("response.output_audio")));
});

test("what is wrong gets an error event, and the session goes on", async () => {
  const peer = await Peer.open(`${running.openaiUrl}/v1/realtime?model=${MODEL}`, {
    authorization: `Bearer ${OPENAI_KEY}`,
  });
  peer.send({ type: "no.such.event", event_id: "mine" });
  peer.send({ type: "session.update", session: { type: "realtime", model: "gpt-4o" } });
  peer.send({ type: "input_audio_buffer.commit" });
  peer.socket.send("{");
  await peer.until("error", 4);
  const codes = peer.events.filter(({ type }) => type === "error").map(({ error }) => (error as { code: string }).code);
  assert.deepEqual(codes, ["invalid_value", "cannot_update_model", "input_audio_buffer_commit_empty", "invalid_json"]);
  peer.say("still there?");
  await peer.until("response.done");
});

test("who may not is refused as over HTTP", async () => {
  const at = (path: string, headers: Record<string, string> = {}, protocols: string[] = []) =>
    refused(running.openaiUrl + path, headers, protocols);
  const key = { authorization: `Bearer ${OPENAI_KEY}` };
  assert.equal((await at(`/v1/realtime?model=${MODEL}`)).status, 401);
  assert.equal((await at("/v1/realtime?model=nobody", key)).error.code, "model_not_found");
  assert.equal((await at("/v1/realtime?model=gpt-4o", key)).status, 400);
  const protocols = ["realtime", "openai-insecure-api-key.sk-wrong-key-000"];
  assert.equal((await at(`/v1/realtime?model=${MODEL}`, {}, protocols)).status, 401);
});
