/** Does what stays with a provider work through Tandem with the Node client: files, stores, boxes, talks, trainings? */
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { eachClient, NOT_OFFERED, stopped, TAG } from "./each-client.ts";

const CHAT = "gpt-4o";
const hello = [{ role: "user" as const, content: "Hello" }];

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

eachClient("files: up, described, down, listed in pages, deleted", async ({ sdk }) => {
  const content = Buffer.from([0, 255, 13, 10, 45, 45, 200, 1]);
  const files = [];
  for (const name of ["a.jsonl", "b.jsonl", "c.jsonl"]) {
    files.push(await sdk.files.create({ file: await toFile(content, name), purpose: "fine-tune" }));
  }
  const [file] = files;
  assert.ok(file);
  assert.ok(file.id.includes(TAG));
  assert.equal((await sdk.files.retrieve(file.id)).filename, "a.jsonl");
  assert.deepEqual(Buffer.from(await (await sdk.files.content(file.id)).arrayBuffer()), content);
  // The second page is asked for by the last id of the first.
  const listed = (await all(sdk.files.list({ limit: 2 }))).map(({ id }) => id);
  for (const { id } of files) assert.ok(listed.includes(id));
  assert.equal(new Set(listed).size, listed.length);
  assert.equal((await sdk.files.delete(file.id)).deleted, true);
  await assert.rejects(sdk.files.retrieve(file.id), OpenAI.NotFoundError);
});

eachClient("vector stores: filled one by one and in batches, searched, used in a response", async ({ sdk, form }) => {
  const poll = { pollIntervalMs: 20 };
  const store = await sdk.vectorStores.create({ name: "notes", metadata: { a: "b" } });
  const text = (content: string, name: string) => toFile(Buffer.from(content), name);
  const file = await sdk.vectorStores.files.uploadAndPoll(store.id, await text("The fjord is deep.", "a.txt"), poll);
  assert.deepEqual([file.status, file.vector_store_id], ["completed", store.id]);
  const more = [await text("The hill is high.", "b.txt"), await text("The sea is wide.", "c.txt")];
  const batch = await sdk.vectorStores.fileBatches.uploadAndPoll(store.id, { files: more }, poll);
  assert.equal(batch.file_counts.completed, 2);
  const ofBatch = await all(sdk.vectorStores.fileBatches.listFiles(batch.id, { vector_store_id: store.id }));
  const ofStore = await all(sdk.vectorStores.files.list(store.id, { limit: 2 }));
  assert.deepEqual([ofBatch.length, ofStore.length], [2, 3]);
  const attributes = { kind: "water" };
  const changed = await sdk.vectorStores.files.update(file.id, { vector_store_id: store.id, attributes });
  assert.deepEqual(changed.attributes, attributes);
  assert.equal((await sdk.vectorStores.update(store.id, { name: "others" })).name, "others");
  // Azure's document of v1 has no search.
  if (form !== "Azure, v1") {
    const found = await all(sdk.vectorStores.search(store.id, { query: "fjord" }));
    assert.equal(found[0]?.file_id, file.id);
    assert.ok((await all(sdk.vectorStores.files.content(file.id, { vector_store_id: store.id }))).length > 0);
  }
  const tools = [{ type: "file_search" as const, vector_store_ids: [store.id] }];
  const include = ["file_search_call.results" as const];
  const answer = await sdk.responses.create({ model: CHAT, input: "Use file_search for the fjord", tools, include });
  const [call] = answer.output.filter((item) => item.type === "file_search_call");
  assert.ok(call?.results?.every((one) => one.file_id?.includes(TAG)));
  assert.deepEqual(answer.tools[0] && "vector_store_ids" in answer.tools[0] && answer.tools[0].vector_store_ids, [
    store.id,
  ]);
  assert.ok((await all(sdk.vectorStores.list())).some(({ id }) => id === store.id));
  assert.equal((await sdk.vectorStores.files.delete(file.id, { vector_store_id: store.id })).deleted, true);
  assert.equal((await sdk.vectorStores.delete(store.id)).deleted, true);
  await assert.rejects(sdk.vectorStores.retrieve(store.id), OpenAI.NotFoundError);
});

eachClient("fine-tuning: made, followed, listed, cancelled", async ({ sdk }) => {
  const example = JSON.stringify({ messages: [...hello, { role: "assistant", content: "Hi" }] });
  const lines = Buffer.from(Array.from({ length: 10 }, () => example).join("\n"));
  const file = await sdk.files.create({ file: await toFile(lines, "train.jsonl"), purpose: "fine-tune" });
  const job = await sdk.fineTuning.jobs.create({ model: CHAT, training_file: file.id });
  assert.equal(job.training_file, file.id);
  assert.equal((await sdk.fineTuning.jobs.retrieve(job.id)).id, job.id);
  assert.ok((await all(sdk.fineTuning.jobs.listEvents(job.id))).length > 0);
  for (const { fine_tuning_job_id } of await all(sdk.fineTuning.jobs.checkpoints.list(job.id))) {
    assert.equal(fine_tuning_job_id, job.id);
  }
  assert.ok((await all(sdk.fineTuning.jobs.list())).some(({ id }) => id === job.id));
  const other = await sdk.fineTuning.jobs.create({ model: CHAT, training_file: file.id });
  await stopped(
    () => sdk.fineTuning.jobs.cancel(other.id),
    () => sdk.fineTuning.jobs.retrieve(other.id),
  );
});

