/** Do realtime sessions work through Tandem as at the providers, for official clients and browsers, in every form? */
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { AzureOpenAI } from "openai";
import { OpenAIRealtimeWS as PreviewRealtimeWS } from "openai/beta/realtime/ws";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { AZURE_KEY, KEY, OPENAI_KEY } from "../proxy/harness.ts";
import { client } from "./over-simulators.ts";
import {
  azure,
  BACKENDS,
  type Backend,
  behind,
  DEPLOYMENT,
  gatewayOver,
  MODEL,
  openai,
  overTLS,
  Peer,
  realtimeSimulators,
  refused,
  route,
} from "./realtime-world.ts";

const simulators = await realtimeSimulators();
const gateways = new Map(
  await Promise.all(
    (Object.keys(BACKENDS) as Backend[]).map(
      async (backend) => [backend, await gatewayOver(simulators, behind(backend))] as const,
    ),
  ),
);
const gatewayOf = (backend: Backend) => gateways.get(backend) as NonNullable<ReturnType<typeof gateways.get>>;
const simulatorOf = (backend: Backend) => (backend === "OpenAI" ? simulators.openai : simulators.azure);
const lastOf = (backend: Backend) =>
  simulatorOf(backend).requests().at(-1) as NonNullable<unknown> & {
    url: string;
    headers: Record<string, string>;
  };
const reset = () => {
  simulators.openai.reset();
  simulators.azure.reset();
};
const GA: readonly Backend[] = ["OpenAI", "Azure, v1"];
const PREVIEW: readonly Backend[] = ["OpenAI", "Azure, dated"];

function textOf(socket: OpenAIRealtimeWS): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("error", reject);
    socket.on("session.created", () => {
      socket.send({ type: "session.update", session: { type: "realtime", model: MODEL, output_modalities: ["text"] } });
    });
    socket.on("session.updated", () => {
      const content = [{ type: "input_text" as const, text: "hello" }];
      socket.send({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
      socket.send({ type: "response.create" });
    });
    socket.on("response.output_text.delta", ({ delta }) => {
      text += delta;
    });
    socket.on("response.done", () => {
      socket.close();
      resolve(text);
    });
  });
}

for (const backend of GA) {
  test(`${backend}: the official clients converse`, async () => {
    const front = await overTLS(gatewayOf(backend).url);
    const plain = new OpenAI({ apiKey: KEY, baseURL: `${front.url}/v1` });
    assert.match(
      await textOf(new OpenAIRealtimeWS({ model: MODEL, options: { ca: front.ca } }, plain)),
      /You said hello/,
    );
    const azure = new AzureOpenAI({ apiKey: KEY, endpoint: front.url, apiVersion: "2025-04-01-preview" });
    const socket = await OpenAIRealtimeWS.azure(azure, { deploymentName: MODEL, options: { ca: front.ca } });
    const expected = backend === "OpenAI" ? /at OpenAI/ : /deployment realtime-prod/;
    assert.match(await textOf(socket), expected);
  });
}

function previewDone(socket: PreviewRealtimeWS): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const types: string[] = [];
    socket.on("error", reject);
    socket.on("event", ({ type }) => types.push(type));
    socket.on("session.created", () => socket.send({ type: "response.create" }));
    socket.on("response.done", () => {
      socket.close();
      resolve(types);
    });
  });
}

for (const backend of PREVIEW) {
  test(`${backend}: the official clients' preview helpers converse`, async () => {
    const front = await overTLS(gatewayOf(backend).url);
    const plain = new OpenAI({ apiKey: KEY, baseURL: `${front.url}/v1` });
    const first = await previewDone(new PreviewRealtimeWS({ model: MODEL, options: { ca: front.ca } }, plain));
    const azure = new AzureOpenAI({ apiKey: KEY, endpoint: front.url, apiVersion: "2025-04-01-preview" });
    const socket = await PreviewRealtimeWS.azure(azure, { deploymentName: MODEL, options: { ca: front.ca } });
    const second = await previewDone(socket);
    for (const types of [first, second]) assert.ok(types.includes("response.audio.delta"), types.join());
  });
}

