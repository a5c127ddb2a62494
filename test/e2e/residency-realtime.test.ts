/** Do realtime sessions stay where their caller belongs, with all that is said and asked for in them? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { errorOf, type Harness, KEY } from "../proxy/harness.ts";
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
const OWN = { authorization: `Bearer ${KEY}` };

beforeEach(() => {
  simulators.openai.reset();
  simulators.azure.reset();
});

/** What reached it, but for the gateway's own health checks. */
const reached = (which: "openai" | "azure") =>
  simulators[which].requests().filter(({ url }) => !/\/models\b/.test(url));

/** The session's deployment stays in Sweden, the one that transcribes may be anywhere. */
const IN_SWEDEN = {
  region: "swedencentral",
  models: [
    { name: MODEL, deployment: DEPLOYMENT, deploymentType: "Standard" },
    { name: "gpt-4o-transcribe", deployment: "hear-prod", deploymentType: "GlobalStandard" },
    { name: "whisper-eu", deployment: "whisper-prod", deploymentType: "Standard" },
  ],
};

const harness = await gatewayOver(simulators, []);

interface World {
  readonly residency?: string;
  readonly backends?: readonly string[];
  readonly route?: object;
}

function world({ residency, backends = ["openai", "azure"], route: more }: World): Harness {
  const place = residency === undefined ? {} : { residency };
  harness.apply([openai(), azure("v1", IN_SWEDEN), route(backends, more), client(place)]);
  return harness;
}

const post = (path: string, body: object) => harness.post(path, body);

test("a session opens in the zone, or not at all", async () => {
  world({ residency: "EU" });
  const peer = await Peer.open(`${harness.url}/v1/realtime?model=${MODEL}`);
  assert.equal(peer.headers["x-tandem-provider"], "azure");
  peer.say("hello");
  await peer.until("response.done");
  await peer.close();
  assert.deepEqual(reached("openai"), []);
  simulators.azure.reset();
  world({ residency: "US" });
  const { status, error } = await refused(`${harness.url}/v1/realtime?model=${MODEL}`);
  assert.deepEqual([status, error.code], [403, "residency_unsatisfiable"]);
  assert.deepEqual([...reached("openai"), ...reached("azure")], []);
});

test("what sends content elsewhere does not get through in a frame, and the session goes on", async () => {
  world({ residency: "EU" });
  const peer = await Peer.open(`${harness.url}/v1/realtime?model=${MODEL}`);
  await peer.until("session.created");
  const mcp = [{ type: "mcp", server_label: "s", server_url: "https://mcp.example" }];
  const image = [{ type: "input_image", image_url: "https://images.example/a.png" }];
  const frames = [
    { type: "session.update", event_id: "mine", session: { type: "realtime", tools: mcp } },
    { type: "response.create", response: { tools: mcp } },
    { type: "session.update", session: { type: "realtime", prompt: { id: "pmpt_1" } } },
    { type: "conversation.item.create", item: { type: "message", role: "user", content: image } },
    { type: "conversation.item.create", item: { type: "mcp_approval_response", approve: true } },
  ];
  for (const [i, frame] of frames.entries()) {
    peer.send(frame);
    const { error } = (await peer.until("error", i + 1)) as unknown as { error: { code: string; event_id: string } };
    assert.equal(error.code, "content_leaves_residency", JSON.stringify(frame));
    if (i === 0) assert.equal(error.event_id, "mine");
  }
  peer.socket.send('{"type":"session.update","session":{"tools" 1}}');
  await peer.until("error", frames.length + 1);
  assert.deepEqual(
    peer.events.filter(({ type }) => type === "session.updated"),
    [],
  );
  peer.say("hello");
  await peer.until("response.done");
  await peer.close();
  // The same frame of somebody of whom nothing is known is the provider's to judge.
  world({});
  const other = await Peer.open(`${harness.url}/v1/realtime?model=${MODEL}`);
  await other.until("session.created");
  other.send(frames[0] as object);
  await other.until("session.updated");
  await other.close();
});

test("what the caller says is transcribed in the zone as well", async () => {
  world({ residency: "EU" });
  const peer = await Peer.open(`${harness.url}/v1/realtime?model=${MODEL}`);
  await peer.until("session.created");
  const session = (model: string) => ({ type: "realtime", audio: { input: { transcription: { model } } } });
  for (const [i, model] of ["gpt-4o-transcribe", "whisper-1", "hear-prod"].entries()) {
    peer.send({ type: "session.update", session: session(model) });
    assert.match(JSON.stringify(await peer.until("error", i + 1)), /model_not_found/, model);
  }
  peer.send({ type: "session.update", session: session("whisper-eu") });
  assert.match(JSON.stringify(await peer.until("session.updated")), /whisper-prod/);
  await peer.close();
});

test("a key and a call from before the client belonged somewhere lead nowhere", async () => {
  world({ backends: ["openai"] });
  const session = { type: "realtime", model: MODEL };
  const secret = await post("/v1/realtime/client_secrets", { session });
  const { value } = (await secret.json()) as { value: string };
  const form = new FormData();
  form.set("sdp", "v=0\r\n");
  form.set("session", JSON.stringify(session));
  const made = await fetch(`${harness.url}/v1/realtime/calls`, { method: "POST", headers: OWN, body: form });
  const location = made.headers.get("location") as string;
  const call = location.split("/").at(-1);
  world({ residency: "EU" });
  simulators.openai.reset();
  const byKey = await refused(`${harness.url}/v1/realtime`, { authorization: `Bearer ${value}` });
  assert.deepEqual([byKey.status, byKey.error.code], [403, "residency_unsatisfiable"]);
  const byCall = await refused(`${harness.url}/v1/realtime?call_id=${call}`);
  assert.deepEqual([byCall.status, byCall.error.code], [403, "residency_unsatisfiable"]);
  const accept = await post(`${location}/accept`, session);
  assert.deepEqual([accept.status, (await errorOf(accept)).code], [403, "residency_unsatisfiable"]);
  assert.deepEqual([...reached("openai"), ...reached("azure")], []);
});

test("client secrets, calls and their handing over are judged before they are sent", async () => {
  world({ residency: "EU" });
  const session = { type: "realtime", model: MODEL };
  const secret = await post("/v1/realtime/client_secrets", { session: { ...session, tools: [{ type: "mcp" }] } });
  assert.deepEqual([secret.status, (await errorOf(secret)).param], [403, "tools"]);
  const form = new FormData();
  form.set("sdp", "v=0\r\n");
  form.set("session", JSON.stringify(session));
  const call = await fetch(`${harness.url}/v1/realtime/calls`, { method: "POST", headers: OWN, body: form });
  assert.deepEqual([call.status, (await errorOf(call)).param], [403, "sdp"]);
  assert.deepEqual([...reached("openai"), ...reached("azure")], []);
  const allowTools = ["DataSources", "MCP", "RemoteFiles", "RemoteImages", "WebSearch"];
  world({ residency: "EU", route: { compliance: { rules: [{ residency: "EU", allow: ["EU"], allowTools }] } } });
  const again = new FormData();
  for (const [name, value] of form) again.set(name, value);
  const allowed = await fetch(`${harness.url}/v1/realtime/calls`, { method: "POST", headers: OWN, body: again });
  assert.deepEqual([allowed.status, allowed.headers.get("x-tandem-provider")], [201, "azure"]);
  world({ residency: "EU" });
  const refer = await post(`${allowed.headers.get("location")}/refer`, { target_uri: "tel:+14155550123" });
  assert.deepEqual([refer.status, (await errorOf(refer)).param], [403, "target_uri"]);
  assert.deepEqual(reached("openai"), []);
});
