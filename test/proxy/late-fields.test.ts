/** What becomes of a body that is not kept whole, when a field that has to be changed comes late in it? */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { parseSettings } from "../../proxy/settings-schema.ts";
import { chatAnswer, FakeProvider } from "../fakes/provider.ts";
import { errorOf, KEY, objects, startHarness } from "./harness.ts";

/** No body of more than one chunk is kept. */
const settings = parseSettings({ limits: { requestBytes: "64Ki", replayBytes: "1Ki" } });
const openai = await new FakeProvider().start();
const azure = await new FakeProvider().start();
const models = [{ name: "gpt-4o" }, { name: "o3" }];
const harness = await startHarness({
  openai: openai.url,
  azure: azure.url,
  settings,
  objects: objects({ openai: { models }, route: { models: ["gpt-4o", "o3"] } }),
});

beforeEach(() => {
  openai.seen.length = 0;
  openai.answer = chatAnswer("hello");
});

/** Sends the parts as chunks of their own. */
function inParts(...parts: string[]): Promise<Response> {
  const body = new ReadableStream({
    async start(controller) {
      for (const part of parts) {
        controller.enqueue(Buffer.from(part));
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      controller.close();
    },
  });
  return fetch(`${harness.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body,
    duplex: "half",
  } as RequestInit);
}

const LONG = `"messages":[{"role":"user","content":"${"x".repeat(2000)}"}]`;

test("what has come is changed, what comes later passes", async () => {
  const response = await inParts(`{"max_tokens":5,"model":"o3",${LONG}`, ',"temperature":1}');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-tandem-changed"), "max_tokens=max_completion_tokens");
  assert.equal(openai.calls[0]?.body, `{"max_completion_tokens":5,"model":"o3",${LONG},"temperature":1}`);
});

test("a model without a rule may have the field anywhere", async () => {
  const response = await inParts(`{"model":"gpt-4o",${LONG}`, ',"max_tokens":5}');
  assert.equal(response.status, 200);
  assert.equal(openai.calls[0]?.body, `{"model":"gpt-4o",${LONG},"max_tokens":5}`);
});

for (const [what, ...parts] of [
  ["the field to be renamed", `{"model":"o3",${LONG}`, ',"max\\u005ftokens":5}'],
  ["its other name", `{"max_tokens":5,"model":"o3",${LONG}`, ',"max_completion_tokens":6}'],
  ["the wish for sound, without a rule", `{"model":"gpt-4o",${LONG}`, ',"audio":{"voice":"alloy"}}'],
  ["the wish to keep the answer", `{"model":"gpt-4o",${LONG}`, ',"store":true}'],
  ["the wish for sound, with one", `{"model":"o3",${LONG}`, ',"audio":{"voice":"alloy"}}'],
] as const) {
  test(`${what} comes too late: 503 to be asked again, and the provider got no whole request`, async () => {
    const response = await inParts(...parts);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("x-should-retry"), "true");
    assert.ok(Number(response.headers.get("retry-after-ms")) > 0);
    const error = await errorOf(response);
    assert.equal(error.code, "overloaded");
    assert.match(String(error.param), /^(max_|audio$|store$)/);
    assert.equal(openai.calls.length, 0);
  });
}

test("a second model, or what is no JSON, is the caller's error there too", async () => {
  const twice = await inParts(`{"model":"gpt-4o",${LONG}`, ',"model":"o3"}');
  assert.deepEqual([twice.status, (await errorOf(twice)).code], [400, "duplicate_field"]);
  const broken = await inParts(`{"model":"gpt-4o",${LONG}`, ",}");
  assert.deepEqual([broken.status, (await errorOf(broken)).code], [400, "invalid_json"]);
  assert.equal(openai.calls.length, 0);
});
