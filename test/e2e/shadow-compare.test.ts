/** Are answers that differ found to differ, in what they differ, and noise told apart from it? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ask, compared, type Setting, type World, world } from "./shadow-world.ts";

const SCHEMA = {
  type: "json_schema",
  json_schema: {
    name: "place",
    strict: true,
    schema: {
      type: "object",
      properties: { city: { type: "string" }, size: { type: "integer" } },
      required: ["city", "size"],
      additionalProperties: false,
    },
  },
};
const tool = (name: string, argument: string) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: { [argument]: { type: "string" } } } },
});

interface Case {
  readonly aspect: string;
  /** Of the shadow. */
  readonly fault?: string;
  readonly body?: object;
  readonly setting?: Setting;
}

const CHAT = { operation: "chat.completions" };
const words = (count: number) => Array.from({ length: count }, (_, i) => `word${i}`).join(" ");

const CASES: readonly Case[] = [
  { aspect: "status", fault: "500" },
  { aspect: "status", fault: "content-filter" },
  { aspect: "finish_reason", fault: "filtered" },
  { aspect: "refusal", fault: "filtered" },
  { aspect: "json", fault: "filtered;after=2", body: { response_format: SCHEMA } },
  { aspect: "length", setting: { own: { azure: { says: words(200) }, openai: { says: "short" } } } },
  { aspect: "length", setting: { own: { azure: { says: "short" }, openai: { says: words(200) } } } },
  {
    aspect: "text",
    body: { temperature: 0 },
    setting: { own: { azure: { says: "blue red green pink grey" }, openai: { says: "one two three four five" } } },
  },
];

async function differsIn(one: World, aspect: string): Promise<void> {
  assert.equal(await one.count(compared("different")), 1);
  assert.equal(await one.count(compared("different", aspect)), 1, aspect);
}

describe("comparison", () => {
  for (const { aspect, fault, body, setting } of CASES) {
    for (const stream of [false, true]) {
      test(`${aspect}${fault === undefined ? "" : ` by ${fault}`}${stream ? ", streams" : ""}`, async () => {
        const one = await world(setting);
        if (fault !== undefined) one.running.azure.fault({ match: CHAT, fault });
        await ask(one, { ...body, stream });
        await one.settled(1);
        await differsIn(one, aspect);
      });
    }
  }

  test("what is alike is alike, in every API, whole and streamed", async () => {
    const one = await world({ simulators: { says: "the very same words" } });
    const messages = [{ role: "user", content: "Hi" }];
    const bodies: readonly (readonly [string, object])[] = [
      ["/v1/chat/completions", { model: "gpt-4o", messages, temperature: 0 }],
      ["/v1/chat/completions", { model: "gpt-4o", messages, seed: 3, stream: true }],
      ["/v1/chat/completions", { model: "gpt-4o", messages, seed: 3, n: 2 }],
      ["/v1/chat/completions", { model: "gpt-4o", messages, response_format: SCHEMA }],
      ["/v1/chat/completions", { model: "gpt-4o", messages, response_format: SCHEMA, stream: true }],
      ["/v1/completions", { model: "gpt-3.5-turbo-instruct", prompt: "Hi", seed: 1 }],
      ["/v1/completions", { model: "gpt-3.5-turbo-instruct", prompt: "Hi", seed: 1, stream: true }],
      ["/v1/responses", { model: "gpt-4o", input: "Hi", temperature: 0 }],
      ["/v1/responses", { model: "gpt-4o", input: "Hi", temperature: 0, stream: true }],
      ["/v1/embeddings", { model: "text-embedding-3-small", input: "Hi" }],
    ];
    for (const [n, [path, body]] of bodies.entries()) {
      await (await one.harness.post(path, body)).arrayBuffer();
      await one.settled(n + 1);
      const what = `${path} ${JSON.stringify(body)}`;
      assert.equal(await one.count(compared("same")), n + 1, what);
    }
    const { shadows } = (await one.harness.status()) as { shadows: { records: { live: object; copy: object }[] }[] };
    // Really read, and not taken for alike because neither was understood.
    for (const { live, copy } of shadows[0]?.records ?? []) assert.ok("hash" in live && "hash" in copy);
  });

  test("texts are free to differ where variety is asked for", async () => {
    const one = await world({ own: { azure: { says: "one two three" }, openai: { says: "blue red green" } } });
    await ask(one, {});
    await one.settled(1);
    assert.equal(await one.count(compared("same")), 1);
  });

  test("another tool differs, and so do other arguments", async () => {
    const one = await world({ shadow: { tools: "Allow" } });
    const body = { tools: [tool("weather", "city")], tool_choice: "required" };
    for (const stream of [false, true]) await ask(one, { ...body, stream });
    await one.settled(2);
    assert.equal(await one.count(compared("same")), 2);
  });

  test("an answer too large to be kept is compared by its tokens", async () => {
    const one = await world({ simulators: { says: "x".repeat(300_000) } });
    await ask(one, { stream: false });
    await one.settled(1);
    assert.equal(await one.count(compared("same")), 1);
    const { shadows } = (await one.harness.status()) as { shadows: { records: { live: object }[] }[] };
    assert.ok(!("hash" in (shadows[0]?.records[0]?.live ?? {})));
  });

  test("a live backend that is as noisy as its shadow takes the difference back", async () => {
    const one = await world({ shadow: { noisePercent: 100 } });
    // Every second answer of both is cut short by a filter, whoever is asked.
    one.running.azure.fault({ match: CHAT, fault: "filtered", probability: 0.5, seed: 4 });
    one.running.openai.fault({ match: CHAT, fault: "filtered", probability: 0.5, seed: 9 });
    const requests = 150;
    for (let n = 1; n <= requests; n++) await ask(one);
    await one.settled(requests);
    const { judgeShadow } = await import("../../routing/shadow-verdict.ts");
    let day = await one.day();
    while (day && day.noiseCompared < requests) day = await one.day();
    assert.ok(day);
    assert.equal(day.compared, requests);
    assert.ok(day.different > requests / 4, String(day.different));
    assert.ok(day.noiseDifferent > requests / 4, String(day.noiseDifferent));
    assert.notEqual(judgeShadow(day).verdict, "Different");
    assert.equal(
      judgeShadow({ ...day, noiseCompared: 0, noiseDifferent: 0 }).verdict,
      "Different",
      "but for the noise",
    );
    assert.equal(one.live().length, 2 * requests, "the live backend was asked again");
    const again = one.live().filter(({ headers }) => headers["x-client-request-id"]?.endsWith("-again"));
    assert.equal(again.length, requests);
  });
});
