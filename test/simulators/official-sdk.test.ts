/** Do the official clients work with the simulators unchanged? */

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { APIError, AzureOpenAI, toFile } from "openai";
import { AZURE_KEY, azure, OPENAI_KEY, openai } from "./ask.ts";

const openaiServer = await openai();
const azureServer = await azure({
  deployments: [
    { name: "gpt-4o-prod", model: "gpt-4o" },
    { name: "embed-small", model: "text-embedding-3-small" },
    { name: "instruct", model: "gpt-3.5-turbo-instruct" },
    { name: "images", model: "gpt-image-1" },
    { name: "speech", model: "gpt-4o-mini-tts" },
  ],
});

/** No retries: each test sees the first answer. */
const once = { maxRetries: 0 };
const plain = new OpenAI({ apiKey: OPENAI_KEY, baseURL: `${openaiServer.url}/v1`, ...once });
const dated = new AzureOpenAI({
  apiKey: AZURE_KEY,
  endpoint: azureServer.url,
  apiVersion: "2025-04-01-preview",
  ...once,
});
const v1 = new OpenAI({ apiKey: AZURE_KEY, baseURL: `${azureServer.url}/openai/v1`, ...once });

const messages = [{ role: "user" as const, content: "Hello" }];
const clients = [
  {
    name: "OpenAI",
    client: plain,
    chat: "gpt-4o",
    embed: "text-embedding-3-small",
    instruct: "gpt-3.5-turbo-instruct",
    image: "gpt-image-1",
    speech: "gpt-4o-mini-tts",
  },
  {
    name: "AzureOpenAI, dated",
    client: dated,
    chat: "gpt-4o-prod",
    embed: "embed-small",
    instruct: "instruct",
    image: "images",
    speech: "speech",
  },
  {
    name: "OpenAI class on Azure's v1",
    client: v1,
    chat: "gpt-4o-prod",
    embed: "embed-small",
    instruct: "instruct",
    image: "images",
    speech: "speech",
  },
];

