/** Are the two simulators there, with their faults, until they are told to stop? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { start } from "./tandem.ts";

test("Entra ID's token service on request: its token opens Azure, and the faults are its own", async () => {
  const addresses = ["openai", "azure", "entra"].flatMap((name) => [`--${name}`, "127.0.0.1:0"]);
  const { says, child, ended } = start(["simulate", ...addresses, "--instant"]);
  const [, azure = ""] = await says(/^Azure OpenAI: (http:\S+)/m);
  const [, entra = "", tenant = "", client_id = "", client_secret = ""] = await says(
    /^Entra ID: (http:\S+) \(tenant (\S+), client (\S+), secret (\S+)\)$/m,
  );
  const scope = "https://cognitiveservices.azure.com/.default";
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret, scope });
  const ask = () =>
    fetch(`${entra}/${tenant}/oauth2/v2.0/token`, { method: "POST", body: form, headers: { connection: "close" } });
  const { access_token: token } = (await (await ask()).json()) as { access_token: string };
  const models = await fetch(`${azure}/openai/v1/models`, {
    headers: { authorization: `Bearer ${token}`, connection: "close" },
  });
  assert.equal(models.status, 200, await models.text());
  const faults = { method: "POST", body: '{"fault":"503","times":1}', headers: { connection: "close" } };
  assert.ok((await fetch(`${entra}/_sim/faults`, faults)).ok);
  assert.deepEqual([(await ask()).status, (await ask()).status], [503, 200]);
  child.kill("SIGINT");
  assert.equal((await ended).code, 0);
});

test("both answer where they say they do, fail on request, and end with 0", async () => {
  const { says, child, ended } = start(["simulate", "--openai", "127.0.0.1:0", "--azure", "127.0.0.1:0", "--instant"]);
  const [, openai = ""] = await says(/^OpenAI: (http:\S+)\/v1/m);
  const [, azure = ""] = await says(/^Azure OpenAI: (http:\S+)/m);
  await says(/_sim\//);
  const models = () =>
    fetch(`${openai}/v1/models`, { headers: { authorization: "Bearer sk-demo-openai", connection: "close" } });
  assert.equal((await models()).status, 200);
  const ordered = await fetch(`${openai}/_sim/faults`, {
    method: "POST",
    body: '{"fault":"503","times":1}',
    headers: { connection: "close" },
  });
  assert.ok(ordered.ok, await ordered.text());
  assert.equal((await models()).status, 503);
  const refused = await fetch(`${azure}/openai/v1/models`, { headers: { "api-key": "wrong", connection: "close" } });
  assert.equal(refused.status, 401);
  child.kill("SIGINT");
  assert.equal((await ended).code, 0);
});
