/** Can faults be asked for in all three ways, matched, counted and drawn, and are mistakes told? */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFault } from "../../simulators/faults.ts";
import type { RunningSimulator } from "../../simulators/main.ts";
import { type Answer, ask, askAzure, askOpenai, azure, CHAT, openai } from "./ask.ts";

const openaiServer = await openai();
const azureServer = await azure();
const STREAM = { ...CHAT, stream: true };
const plain = (fault: string) => askOpenai(openaiServer, CHAT, { "x-sim-fault": fault });

test("a fault can stand in the model's or the deployment's name", async () => {
  const model = await askOpenai(openaiServer, { ...CHAT, model: "gpt-4o+fault=429+retry-after=2" });
  assert.deepEqual([model.status, model.headers["retry-after"]], [429, "2"]);
  const path = "/openai/deployments/gpt-4o-prod+fault=503/chat/completions?api-version=2024-10-21";
  assert.equal((await askAzure(azureServer, CHAT, {}, {}, path)).status, 503);
});

test("planned faults: matched, counted, drawn from a seed, and forgotten", async () => {
  const server = await openai({ counting: "estimate" });
  const order = { match: { model: "gpt-4o", stream: false }, fault: "500", times: 2 };
  const planned = await control(server, "POST", "faults", order);
  assert.equal(planned.status, 200);
  const statuses: number[] = [];
  for (const body of [{ ...CHAT, model: "gpt-4o-mini" }, STREAM, CHAT, CHAT, CHAT])
    statuses.push((await askOpenai(server, body)).status);
  assert.deepEqual(statuses, [200, 200, 500, 500, 200]);
  const draw = async () => {
    await control(server, "DELETE", "faults");
    server.fault({ match: {}, fault: "503", probability: 0.5, seed: 42 });
    const drawn: number[] = [];
    for (let count = 0; count < 20; count += 1) drawn.push((await askOpenai(server, CHAT)).status);
    return drawn;
  };
  const [first, second] = [await draw(), await draw()];
  assert.deepEqual(first, second);
  assert.ok(first.includes(200) && first.includes(503));
  await control(server, "POST", "reset");
  assert.equal((await askOpenai(server, CHAT)).status, 200);
});

test("planned faults choose by operation, key, host and deployment", async () => {
  const server = await azure({ keys: "any", counting: "estimate" });
  server.fault({ match: { operation: "models.list", host: "contoso-sweden.openai.azure.com" }, fault: "503" });
  server.fault({ match: { key: "bad", deployment: "gpt-4o-prod" }, fault: "500" });
  assert.doesNotMatch((await control(server, "GET", "faults")).text, /"key": "bad"/);
  const models = `${server.url}/openai/v1/models`;
  const host = { host: "contoso-sweden.openai.azure.com:443" };
  assert.equal((await ask(models, { headers: { "api-key": "k", ...host } })).status, 503);
  assert.equal((await ask(models, { headers: { "api-key": "k" } })).status, 200);
  assert.equal((await askAzure(server, CHAT, { "api-key": "bad" })).status, 500);
  assert.equal((await askAzure(server, CHAT, { "api-key": "good" })).status, 200);
  const mini = "/openai/deployments/gpt4o-mini-prod/chat/completions?api-version=2024-10-21";
  assert.equal((await askAzure(server, CHAT, { "api-key": "bad" }, {}, mini)).status, 200);
});

test("an order that cannot be read says what is wrong", async () => {
  for (const [order, pattern] of [
    [{ fault: "cot" }, /Unknown fault "cot"/],
    [{ fault: "429;retry=2" }, /no parameter "retry"; it takes retry-after/],
    [{ fault: "429", times: 0 }, /times/],
    [{ fault: "429", matches: {} }, /matches/],
  ] as const) {
    const answer = await control(openaiServer, "POST", "faults", order);
    assert.equal(answer.status, 400);
    assert.match((JSON.parse(answer.text) as { error: string }).error, pattern);
  }
  assert.match((await plain("cot")).text, /Unknown fault/);
});

test("a fault's text is read with spaces, and parameters are kept", () => {
  assert.deepEqual(parseFault(" 429 ; retry-after = 2 "), { name: "429", parameters: { "retry-after": "2" } });
});

function control(server: RunningSimulator, method: string, what: string, body?: unknown): Promise<Answer> {
  return ask(`${server.url}/_sim/${what}`, { method, body });
}
