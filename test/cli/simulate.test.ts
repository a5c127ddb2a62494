/** Are the two simulators there, with their faults, until they are told to stop? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { start } from "./tandem.ts";

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