for (const { name, client, chat, embed, instruct, image, speech } of clients) {
  test(`${name}: chat, plain and streamed`, async () => {
    const answer = await client.chat.completions.create({ model: chat, messages });
    let text = "";
    for await (const chunk of await client.chat.completions.create({ model: chat, messages, stream: true })) {
      text += chunk.choices[0]?.delta?.content ?? "";
    }
    assert.equal(text, answer.choices[0]?.message.content);
    assert.match(text, /You said “Hello”/);
  });

  test(`${name}: the stream helper puts a whole answer together`, async () => {
    const whole = await client.chat.completions
      .stream({ model: chat, messages, stream_options: { include_usage: true } })
      .finalChatCompletion();
    assert.equal(whole.choices[0]?.finish_reason, "stop");
    assert.ok((whole.usage?.total_tokens ?? 0) > 0);
  });

  test(`${name}: responses, plain, streamed, kept and deleted`, async () => {
    const answer = await client.responses.create({ model: chat, input: "Hello" });
    const types: string[] = [];
    let text = "";
    for await (const event of await client.responses.create({ model: chat, input: "Hello", stream: true })) {
      types.push(event.type);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    assert.equal(text, answer.output_text);
    assert.deepEqual([types[0], types.at(-1)], ["response.created", "response.completed"]);
    assert.equal((await client.responses.retrieve(answer.id)).id, answer.id);
    const next = await client.responses.create({ model: chat, input: "And?", previous_response_id: answer.id });
    assert.equal(next.previous_response_id, answer.id);
    await client.responses.delete(answer.id);
    await assert.rejects(client.responses.retrieve(answer.id), (error: APIError) => error.status === 404);
  });

  test(`${name}: embeddings as numbers and as the client's base64 default`, async () => {
    const floats = await client.embeddings.create({
      model: embed,
      input: ["one", "two"],
      encoding_format: "float",
      dimensions: 64,
    });
    const decoded = await client.embeddings.create({ model: embed, input: "one", dimensions: 64 });
    assert.equal(floats.data[0]?.embedding.length, 64);
    const [first, again] = [floats.data[0]?.embedding ?? [], decoded.data[0]?.embedding ?? []];
    for (const [at, value] of first.entries()) assert.ok(Math.abs(value - (again[at] ?? 9)) < 1e-6);
    assert.ok(Math.abs(first.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-3);
    assert.notDeepEqual(floats.data[1]?.embedding, first);
  });

  test(`${name}: completions, images and speech`, async () => {
    const text = await client.completions.create({ model: instruct, prompt: "Say hi", max_tokens: 5 });
    assert.equal(text.choices[0]?.finish_reason, "length");
    const picture = await client.images.generate({ model: image, prompt: "a dot", n: 2 });
    assert.equal(picture.data?.length, 2);
    assert.equal(
      Buffer.from(picture.data?.[0]?.b64_json ?? "", "base64")
        .subarray(1, 4)
        .toString(),
      "PNG",
    );
    const sound = await client.audio.speech.create({
      model: speech,
      input: "hello there",
      voice: "alloy",
      response_format: "wav",
    });
    const bytes = Buffer.from(await sound.arrayBuffer());
    assert.equal(bytes.toString("latin1", 0, 4), "RIFF");
    assert.equal(bytes.readUInt32LE(4), bytes.length - 8);
  });

  test(`${name}: files go in and come out byte for byte`, async () => {
    const content = Buffer.from([0, 255, 13, 10, 45, 45, 200, 1]);
    const file = await client.files.create({ file: await toFile(content, "data.jsonl"), purpose: "batch" });
    assert.equal(file.bytes, content.length);
    const listed: string[] = [];
    for await (const entry of client.files.list()) listed.push(entry.id);
    assert.ok(listed.includes(file.id));
    const back = await (await client.files.content(file.id)).arrayBuffer();
    assert.deepEqual(Buffer.from(back), content);
    assert.equal((await client.files.delete(file.id)).deleted, true);
    await assert.rejects(client.files.retrieve(file.id), (error: APIError) => error.status === 404);
  });

  test(`${name}: models`, async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    const expected = name === "OpenAI" ? "gpt-4o" : "gpt-4o-2024-11-20";
    assert.ok(ids.includes(expected));
    assert.ok(!ids.includes("gpt-4o-prod"));
    assert.equal((await client.models.retrieve("gpt-4o")).id, expected);
  });
}

test("purposes: Azure takes no user_data", async () => {
  const file = await toFile(Buffer.from("x"), "x.txt");
  assert.equal((await plain.files.create({ file, purpose: "user_data" })).purpose, "user_data");
  await assert.rejects(dated.files.create({ file, purpose: "user_data" }), (error: APIError) => error.status === 400);
});

test("moderations: OpenAI only", async () => {
  const judged = await plain.moderations.create({ input: ["I want to kill them", "a nice day"] });
  assert.deepEqual(
    judged.results.map((result) => result.flagged),
    [true, false],
  );
  await assert.rejects(dated.moderations.create({ input: "x" }), (error: APIError) => error.status === 404);
});

test("clients see errors as they do from the real ones", async () => {
  const refused = await plain.chat.completions.create({ model: "gpt-9", messages }).catch((error: unknown) => error);
  assert.ok(refused instanceof OpenAI.NotFoundError);
  assert.equal(refused.code, "model_not_found");
  assert.match(refused.requestID ?? "", /^req_/);
  const missing = await dated.chat.completions.create({ model: "nobody", messages }).catch((error: unknown) => error);
  assert.ok(missing instanceof OpenAI.NotFoundError);
  assert.equal(missing.code, "DeploymentNotFound");
  const inside = plain.chat.completions.create({ model: "gpt-4o+fault=error-event+after=2", messages, stream: true });
  await assert.rejects(async () => {
    for await (const _chunk of await inside);
  }, APIError);
});

test("a client with retries gets over a 429 that says when", async () => {
  openaiServer.fault({ match: { model: "gpt-4o-mini" }, fault: "429;retry-after-ms=5", times: 2 });
  const retrying = new OpenAI({ apiKey: OPENAI_KEY, baseURL: `${openaiServer.url}/v1`, maxRetries: 2 });
  const answer = await retrying.chat.completions.create({ model: "gpt-4o-mini", messages });
  assert.equal(answer.model, "gpt-4o-mini-2024-07-18");
});
