/** Are responses made, kept, continued, followed and cancelled as the real API does? */

import assert from "node:assert/strict";
import { test } from "node:test";
import type OpenAI from "openai";
import { ask, eventsOf } from "./ask.ts";
import { all, startForms, status, textFile, until } from "./each-form.ts";

const forms = await startForms({ jobStepMs: 5 });
const patient = await startForms({ jobStepMs: 60_000 });
const [plain, v1, dated] = forms;
const PIXEL_HEADER = { "x-ms-oai-image-generation-deployment": "image-deployed" };

type Event = OpenAI.Responses.ResponseStreamEvent;

const WEATHER = {
  type: "function" as const,
  name: "get_weather",
  strict: true,
  parameters: { type: "object", properties: { city: { type: "string" } } },
};

for (const form of forms) {
  const { client } = form;
  const model = form.models.chat;

  test(`${form.name}: a response is kept with its input, continued and deleted`, async () => {
    const first = await client.responses.create({ model, input: "Hello", metadata: { run: "1" } });
    assert.equal(first.status, "completed");
    assert.deepEqual(first.metadata, { run: "1" });
    const next = await client.responses.create({ model, input: "And?", previous_response_id: first.id });
    assert.ok((next.usage?.input_tokens ?? 0) > (first.usage?.total_tokens ?? 0));
    const input: OpenAI.Responses.ResponseInput = [
      { role: "developer", content: "Be kind" },
      { role: "user", content: [{ type: "input_text", text: "Hi" }] },
    ];
    const listed = await client.responses.create({ model, input });
    const items = await all(client.responses.inputItems.list(listed.id, { order: "asc", limit: 1 }));
    assert.deepEqual(
      items.map((item) => item.type === "message" && item.role),
      ["developer", "user"],
    );
    await client.responses.delete(first.id);
    await assert.rejects(client.responses.retrieve(first.id), status(404));
    await assert.rejects(client.responses.inputItems.list(first.id), status(404));
    await assert.rejects(client.responses.create({ model, input: "x", previous_response_id: first.id }), status(400));
    const unkept = await client.responses.create({ model, input: "x", store: false });
    await assert.rejects(client.responses.retrieve(unkept.id), status(404));
  });

  test(`${form.name}: events are named and numbered`, async () => {
    const answer = await ask(`${form.base}/responses${form.query}`, {
      headers: form.headers,
      body: { model, input: "Hello", stream: true },
    });
    const events = eventsOf(answer.text).map((data) => JSON.parse(data) as Event);
    assert.deepEqual(
      events.map((event) => event.sequence_number),
      events.map((_event, at) => at),
    );
    const names = [...answer.text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
    assert.deepEqual(
      names,
      events.map((event) => event.type),
    );
    assert.equal(names.at(-1), "response.completed");
  });

  test(`${form.name}: functions are called by name, and a model that thinks shows that it did`, async () => {
    const called = await client.responses.create({ model, input: "Use get_weather for Oslo", tools: [WEATHER] });
    const call = called.output[0];
    assert.ok(call?.type === "function_call" && call.name === "get_weather");
    const output = { type: "function_call_output" as const, call_id: call.call_id, output: "rain" };
    const said = await client.responses.create({ model, input: [output], previous_response_id: called.id });
    assert.ok(said.output_text.length > 0);
    const request = { model: form.models.reasoning, input: "x", include: ["reasoning.encrypted_content" as const] };
    const thought = await client.responses.create(request);
    assert.ok(thought.output[0]?.type === "reasoning" && thought.output[0].encrypted_content);
    const included = { model, input: "x", include: ["nothing" as "reasoning.encrypted_content"] };
    await assert.rejects(client.responses.create(included), status(400));
  });

  test(`${form.name}: in the background, from queued to completed`, async () => {
    const queued = await client.responses.create({ model, input: "Hello", background: true });
    assert.deepEqual([queued.status, queued.output], ["queued", []]);
    const done = await until(
      () => client.responses.retrieve(queued.id),
      (response) => response.status === "completed",
    );
    assert.match(done.output_text, /Hello/);
    // Too late to cancel, which changes nothing.
    assert.equal((await client.responses.cancel(queued.id)).status, "completed");
    await assert.rejects(client.responses.retrieve(queued.id, { stream: true }), status(400));
    const unkept = { model, input: "x", background: true, store: false };
    await assert.rejects(client.responses.create(unkept), status(400));
  });

  test(`${form.name}: a background stream can be left and taken up again`, async () => {
    const request = { model, input: "Hello", background: true, stream: true } as const;
    const events: Event[] = [];
    for await (const event of await client.responses.create(request)) {
      events.push(event);
      if (event.type === "response.output_text.delta") break;
    }
    const [created, queued] = events;
    assert.deepEqual([created?.type, queued?.type], ["response.created", "response.queued"]);
    const id = created?.type === "response.created" ? created.response.id : "";
    const after = events.at(-1)?.sequence_number ?? 0;
    const rest = await all(await client.responses.retrieve(id, { stream: true, starting_after: after }));
    assert.equal(rest[0]?.sequence_number, after + 1);
    assert.equal(rest.at(-1)?.type, "response.completed");
    const whole = await all(await client.responses.retrieve(id, { stream: true }));
    assert.equal(whole.length, after + 1 + rest.length);
  });

  test(`${form.name}: files in the input must exist`, async () => {
    const create = (part: OpenAI.Responses.ResponseInputContent) =>
      client.responses.create({ model, input: [{ role: "user", content: [part] }] });
    const file = await client.files.create({ file: await textFile("x"), purpose: "assistants" });
    await create({ type: "input_file", file_id: file.id });
    await create({ type: "input_image", file_id: file.id, detail: "auto" });
    await assert.rejects(create({ type: "input_file", file_id: "file-nowhere" }), status(400));
    await assert.rejects(create({ type: "input_image", file_id: "file-nowhere", detail: "auto" }), status(400));
    const messages = (file_id: string): OpenAI.ChatCompletionMessageParam[] => [
      { role: "user", content: [{ type: "file", file: { file_id } }] },
    ];
    await client.chat.completions.create({ model, messages: messages(file.id) });
    await assert.rejects(client.chat.completions.create({ model, messages: messages("file-nowhere") }), status(400));
  });

  test(`${form.name}: hosted tools use stores and containers that exist`, async () => {
    const file = await client.files.create({ file: await textFile("the moon is bright"), purpose: "assistants" });
    const store = await client.vectorStores.create({ file_ids: [file.id] });
    await until(
      () => client.vectorStores.retrieve(store.id),
      ({ file_counts }) => file_counts.completed === 1,
    );
    const found = await client.responses.create({
      model,
      input: "Use file_search for the moon",
      tools: [{ type: "file_search", vector_store_ids: [store.id] }],
      include: ["file_search_call.results"],
    });
    const search = found.output.find((item) => item.type === "file_search_call");
    assert.equal(search?.results?.[0]?.file_id, file.id);
    const nowhere = { type: "file_search" as const, vector_store_ids: ["vs_nowhere"] };
    await assert.rejects(client.responses.create({ model, input: "x", tools: [nowhere] }), status(404));

    const computed = await client.responses.create({
      model,
      input: "Use code_interpreter",
      tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: [file.id] } }],
      stream: true,
    });
    const types = (await all(computed)).map((event) => event.type);
    assert.ok(types.includes("response.code_interpreter_call_code.delta"));
    assert.ok(types.includes("response.output_text.annotation.added"));
    const lost = { type: "code_interpreter" as const, container: "cntr_nowhere" };
    await assert.rejects(client.responses.create({ model, input: "x", tools: [lost] }), status(404));
  });

  test(`${form.name}: faults break response streams too`, async () => {
    const stream = await client.responses.create({
      model: `${model}+fault=error-event+after=2`,
      input: "x",
      stream: true,
    });
    await assert.rejects(all(stream));
  });
}

