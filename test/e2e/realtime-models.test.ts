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

/** Of realtime: health is asked about whenever it likes. */
const askedOf = (provider: "openai" | "azure") =>
  simulators[provider].requests().flatMap(({ url }) => (url.includes("/realtime") ? [url] : []));

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
  assert.deepEqual(askedOf("openai"), [], "nothing was asked of the provider");
});

test("a call's model in the query is the session's, as the provider calls it", async () => {
  const { url } = await gatewayOver(simulators, [azure("v1"), route(["azure"]), client()]);
  const at = `${url}/openai/v1/realtime/calls`;
  const made = await post(`${at}?model=${MODEL}&webrtcfilter=on`, callWith({ type: "realtime", model: MODEL }));
  assert.equal(made.status, 201);
  assert.equal(askedOf("azure").at(-1), `/openai/v1/realtime/calls?webrtcfilter=on&model=${DEPLOYMENT}`);
  const contradicting = await post(`${at}?model=gpt-4o-transcribe`, callWith({ type: "realtime", model: MODEL }));
  assert.deepEqual([contradicting.status, contradicting.code], [400, "invalid_field"]);
});

test("the session of a call is read as its provider reads it", async () => {
  const { url } = await gatewayOver(simulators, [azure("v1"), route(["azure"]), client()]);
  const own = await gatewayOver(simulators, [openai(), route(["openai"]), client({ models: ["gpt-4o-transcribe"] })]);
  const formOf = (session: string) => {
    const form = new FormData();
    form.set("sdp", SDP);
    form.set("session", session);
    return form;
  };
  for (const before of ["", " ", "\r\n\t"]) {
    const session = `${before}{"type":"realtime","model":"${MODEL}"} \n`;
    const made = await post(`${url}/v1/realtime/calls`, formOf(session));
    assert.equal(made.status, 201, JSON.stringify(before));
    const forbidden = await post(`${own.url}/v1/realtime/calls?model=gpt-4o-transcribe`, formOf(session));
    assert.equal(forbidden.code, "invalid_field", JSON.stringify(before));
  }
  for (const session of ["", "[]", "x", `\ufeff{"model":"a"}`, '{"model":"a"', '{"model":"a"}{"model":"b"}']) {
    const answer = await post(`${url}/v1/realtime/calls`, formOf(session));
    assert.deepEqual([answer.status, answer.code], [400, "invalid_json"], session);
  }
});

test("a model that transcribes does not hide behind another in the other form", async () => {
  const { url } = await gatewayOver(simulators, [
    azure("v1"),
    route(["azure"]),
    client({ models: ["gpt-4o-transcribe"] }),
  ]);
  const peer = await Peer.open(`${url}/v1/realtime?intent=transcription`);
  await peer.until("session.created");
  const session = {
    type: "transcription",
    audio: { input: { transcription: { model: "gpt-4o-transcribe" } } },
    input_audio_transcription: { model: "whisper-1" },
  };
  peer.send({ type: "session.update", session });
  const { error } = await peer.until("error");
  assert.match(JSON.stringify(error), /duplicate_field.*input_audio_transcription/);
  peer.send({ type: "session.update", session: { ...session, input_audio_transcription: null } });
  await peer.until("session.updated");
  await peer.close();
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
  assert.deepEqual(askedOf("azure"), []);
  const peer = await Peer.open(`${at}?call_id=${await idOf(MODEL)}`, key);
  await peer.until("session.created");
  await peer.close();
});
