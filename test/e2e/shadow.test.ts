/** Does a shadow get its copies, all that it should and nothing more, and does nobody notice? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { secretHash } from "../../simulators/recorder.ts";
import { AZURE_KEY, KEY, OPENAI_KEY } from "../proxy/harness.ts";
import { MODELS } from "./over-simulators.ts";
import { ask, compared, outcome, until, world } from "./shadow-world.ts";

describe("a copy", () => {
  test("a share of the requests is copied, and no answer comes from the copy", async () => {
    const one = await world({ shadow: { percent: 20, maxInFlight: 10_000 } });
    const requests = 1_000;
    for (let i = 0; i < requests / 50; i++) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(one)));
      for (const { status, headers } of answers) {
        assert.equal(status, 200);
        assert.equal(headers.get("x-tandem-backend"), "live");
        assert.equal(headers.get("x-tandem-attempts"), "1");
      }
    }
    // Of a binomial with n = 1,000 and p = 0.2: five standard deviations are 63.
    await until("as many copies as were counted", async () => (await one.day())?.copied === one.copies().length);
    assert.ok(Math.abs(one.copies().length - 200) <= 63, String(one.copies().length));
    assert.equal(one.live().length, requests);
  });

  test("goes out under its own credentials, model and id, as its provider wants it", async () => {
    const one = await world();
    await ask(one, { seed: 7, safety_identifier: "user-1" }, { "idempotency-key": "once" });
    await one.settled(1);
    const [live] = one.live();
    const [copy] = one.copies();
    assert.ok(live && copy);
    assert.equal(copy.deployment, MODELS["gpt-4o"]);
    assert.match(copy.url, /^\/openai\/deployments\/chat-prod\/chat\/completions\?api-version=/);
    const key = secretHash(AZURE_KEY);
    assert.equal(copy.headers["api-key"], key);
    assert.equal(copy.headers.authorization, undefined);
    for (const value of Object.values(copy.headers)) {
      for (const foreign of [secretHash(OPENAI_KEY), secretHash(KEY), OPENAI_KEY, KEY]) {
        assert.ok(!value.includes(foreign), value);
      }
    }
    assert.equal(live.headers["idempotency-key"], "once");
    assert.equal(copy.headers["idempotency-key"], undefined);
    assert.match(live.body ?? "", /safety_identifier/);
    assert.doesNotMatch(copy.body ?? "", /safety_identifier/, "Azure has no such field");
    assert.equal(copy.headers["x-ms-client-request-id"], `${live.headers["x-client-request-id"]}-shadow`);
    assert.equal(await one.count(outcome("copied")), 1);
  });

  test("begins when the caller has its whole answer, of a stream too", async () => {
    const one = await world({ simulators: { latency: { firstTokenMs: 5, perTokenMs: 20 } } });
    const response = await one.harness.chat({ stream: true, messages: [{ role: "user", content: "Hi, 20 words" }] });
    const reader = response.body?.getReader();
    assert.ok(reader);
    for (;;) {
      const { done } = await reader.read();
      if (done) break;
      assert.equal(one.copies().length, 0, "not while the answer flows");
    }
    await one.settled(1);
    assert.equal(one.copies().length, 1);
    assert.match(one.copies()[0]?.body ?? "", /"stream":true/);
    assert.equal(await one.count(compared("same")), 1);
  });

  test("is not sent for a caller who went away, nor when nobody answered", async () => {
    const one = await world({ simulators: { latency: { firstTokenMs: 5, perTokenMs: 50 } } });
    const leaving = new AbortController();
    const response = await fetch(`${one.harness.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ model: "gpt-4o", stream: true, messages: [{ role: "user", content: "Hi, 500 words" }] }),
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    leaving.abort();
    await one.settled(1);
    one.running.openai.fault({ match: { operation: "chat.completions" }, fault: "400" });
    await ask(one);
    await one.settled(2);
    assert.equal(await one.count(outcome("not_answered")), 2);
    assert.equal(one.copies().length, 0);
  });

  test("is not sent to the backend that has just answered", async () => {
    const one = await world({ shadow: { backend: "live" } });
    await ask(one);
    await one.settled(1);
    assert.equal(await one.count(outcome("same_backend")), 1);
    assert.equal(one.live().length, 1);
  });
});

const TOOL = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};

describe("what is eligible", () => {
  const chat = "/v1/chat/completions";
  const messages = [{ role: "user", content: "Hi" }];
  const input = "Hi";
  const NEVER: readonly (readonly [name: string, path: string, body: object])[] = [
    ["a stored chat", chat, { model: "gpt-4o", messages, store: true }],
    ["tools", chat, { model: "gpt-4o", messages, tools: [TOOL] }],
    ["functions", chat, { model: "gpt-4o", messages, functions: [{ name: "f", parameters: { type: "object" } }] }],
    ["a stored response", "/v1/responses", { model: "gpt-4o", input, store: true }],
    ["a response in the background", "/v1/responses", { model: "gpt-4o", input, background: true }],
    [
      "a response's tools",
      "/v1/responses",
      { model: "gpt-4o", input, tools: [{ type: "function", name: "f", parameters: {} }] },
    ],
    ["a picture", "/v1/images/generations", { model: "gpt-image-1", prompt: "a cat" }],
    ["speech", "/v1/audio/speech", { model: "gpt-4o-mini-tts", input, voice: "alloy" }],
  ];
  const ALWAYS: readonly (readonly [name: string, path: string, body: object])[] = [
    ["a chat", chat, { model: "gpt-4o", messages }],
    ["a chat that is not kept", chat, { model: "gpt-4o", messages, store: false, user: "u", modalities: ["text"] }],
    ["a completion", "/v1/completions", { model: "gpt-3.5-turbo-instruct", prompt: "Hi" }],
    ["a response", "/v1/responses", { model: "gpt-4o", input }],
    ["embeddings", "/v1/embeddings", { model: "text-embedding-3-small", input }],
  ];

  test("side effects and state are never copied", async () => {
    const one = await world();
    for (const [n, [name, path, body]] of NEVER.entries()) {
      const response = await one.harness.post(path, body);
      await response.arrayBuffer();
      await one.settled(n + 1);
      assert.equal(await one.count(outcome("not_eligible")), n + 1, `${name} (${response.status})`);
    }
    const made = (await (await one.harness.post("/v1/responses", { model: "gpt-4o", input })).json()) as { id: string };
    await one.settled(NEVER.length + 1);
    const copied = one.copies().length;
    const follow = { model: "gpt-4o", input, previous_response_id: made.id };
    assert.equal((await one.harness.post("/v1/responses", follow)).status, 200);
    await one.settled(NEVER.length + 2);
    const form = new FormData();
    form.set("purpose", "user_data");
    form.set("file", new Blob(["text"]), "a.txt");
    const headers = { authorization: `Bearer ${KEY}`, "x-tandem-route": "chat" };
    const file = await fetch(`${one.harness.url}/v1/files`, { method: "POST", headers, body: form });
    assert.equal(file.status, 200);
    await one.settled(NEVER.length + 3);
    assert.equal(one.copies().length, copied, "neither the follow-up nor the file");
  });

  test("what only asks is copied, and leaves nothing behind", async () => {
    const one = await world();
    for (const [n, [name, path, body]] of ALWAYS.entries()) {
      const response = await one.harness.post(path, body);
      assert.equal(response.status, 200, name);
      await response.arrayBuffer();
      await one.settled(n + 1);
      assert.equal(await one.count(outcome("copied")), n + 1, name);
    }
    const response = one.copies().find(({ url }) => url.includes("/responses"));
    assert.match(response?.body ?? "", /"store":false/);
    assert.doesNotMatch(one.live().find(({ url }) => url.includes("/responses"))?.body ?? "", /store/);
  });

  test("tools are copied where the route allows it", async () => {
    const one = await world({ shadow: { tools: "Allow" } });
    await ask(one, { tools: [TOOL], tool_choice: "required" });
    await one.settled(1);
    assert.equal(await one.count(outcome("copied")), 1);
    assert.equal(await one.count(compared("same")), 1);
  });

  test("residency keeps a copy where the caller's data may be", async () => {
    const eu = { residency: ["EU"] };
    const one = await world({ openai: eu, azure: { region: "eastus" }, client: { residency: "EU" } });
    assert.equal((await ask(one)).status, 200);
    await one.settled(1);
    assert.equal(await one.count(outcome("residency")), 1);
    assert.equal(one.copies().length, 0);
  });

  test("a provider that does not offer the operation gets no copy", async () => {
    const one = await world();
    await one.harness.post("/v1/responses", { model: "gpt-4o", input, conversation: null, moderation: {} });
    await one.settled(1);
    assert.equal(one.copies().length, 0);
  });
});