for (const form of patient) {
  test(`${form.name}: a background response can be cancelled, another cannot`, async () => {
    const { client } = form;
    const request = { model: form.models.chat, input: "x" };
    const queued = await client.responses.create({ ...request, background: true });
    assert.equal((await client.responses.cancel(queued.id)).status, "cancelled");
    assert.equal((await client.responses.cancel(queued.id)).status, "cancelled");
    const plainly = await client.responses.create(request);
    await assert.rejects(client.responses.cancel(plainly.id), status(400));
    await assert.rejects(client.responses.cancel("resp_nowhere"), status(404));
    const stream = await client.responses.create({ ...request, background: true, stream: true });
    const types: string[] = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === "response.created") await client.responses.cancel(event.response.id);
    }
    assert.deepEqual(types, ["response.created", "response.queued"]);
  });
}

test("Azure draws with the deployment that a header names", async () => {
  const request = { input: "Use image_generation", tools: [{ type: "image_generation" as const }] };
  for (const { client, models } of [v1, dated]) {
    const create = (headers: Record<string, string>) =>
      client.responses.create({ ...request, model: models.chat }, { headers });
    await assert.rejects(create({}), status(400));
    assert.ok((await create(PIXEL_HEADER)).output.some((item) => item.type === "image_generation_call"));
  }
  const drawn = await plain.client.responses.create({ ...request, model: plain.models.chat });
  assert.ok(drawn.output.some((item) => item.type === "image_generation_call" && item.result));
});

