/** Does the gateway find its way to providers through the networks that people have, and only there? */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { startGateway } from "../../proxy/gateway.ts";
import { DEFAULT_SETTINGS } from "../../proxy/settings.ts";
import { createLogger, LogDestination } from "../../proxy/telemetry/log.ts";
import { AZURE_KEY, errorOf, KEY, OPENAI_KEY, objects, startHarness } from "../proxy/harness.ts";
import { certificatesFor, forwardProxy, provide, provideTLS, type Running } from "../proxy/upstream/servers.ts";

const HOST = "provider.example";
const answer: RequestListener = (request, response) => {
  request.resume();
  const choices = [{ index: 0, message: { role: "assistant", content: "here" }, finish_reason: "stop" }];
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ object: "chat.completion", choices }));
};
const route = { models: ["gpt-4o"], backends: [{ name: "openai", providerRef: { name: "openai" } }] };
const SECRETS = { openai: OPENAI_KEY, azure: AZURE_KEY, client: KEY };
const TLS_CA = { caSecretRef: { name: "keys", key: "ca" } };

const logLines: string[] = [];
const log = createLogger({ write: (line) => void logLines.push(line) }, "info");

/** Nothing is sent elsewhere than the objects say. */
async function gatewayTo(openai: object, options: { allowed?: string[]; env?: NodeJS.ProcessEnv; secrets?: object }) {
  const { allowed = [], env = {}, secrets = {} } = options;
  const settings = { ...DEFAULT_SETTINGS, egress: { ...DEFAULT_SETTINGS.egress, allowedCIDRs: allowed } };
  const harness = await startHarness({ openai: "", azure: "", connectTo: new Map(), objects: [], settings, env, log });
  harness.apply(objects({ openai: { health: undefined, ...openai }, route }), { ...SECRETS, ...secrets });
  return harness;
}

function closing<T extends Running>(running: T): T {
  after(() => running.close());
  return running;
}

const certificates = certificatesFor(HOST);
const noOpenssl = certificates ? false : "there is no openssl";

test("through a CONNECT proxy, with the provider's own CA and only with it", { skip: noOpenssl }, async () => {
  const provider = closing(await provideTLS(certificates as NonNullable<typeof certificates>, answer));
  const proxy = closing(await forwardProxy(provider.port));
  const env = { HTTPS_PROXY: `http://someone:word@127.0.0.1:${proxy.port}` };
  const endpoint = `https://${HOST}/v1`;
  const ca = certificates?.ca ?? "";
  const trusting = await gatewayTo({ endpoint, tls: TLS_CA }, { env, secrets: { ca } });
  assert.equal((await trusting.chat()).status, 200);
  const basic = Buffer.from("someone:word").toString("base64");
  assert.equal(proxy.seen[0], `CONNECT ${HOST}:443 Basic ${basic}`);
  const piped = await trusting.post("/v1/images/generations", { model: "gpt-4o", prompt: "a dot" });
  assert.equal(piped.status, 200);
  const distrusting = await gatewayTo({ endpoint }, { env });
  const refused = await distrusting.chat();
  assert.equal(refused.status, 502);
  assert.equal((await errorOf(refused)).code, "upstream_unreachable");
});

test("loopback is refused, with the setting that would allow it, and allowed by it", async () => {
  const provider = closing(await provide(answer));
  const endpoint = `http://127.0.0.1:${provider.port}/v1`;
  const shut = await gatewayTo({ endpoint }, {});
  logLines.length = 0;
  for (const path of ["/v1/chat/completions", "/v1/images/generations"]) {
    const refused = await shut.post(path, { model: "gpt-4o", messages: [] });
    assert.equal(refused.status, 502, path);
    assert.equal((await errorOf(refused)).code, "upstream_unreachable");
  }
  assert.equal(provider.connections(), 0);
  // Five failures open the breaker, and that is logged; each request's own access line has the same clause.
  for (let i = 0; i < 5; i++) await shut.chat();
  assert.match(logLines.join(""), /add 127\.0\.0\.1\/32 to the setting egress\.allowedCIDRs/);
  const open = await gatewayTo({ endpoint }, { allowed: ["127.0.0.0/8"] });
  assert.equal((await open.chat()).status, 200);
});

test("1,000 idle connections do no harm", { timeout: 30_000 }, async () => {
  const provider = closing(await provide(answer));
  const harness = await gatewayTo({ endpoint: `http://127.0.0.1:${provider.port}/v1` }, { allowed: ["127.0.0.0/8"] });
  const { port } = new URL(harness.url);
  const sockets: Socket[] = [];
  for (let i = 0; i < 1000; i++) {
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("error", () => undefined);
    sockets.push(socket);
    await once(socket, "connect");
  }
  assert.equal((await harness.chat()).status, 200);
  assert.equal(sockets.filter((socket) => socket.destroyed).length, 0);
  for (const socket of sockets) socket.destroy();
});

test("/readyz says 503 and requests get 503 before the first table", async () => {
  const address = { host: "127.0.0.1", port: 0 };
  const gateway = await startGateway({
    listen: address,
    admin: address,
    settings: DEFAULT_SETTINGS,
    connectTo: new Map(),
    log: createLogger(new LogDestination("/dev/null")),
    env: {},
  });
  const ready = await fetch(`${gateway.adminUrl}/readyz`);
  assert.equal(ready.status, 503);
  assert.match((await errorOf(ready)).message, /no configuration/);
  const asked = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } });
  assert.equal(asked.status, 503);
  assert.equal((await errorOf(asked)).code, "not_ready");
  await gateway.close({ drainMs: 0 });
});
