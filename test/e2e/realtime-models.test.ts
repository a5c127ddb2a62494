/** May a realtime session have only the models of its client, and a key only the provider that gave it, by whichever way they come? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KEY, object } from "../proxy/harness.ts";
import { client } from "./over-simulators.ts";
import {
  azure,
  DEPLOYMENT,
  gatewayOver,
  MODEL,
  openai,
  Peer,
  realtimeSimulators,
  refused,
  route,
} from "./realtime-world.ts";

const simulators = await realtimeSimulators();
const own = { authorization: `Bearer ${KEY}` };
const SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  readonly location: string | null;
  readonly body: { readonly value?: string };
}

async function post(
  url: string,
  body: string | FormData,
  type?: string,
  headers: Record<string, string> = own,
): Promise<Answer> {
  const typed = type === undefined ? headers : { ...headers, "content-type": type };
  const answer = await fetch(url, { method: "POST", headers: typed, body });
  const text = await answer.text();
  const read = text.startsWith("{") ? (JSON.parse(text) as { error?: { code: string }; value?: string }) : {};
  return { status: answer.status, code: read.error?.code, location: answer.headers.get("location"), body: read };
}

const secretFor = (url: string, session?: object) =>
  post(`${url}/client_secrets`, JSON.stringify(session ? { session } : {}), "application/json");

function callWith(session: object): FormData {
  const form = new FormData();
  form.set("sdp", SDP);
  form.set("session", JSON.stringify(session));
  return form;
}

test("a client that has some models gets no session whose model the provider would choose", async () => {
  const { url } = await gatewayOver(simulators, [
    openai(),
    route(["openai"]),
    client({ models: ["gpt-4o-transcribe"] }),
  ]);
  const at = `${url}/v1/realtime`;
  simulators.openai.reset();
  for (const [answer, status, code] of [
    [await secretFor(at), 400, "missing_field"],
    [await secretFor(at, { type: "realtime" }), 400, "missing_field"],
    [await secretFor(at, { type: "realtime", model: MODEL }), 404, "model_not_found"],
    [await post(`${at}/calls`, callWith({ type: "realtime" })), 400, "missing_field"],
    [await post(`${at}/calls`, SDP, "application/sdp"), 400, "missing_field"],
    [await post(`${at}/calls?model=${MODEL}`, SDP, "application/sdp"), 404, "model_not_found"],
    [await post(`${at}/calls?deployment=${MODEL}`, SDP, "application/sdp"), 404, "model_not_found"],
    [await post(`${at}/calls`, JSON.stringify({ sdp: SDP }), "application/json"), 415, "unsupported_media_type"],
  ] as const) {
    assert.deepEqual([answer.status, answer.code], [status, code]);
  }
  const other = await refused(`${at}?intent=conversation`);
  assert.deepEqual([other.status, other.error.code], [400, "missing_field"]);
  assert.deepEqual(simulators.openai.requests(), [], "nothing was asked of the provider");
});

test("a call's model in the query is the session's, as the provider calls it", async () => {
  const { url } = await gatewayOver(simulators, [azure("v1"), route(["azure"]), client()]);
  const at = `${url}/openai/v1/realtime/calls`;
  const made = await post(`${at}?model=${MODEL}&webrtcfilter=on`, callWith({ type: "realtime", model: MODEL }));
  assert.equal(made.status, 201);
  const { url: asked } = simulators.azure.requests().at(-1) as unknown as { url: string };
  assert.equal(asked, `/openai/v1/realtime/calls?webrtcfilter=on&model=${DEPLOYMENT}`);
  const contradicting = await post(`${at}?model=gpt-4o-transcribe`, callWith({ type: "realtime", model: MODEL }));
  assert.deepEqual([contradicting.status, contradicting.code], [400, "invalid_field"]);
});

test("an application of Azure's names its deployment in secrets, sockets and calls alike", async () => {
  const { url } = await gatewayOver(simulators, [azure("v1"), route(["azure"]), client()]);
  const at = `${url}/openai/v1/realtime`;
  const { body } = await secretFor(at, { type: "realtime", model: DEPLOYMENT });
  const key = { authorization: `Bearer ${body.value}` };
  for (const name of [DEPLOYMENT, MODEL]) {
    const peer = await Peer.open(`${at}?model=${name}`, key);
    await peer.until("session.created");
    await peer.close();
    assert.equal((await post(`${at}/calls?model=${name}`, SDP, "application/sdp", key)).status, 201);
  }
  assert.equal((await refused(`${at}?model=hear-prod`, key)).error.code, "invalid_field");
  assert.equal((await refused(`${url}/v1/realtime?model=${DEPLOYMENT}`, key)).error.code, "invalid_field");
  assert.equal((await post(`${at}/calls?model=hear-prod`, SDP, "application/sdp", key)).code, "invalid_field");
  assert.equal((await post(`${at}/calls`, callWith({ type: "realtime", model: DEPLOYMENT }))).status, 201);
});

test("an ephemeral key goes to no other provider than the one that gave it", async () => {
  const elsewhere = object("AIRoute", "elsewhere", {
    models: ["other-voice"],
    backends: [{ name: "azure", providerRef: { name: "azure" }, model: MODEL }],
  });
  const { url } = await gatewayOver(simulators, [openai(), azure("v1"), route(["openai"]), elsewhere, client()]);
  const at = `${url}/v1/realtime`;
  const { body } = await secretFor(at, { type: "realtime", model: MODEL });
  const key = { authorization: `Bearer ${body.value}` };
  const idOf = async (model: string) =>
    (await post(`${at}/calls`, callWith({ type: "realtime", model }))).location?.split("/").at(-1);
  const foreign = await idOf("other-voice");
  simulators.azure.reset();
  assert.equal((await refused(`${at}?call_id=${foreign}`, key)).error.code, "resource_not_found");
  assert.deepEqual(simulators.azure.requests(), []);
  const peer = await Peer.open(`${at}?call_id=${await idOf(MODEL)}`, key);
  await peer.until("session.created");
  await peer.close();
});