test("OpenAI: conversations hold what was said", async () => {
  const { conversations, responses } = plain.client;
  const model = plain.models.chat;
  const hello = { type: "message" as const, role: "user" as const, content: "Hello" };
  const conversation = await conversations.create({ items: [hello], metadata: { topic: "a" } });
  const said = await responses.create({ model, input: "And?", conversation: conversation.id });
  assert.equal(said.conversation?.id, conversation.id);
  const items = await all(conversations.items.list(conversation.id, { order: "asc" }));
  assert.deepEqual(
    items.map((item) => item.type === "message" && item.role),
    ["user", "user", "assistant"],
  );
  const more = await conversations.items.create(conversation.id, { items: [hello, hello] });
  assert.equal(more.data.length, 2);
  const [item] = more.data;
  assert.equal((await conversations.items.retrieve(item?.id ?? "", { conversation_id: conversation.id })).id, item?.id);
  await conversations.items.delete(item?.id ?? "", { conversation_id: conversation.id });
  await assert.rejects(conversations.items.retrieve(item?.id ?? "", { conversation_id: conversation.id }), status(404));
  const updated = await conversations.update(conversation.id, { metadata: { topic: "b" } });
  assert.deepEqual(updated.metadata, { topic: "b" });
  assert.equal((await conversations.retrieve(conversation.id)).id, conversation.id);
  const both = { model, input: "x", conversation: conversation.id, previous_response_id: said.id };
  await assert.rejects(responses.create(both), status(400));
  await conversations.delete(conversation.id);
  await assert.rejects(conversations.retrieve(conversation.id), status(404));
  await assert.rejects(responses.create({ model, input: "x", conversation: conversation.id }), status(404));
  for (const { client, models } of [v1, dated]) {
    await assert.rejects(client.conversations.create({}), status(404));
    const inside = client.responses.create({ model: models.chat, input: "x", conversation: "conv_x" });
    await assert.rejects(inside, status(400));
  }
});

test("OpenAI: tokens are counted and conversations compacted", async () => {
  const { responses } = plain.client;
  const model = plain.models.chat;
  const counted = await responses.inputTokens.count({ model, input: "Hello" });
  assert.equal(counted.input_tokens, (await responses.create({ model, input: "Hello" })).usage?.input_tokens);
  const compacted = await responses.compact({ model: model as "gpt-5", input: [{ role: "user", content: "Hello" }] });
  assert.equal(compacted.output.at(-1)?.type, "compaction");
  const next = await responses.create({
    model,
    input: [...compacted.output, { role: "user", content: "And?" }] as OpenAI.Responses.ResponseInput,
  });
  assert.equal(next.status, "completed");
  for (const { client, models } of [v1, dated]) {
    await assert.rejects(client.responses.inputTokens.count({ model: models.chat, input: "x" }), status(404));
    await assert.rejects(client.responses.compact({ model: models.chat as "gpt-5", input: "x" }), status(404));
  }
});