test("what goes to each provider is its own form, with its own key and nothing of the caller's", async () => {
  const open = async (backend: Backend, path: string) => {
    const peer = await Peer.open(`${gatewayOf(backend).url}${path}`, {
      authorization: `Bearer ${KEY}`,
      cookie: "mine=1",
      "openai-organization": "org-mine",
    });
    await peer.until("session.created");
    await peer.close();
    return lastOf(backend);
  };
  const first = await open("OpenAI", `/v1/realtime?model=${MODEL}&api-version=x&trace=1`);
  assert.equal(first.url, `/v1/realtime?trace=1&model=${MODEL}`);
  const second = await open("Azure, v1", `/v1/realtime?model=${MODEL}`);
  assert.equal(second.url, `/openai/v1/realtime?model=${DEPLOYMENT}`);
  const third = await open("Azure, dated", `/openai/realtime?api-version=2024-10-01-preview&deployment=${MODEL}`);
  assert.equal(third.url, `/openai/realtime?deployment=${DEPLOYMENT}&api-version=2025-04-01-preview`);
  const fourth = await open("OpenAI", `/openai/realtime?api-version=2025-04-01-preview&deployment=${MODEL}`);
  assert.equal(fourth.url, `/v1/realtime?model=${MODEL}`);
  assert.equal(fourth.headers["openai-beta"], "realtime=v1");
  for (const { headers } of [first, second, third, fourth]) {
    for (const name of ["cookie", "openai-organization", "sec-websocket-protocol", "sec-websocket-extensions"]) {
      assert.equal(headers[name], undefined, name);
    }
  }
});

test("the key is taken from header, query and subprotocol, and the answer names `realtime` alone", async () => {
  const url = `${gatewayOf("Azure, v1").url}/openai/v1/realtime?model=${MODEL}`;
  const protocols = ["realtime", `openai-insecure-api-key.${KEY}`, "openai-organization.mine"];
  for (const [address, headers, offered] of [
    [url, { authorization: `Bearer ${KEY}` }, []],
    [url, { "api-key": KEY }, []],
    [`${url}&api-key=${KEY}`, {}, []],
    [url, {}, protocols],
    [url, { "api-key": KEY }, protocols],
  ] as const) {
    const peer = await Peer.open(address, headers, offered);
    await peer.until("session.created");
    assert.equal(peer.headers["sec-websocket-protocol"], offered.length > 0 ? "realtime" : undefined);
    assert.equal(peer.headers["x-tandem-provider"], "azure");
    assert.ok(peer.headers["x-request-id"]);
    await peer.close();
    const { url: asked, headers: sent } = lastOf("Azure, v1");
    assert.equal(asked, `/openai/v1/realtime?model=${DEPLOYMENT}`);
    assert.match(String(sent["api-key"]), /^sha256:/);
    assert.equal(sent["sec-websocket-protocol"], undefined);
  }
});

test("refusals before the upgrade are HTTP answers in OpenAI's shape", async () => {
  const { url } = gatewayOf("OpenAI");
  const own = { authorization: `Bearer ${KEY}` };
  const wrong = { authorization: "Bearer nobody" };
  const at = `${url}/v1/realtime?model=${MODEL}`;
  const cases: readonly (readonly [string, Record<string, string>, readonly string[], number, string])[] = [
    [at, {}, [], 401, "invalid_api_key"],
    [at, wrong, [], 401, "invalid_api_key"],
    [`${at}&api-key=nobody`, {}, [], 401, "invalid_api_key"],
    [`${at}&api-key=other`, own, [], 401, "invalid_api_key"],
    [at, own, ["openai-insecure-api-key.other", "realtime"], 401, "invalid_api_key"],
    [at, own, ["chat"], 400, "bad_request"],
    [`${url}/v1/realtime?model=nobody`, own, [], 404, "model_not_found"],
    [`${url}/v1/realtime?model=a&deployment=b`, own, [], 400, "invalid_field"],
    [`${url}/v1/realtime`, own, [], 400, "missing_field"],
    [`${url}/v1/realtime?call_id=rtc_foreign`, own, [], 404, "resource_not_found"],
    [`${url}/v1/responses`, own, [], 404, "operation_not_supported"],
    [`${url}/v1/chat/completions`, own, [], 404, "operation_not_supported"],
  ];
  for (const [address, headers, protocols, status, code] of cases) {
    const answer = await refused(address, headers, protocols);
    assert.deepEqual([answer.status, answer.error.code], [status, code], address);
    assert.ok(answer.headers["x-request-id"], address);
  }
  const plain = await fetch(`${url}/v1/realtime?model=${MODEL}`, { headers: own });
  assert.deepEqual([plain.status, plain.headers.get("upgrade")], [426, "websocket"]);
});

