/** Do a call's id and an ephemeral key stay the gateway's own, however the provider writes them, and what if the call is over? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { client } from "../../e2e/over-simulators.ts";
import { MODEL, openai, refused, route } from "../../e2e/realtime-world.ts";
import { FakeRealtime } from "../../fakes/realtime-provider.ts";
import { KEY, startHarness } from "../harness.ts";

const provider = await new FakeRealtime().start();
const objects = [openai(), route(["openai"]), client()];
const harness = await startHarness({ openai: provider.url, azure: provider.url, objects });
const own = { authorization: `Bearer ${KEY}` };

async function locationFor(location: string): Promise<string | null> {
  provider.answer = (response) => response.writeHead(201, { "content-type": "application/sdp", location }).end("v=0");
  const form = new FormData();
  form.set("sdp", "v=0\r\n");
  form.set("session", JSON.stringify({ type: "realtime", model: MODEL }));
  const url = `${harness.url}/openai/v1/realtime/calls?webrtcfilter=on`;
  const made = await fetch(url, { method: "POST", headers: own, body: form });
  assert.equal(made.status, 201);
  return made.headers.get("location");
}

test("a location is a path at the gateway, however the provider writes it", async () => {
  for (const location of [
    "https://api.openai.com/v1/realtime/calls/rtc_1?x=1#f",
    "/v1/realtime/calls/rtc_1",
    "rtc_1",
  ]) {
    assert.match(String(await locationFor(location)), /^\/openai\/v1\/realtime\/calls\/rtc_1_tdm[\w-]{32}$/, location);
  }
  assert.equal(await locationFor("/v1/realtime/calls/"), null);
});

test("a call that its provider does not know any more is not there, and nobody's misconfiguration", async () => {
  const id = (await locationFor("/v1/realtime/calls/rtc_1"))?.split("/").at(-1);
  for (const body of ["<html>not found</html>", '{"error":{"code":"404","message":"Resource not found"}}']) {
    const head = `HTTP/1.1 404 Not Found\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
    provider.intercept = (socket) => {
      socket.end(head + body);
      return true;
    };
    const answer = await refused(`${harness.url}/v1/realtime?call_id=${id}`);
    assert.equal(answer.status, 404, answer.error.message);
    // Of a session without a call the same says that the gateway calls the provider wrongly.
    assert.equal((await refused(`${harness.url}/v1/realtime?model=${MODEL}`)).error.code, "upstream_misconfigured");
  }
  provider.intercept = undefined;
});

test("no key of the provider's is in the answer to a client secret, wherever it stands", async () => {
  const key = "ek_0123456789abcdef";
  const secret = { value: key, expires_at: Math.floor(Date.now() / 1000) + 60 };
  const ask = async (body: object) => {
    provider.answer = (response) => response.end(JSON.stringify(body));
    const answer = await harness.post("/v1/realtime/client_secrets", { session: { type: "realtime", model: MODEL } });
    const text = await answer.text();
    assert.doesNotMatch(text, new RegExp(key));
    return { status: answer.status, text };
  };
  const { text } = await ask({ ...secret, session: { type: "realtime", client_secret: secret } });
  assert.equal(text.match(/"value":"ek_[\w-]{80,}"/g)?.length, 2);
  assert.equal((await ask({ ...secret, session: { client_secret: { value: null } } })).status, 200);
  assert.equal((await ask({ ...secret, session: { client_secret: { value: key } } })).status, 502);
  assert.equal((await ask({ value: key })).status, 502);
});