eachClient("uploads in parts, where the provider has them", async ({ sdk, form }) => {
  const create = () =>
    sdk.uploads.create({ bytes: 9, filename: "b.txt", mime_type: "text/plain", purpose: "assistants" });
  if (form !== "OpenAI") return assert.rejects(create, NOT_OFFERED);
  const upload = await create();
  const parts = [];
  for (const data of ["some ", "text"]) {
    parts.push((await sdk.uploads.parts.create(upload.id, { data: await toFile(Buffer.from(data), "part") })).id);
  }
  const done = await sdk.uploads.complete(upload.id, { part_ids: parts });
  assert.equal((await sdk.files.retrieve(done.file?.id ?? "")).bytes, 9);
  assert.equal((await sdk.uploads.cancel((await create()).id)).status, "cancelled");
});

eachClient("containers and the files in them, where the provider has them", async ({ sdk, form }) => {
  const create = () => sdk.containers.create({ name: "box" });
  if (form === "Azure, dated") return assert.rejects(create, NOT_OFFERED);
  const box = await create();
  const file = await sdk.containers.files.create(box.id, { file: await toFile(Buffer.from("1,2"), "a.csv") });
  assert.equal(file.container_id, box.id);
  const { id } = await sdk.containers.files.retrieve(file.id, { container_id: box.id });
  assert.equal(id, file.id);
  const content = await sdk.containers.files.content.retrieve(file.id, { container_id: box.id });
  assert.equal(await content.text(), "1,2");
  assert.equal((await all(sdk.containers.files.list(box.id))).length, 1);
  const tools = [{ type: "code_interpreter" as const, container: box.id }];
  const answer = await sdk.responses.create({ model: CHAT, input: "Use code_interpreter", tools });
  const [call] = answer.output.filter((item) => item.type === "code_interpreter_call");
  assert.equal(call?.container_id, box.id);
  await sdk.containers.files.delete(file.id, { container_id: box.id });
  assert.ok((await all(sdk.containers.list())).some((one) => one.id === box.id));
  await sdk.containers.delete(box.id);
  await assert.rejects(sdk.containers.retrieve(box.id), OpenAI.NotFoundError);
});

eachClient("conversations, where the provider has them", async ({ sdk, form }) => {
  const items = [{ type: "message" as const, role: "user" as const, content: "Hi" }];
  const create = () => sdk.conversations.create({ items, metadata: { a: "b" } });
  if (form !== "OpenAI") return assert.rejects(create, NOT_OFFERED);
  const talk = await create();
  assert.equal((await sdk.conversations.retrieve(talk.id)).id, talk.id);
  await sdk.conversations.update(talk.id, { metadata: { a: "c" } });
  const said = await sdk.responses.create({ model: CHAT, input: "Hello", conversation: talk.id });
  assert.equal(said.conversation?.id, talk.id);
  const added = await sdk.conversations.items.create(talk.id, { items });
  assert.ok((await all(sdk.conversations.items.list(talk.id, { limit: 2 }))).length >= 4);
  const item = added.data[0]?.id ?? "";
  assert.equal((await sdk.conversations.items.retrieve(item, { conversation_id: talk.id })).id, item);
  await sdk.conversations.items.delete(item, { conversation_id: talk.id });
  assert.equal((await sdk.conversations.delete(talk.id)).deleted, true);
});

eachClient("stored completions, where the provider has them", async ({ sdk, form }) => {
  if (form !== "OpenAI") {
    await assert.rejects(async () => sdk.chat.completions.list(), NOT_OFFERED);
    return;
  }
  const kept = await sdk.chat.completions.create({ model: CHAT, messages: hello, store: true, metadata: { a: "b" } });
  assert.ok(kept.id.includes(TAG));
  assert.equal((await sdk.chat.completions.retrieve(kept.id)).id, kept.id);
  assert.equal((await all(sdk.chat.completions.messages.list(kept.id))).length, 1);
  await sdk.chat.completions.update(kept.id, { metadata: { a: "c" } });
  assert.ok((await all(sdk.chat.completions.list())).some(({ id }) => id === kept.id));
  assert.equal((await sdk.chat.completions.delete(kept.id)).deleted, true);
});