test("a caller is not given events of the form that it does not speak", async () => {
  const own = { authorization: `Bearer ${KEY}` };
  const dated = await refused(`${gatewayOf("Azure, dated").url}/v1/realtime?model=${MODEL}`, own);
  assert.equal(dated.error.code, "operation_not_supported");
  assert.match(dated.error.message, /OpenAI-Beta: realtime=v1/);
  const preview = { ...own, "openai-beta": "realtime=v1" };
  const ga = await refused(`${gatewayOf("Azure, v1").url}/v1/realtime?model=${MODEL}`, preview);
  assert.equal(ga.error.code, "operation_not_supported");
});

test("what no provider of the route has is refused clearly", async () => {
  const { url } = gatewayOf("Azure, v1");
  const translation = await refused(`${url}/v1/realtime/translations?model=${MODEL}`);
  assert.deepEqual([translation.status, translation.error.code], [404, "operation_not_supported"]);
  const session = await fetch(`${url}/v1/realtime/sessions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL }),
  });
  assert.equal(session.status, 404);
});

test("Azure's preview makes sessions under a name of its own", async () => {
  const { url } = gatewayOf("Azure, dated");
  const answer = await fetch(`${url}/openai/realtimeapi/sessions?api-version=2025-04-01-preview`, {
    method: "POST",
    headers: { "api-key": KEY, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL }),
  });
  const { client_secret } = (await answer.json()) as { client_secret: { value: string } };
  assert.equal(lastOf("Azure, dated").url, "/openai/realtimeapi/sessions?api-version=2025-04-01-preview");
  const preview = `/openai/realtime?api-version=2025-04-01-preview&deployment=${MODEL}`;
  const peer = await Peer.open(url + preview, { authorization: `Bearer ${client_secret.value}` });
  await peer.until("session.created");
  await peer.close();
});

test("a client may only open the models that it has", async () => {
  const own = await gatewayOver(simulators, [openai(), route(["openai"]), client({ models: ["gpt-4o-transcribe"] })]);
  const answer = await refused(`${own.url}/v1/realtime?model=${MODEL}`);
  assert.equal(answer.error.code, "model_not_found");
});

test("before the provider's 101 the next backend is asked, with the reason told", async () => {
  const harness = await gatewayOver(simulators, [openai(), azure("v1"), route(["openai", "azure"]), client()]);
  for (const fault of ["429;retry-after-ms=1", "503", "500", "reset", "401", "404"]) {
    reset();
    simulators.openai.fault({ match: { operation: "realtime" }, fault });
    const peer = await Peer.open(`${harness.url}/v1/realtime?model=${MODEL}`);
    const { session } = await peer.until("session.created");
    assert.match(JSON.stringify(session), /gpt-realtime-2025-08-28/);
    assert.equal(peer.headers["x-tandem-provider"], "azure", fault);
    assert.match(String(peer.headers["x-tandem-decision"]), /^failover:/);
    await peer.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  reset();
});

test("a session that the provider breaks or closes ends so for the caller", async () => {
  const { url } = gatewayOf("OpenAI");
  const endOf = async (fault: string) => {
    simulators.openai.fault({ match: { operation: "realtime" }, fault, times: 1 });
    const peer = await Peer.open(`${url}/v1/realtime?model=${MODEL}`);
    await peer.until("session.created");
    peer.say("hello");
    const { code, reason } = await peer.closed;
    return [peer.events.length, code, reason];
  };
  assert.deepEqual(await endOf("close;after=3;code=1008;reason=enough"), [3, 1008, "enough"]);
  assert.deepEqual(await endOf("close;after=2;code=4321"), [2, 4321, ""]);
  assert.deepEqual(await endOf("cut;after=4"), [4, 1011, "the provider's connection broke"]);
  reset();
});

test("a session ends when its key is taken away, or its client, and the others stay", async () => {
  const other = "tdm-another-client-key";
  const secrets = { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY, other };
  const app = (keys: readonly string[]) =>
    client({ keys: keys.map((key) => ({ name: key, secretRef: { name: "keys", key } })) });
  const objects = (keys: readonly string[]) => [openai(), route(["openai"]), ...(keys.length > 0 ? [app(keys)] : [])];
  const own = await gatewayOver(simulators, []);
  own.apply(objects(["client", "other"]), secrets);
  const url = `${own.url}/v1/realtime?model=${MODEL}`;
  const [first, second] = await Promise.all(
    [KEY, other].map((key) => Peer.open(url, { authorization: `Bearer ${key}` })),
  );
  await Promise.all([first?.until("session.created"), second?.until("session.created")]);
  own.apply(objects(["other"]), secrets);
  const revoked = await first?.closed;
  assert.equal(revoked?.code, 1008);
  assert.match(revoked?.reason ?? "", /key/);
  second?.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
  await second?.until("session.updated");
  own.apply(objects([]), secrets);
  assert.equal((await second?.closed)?.code, 1008);
});

test("when everybody refuses, the last provider's refusal is the answer", async () => {
  const harness = await gatewayOver(simulators, [openai(), azure("v1"), route(["openai", "azure"]), client()]);
  simulators.openai.fault({ match: {}, fault: "500" });
  simulators.azure.fault({ match: {}, fault: "503" });
  const answer = await refused(`${harness.url}/v1/realtime?model=${MODEL}`);
  assert.equal(answer.status, 503);
  assert.equal(answer.headers["x-tandem-error-origin"], "provider");
  assert.equal(answer.headers["x-tandem-attempts"], "2");
  reset();
});

test("a session's own model is translated in session.update, another one is refused", async () => {
  const peer = await Peer.open(`${gatewayOf("Azure, v1").url}/v1/realtime?model=${MODEL}`);
  const { session } = await peer.until("session.created");
  const transcription = { model: "gpt-4o-transcribe" };
  const update = { type: "realtime", model: MODEL, audio: { input: { transcription } } };
  peer.send({ type: "session.update", session: update });
  const updated = await peer.until("session.updated");
  assert.match(JSON.stringify(updated.session), /"transcription":\{"model":"hear-prod"\}/);
  // As a client does that sends back what it was told.
  peer.send({ type: "session.update", session });
  await peer.until("session.updated", 2);
  for (const frame of [
    '{"type":"session.update","event_id":"e1","session":{"type":"realtime","model":"gpt-4o"}}',
    '{"type":"session.update","event_id":"e1","\\u0073ession":{"type":"realtime","model":"gpt-4o"}}',
  ]) {
    peer.socket.send(frame);
  }
  await peer.until("error", 2);
  const errors = peer.events.filter(({ type }) => type === "error").map(({ error }) => error as Record<string, string>);
  assert.deepEqual(
    errors.map(({ code, param, event_id }) => [code, param, event_id]),
    [
      ["model_not_found", "session.model", "e1"],
      ["model_not_found", "session.model", "e1"],
    ],
  );
  peer.socket.send(`{"type":"session.update","session":{"type":"realtime"},"session":{"model":"gpt-4o"}}`);
  await peer.until("error", 3);
  assert.match(JSON.stringify(peer.events.at(-1)), /duplicate_field/);
  peer.say("still there?");
  await peer.until("response.done");
  await peer.close();
});

test("an application of Azure's names its deployment", async () => {
  const { url } = gatewayOf("Azure, v1");
  const peer = await Peer.open(`${url}/openai/v1/realtime?model=${DEPLOYMENT}`);
  const { session } = await peer.until("session.created");
  peer.send({ type: "session.update", session: { ...(session as object), model: DEPLOYMENT } });
  await peer.until("session.updated");
  assert.equal(peer.headers["x-tandem-model"], DEPLOYMENT);
  await peer.close();
  const preview = `/openai/realtime?api-version=2025-04-01-preview&deployment=${DEPLOYMENT}`;
  const dated = await Peer.open(gatewayOf("Azure, dated").url + preview);
  await dated.until("session.created");
  await dated.close();
  assert.equal((await refused(`${url}/v1/realtime?model=${DEPLOYMENT}`)).error.code, "model_not_found");
});

test("a session that transcribes takes its route without a model, and names one that its client may use", async () => {
  const harness = await gatewayOver(simulators, [
    azure("v1"),
    route(["azure"]),
    client({ models: ["gpt-4o-transcribe"] }),
  ]);
  const peer = await Peer.open(`${harness.url}/v1/realtime?intent=transcription`);
  await peer.until("session.created");
  const session = (model: string) => ({ type: "transcription", audio: { input: { transcription: { model } } } });
  peer.send({ type: "session.update", session: session("whisper-1") });
  assert.match(JSON.stringify(await peer.until("error")), /whisper-1/);
  peer.send({ type: "session.update", session: session("gpt-4o-transcribe") });
  assert.match(JSON.stringify(await peer.until("session.updated")), /hear-prod/);
  await peer.close();
});

const SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

for (const backend of GA) {
  test(`${backend}: an ephemeral key works at Tandem alone, for its model`, async () => {
    const { url, gateway } = gatewayOf(backend);
    const openaiClient = new OpenAI({ apiKey: KEY, baseURL: `${url}/v1` });
    const made = await openaiClient.realtime.clientSecrets.create({
      expires_after: { anchor: "created_at", seconds: 60 },
      session: { type: "realtime", model: MODEL, instructions: "Be brief." },
    });
    assert.match(made.value, /^ek_[\w-]{80,}$/);
    assert.match(JSON.stringify(made.session), /Be brief/);
    const base = backend === "OpenAI" ? "/v1" : "/openai/v1";
    const direct = await fetch(`${simulatorOf(backend).url}${base}/realtime/calls`, {
      method: "POST",
      headers: { authorization: `Bearer ${made.value}`, "content-type": "application/sdp" },
      body: SDP,
    });
    assert.equal(direct.status, 401);
    for (const query of ["", `?model=${MODEL}`]) {
      const protocols = ["realtime", `openai-insecure-api-key.${made.value}`];
      const peer = await Peer.open(`${url}/v1/realtime${query}`, {}, protocols);
      assert.match(JSON.stringify(await peer.until("session.created")), /Be brief/);
      await peer.close();
    }
    const other = await refused(`${url}/v1/realtime?model=gpt-4o`, { authorization: `Bearer ${made.value}` });
    assert.equal(other.status, 400);
    const chat = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${made.value}`, "content-type": "application/json" },
      body: JSON.stringify({ model: MODEL, messages: [] }),
    });
    assert.equal(chat.status, 401);
    assert.ok(gateway.hash);
  });

  test(`${backend}: a call's id is the gateway's own, and leads back to its provider`, async () => {
    const { url } = gatewayOf(backend);
    const form = new FormData();
    form.set("sdp", SDP);
    form.set("session", JSON.stringify({ type: "realtime", model: MODEL }));
    const own = { authorization: `Bearer ${KEY}` };
    const made = await fetch(`${url}/v1/realtime/calls`, { method: "POST", headers: own, body: form });
    assert.equal(made.status, 201);
    assert.equal(made.headers.get("content-type"), "application/sdp");
    assert.match(await made.text(), /^v=0/);
    const location = made.headers.get("location") ?? "";
    assert.match(location, /^\/v1\/realtime\/calls\/rtc_[\w-]+_tdm[\w-]{32}$/);
    const id = location.split("/").at(-1) as string;
    const peer = await Peer.open(`${url}/v1/realtime?call_id=${id}`);
    await peer.until("session.created");
    await peer.close();
    assert.doesNotMatch(lastOf(backend).url, new RegExp(id));
    const official = new OpenAI({ apiKey: KEY, baseURL: `${url}/v1` });
    await official.realtime.calls.accept(id, { type: "realtime", model: MODEL });
    assert.match(
      String((lastOf(backend) as unknown as { body: string }).body),
      backend === "OpenAI" ? /gpt-realtime/ : /realtime-prod/,
    );
    await official.realtime.calls.refer(id, { target_uri: "tel:+14155550123" });
    await official.realtime.calls.hangup(id);
    await assert.rejects(official.realtime.calls.hangup(id), { status: 404 });
    await assert.rejects(official.realtime.calls.hangup("rtc_0123456789abcdef"), {
      status: 404,
      code: "resource_not_found",
    });
  });
}

test("an expired ephemeral key is refused", async () => {
  const { url } = gatewayOf("OpenAI");
  const answer = await fetch(`${url}/v1/realtime/client_secrets`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ session: { type: "realtime", model: MODEL } }),
  });
  const { value } = (await answer.json()) as { value: string };
  const now = Date.now;
  Date.now = () => now() + 3_600_000;
  try {
    const late = await refused(`${url}/v1/realtime`, { authorization: `Bearer ${value}` });
    assert.deepEqual([late.status, late.error.code], [401, "invalid_api_key"]);
    assert.match(late.error.message, /expired/);
  } finally {
    Date.now = now;
  }
});

test("preview sessions carry a sealed key as well", async () => {
  const { url } = gatewayOf("OpenAI");
  const answer = await fetch(`${url}/v1/realtime/sessions`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, voice: "alloy" }),
  });
  const { client_secret } = (await answer.json()) as { client_secret: { value: string } };
  assert.match(client_secret.value, /^ek_[\w-]{80,}$/);
  const peer = await Peer.open(`${url}/v1/realtime`, { authorization: `Bearer ${client_secret.value}` });
  await peer.until("session.created");
  await peer.close();
});

test("what is another client's is not there", async () => {
  const second = { keys: [{ name: "current", secretRef: { name: "keys", key: "second" } }] };
  const harness = await gatewayOver(simulators, []);
  const { object } = await import("../proxy/harness.ts");
  const secrets = { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY, second: "tdm-second-client-key" };
  harness.apply([openai(), route(["openai"]), client(), object("AIClient", "second", second)], secrets);
  const form = new FormData();
  form.set("sdp", SDP);
  form.set("session", JSON.stringify({ type: "realtime", model: MODEL }));
  const headers = { authorization: `Bearer ${KEY}` };
  const made = await fetch(`${harness.url}/v1/realtime/calls`, { method: "POST", headers, body: form });
  const location = made.headers.get("location") as string;
  const id = location.split("/").at(-1);
  const other = { authorization: "Bearer tdm-second-client-key" };
  const hangup = await fetch(`${harness.url}${location}/hangup`, { method: "POST", headers: other });
  assert.equal(hangup.status, 404);
  assert.equal((await refused(`${harness.url}/v1/realtime?call_id=${id}`, other)).error.code, "resource_not_found");
  // A key whose owner is gone opens nothing.
  const secret = await fetch(`${harness.url}/v1/realtime/client_secrets`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify({ session: { type: "realtime", model: MODEL } }),
  });
  const { value } = (await secret.json()) as { value: string };
  harness.apply([openai(), route(["openai"]), object("AIClient", "second", second)], secrets);
  assert.equal((await refused(`${harness.url}/v1/realtime`, { authorization: `Bearer ${value}` })).status, 401);
});
