/** Do vector stores, containers, trainings and stored completions live as the real ones do, and only where there are such? */

import assert from "node:assert/strict";
import { test } from "node:test";
import { toFile } from "openai";
import { ask } from "./ask.ts";
import { all, type Form, startForms, status, textFile, until } from "./each-form.ts";

const forms = await startForms({ jobStepMs: 5 });
const patient = await startForms({ jobStepMs: 60_000 });
const [plain, v1, dated] = forms;
const OFTEN = { pollIntervalMs: 5 };

async function fileOf({ client }: Form, text: string): Promise<string> {
  return (await client.files.create({ file: await textFile(text), purpose: "assistants" })).id;
}

async function training({ client }: Form): Promise<string> {
  const file = await toFile(Buffer.from('{"messages": []}'), "train.jsonl");
  return (await client.files.create({ file, purpose: "fine-tune" })).id;
}

for (const form of forms) {
  const { client } = form;

  test(`${form.name}: a vector store is filled, listed, changed and deleted`, async () => {
    const { vectorStores } = client;
    const [moon, sun] = [await fileOf(form, "the moon is bright"), await fileOf(form, "the sun is hot")];
    const store = await vectorStores.create({ name: "sky", file_ids: [moon], metadata: { a: "b" } });
    assert.deepEqual([store.status, store.file_counts.total], ["in_progress", 1]);
    const added = await vectorStores.files.createAndPoll(
      store.id,
      { file_id: sun, attributes: { kind: "star" } },
      OFTEN,
    );
    assert.deepEqual([added.status, added.attributes], ["completed", { kind: "star" }]);
    const listed = await all(vectorStores.files.list(store.id, { order: "asc", limit: 1 }));
    assert.deepEqual(
      listed.map((file) => file.id),
      [moon, sun],
    );
    const place = { vector_store_id: store.id };
    const changed = await vectorStores.files.update(sun, { ...place, attributes: { kind: "sun" } });
    assert.deepEqual(changed.attributes, { kind: "sun" });
    assert.equal((await vectorStores.files.retrieve(sun, place)).id, sun);
    assert.equal((await vectorStores.files.delete(sun, place)).deleted, true);
    await assert.rejects(vectorStores.files.retrieve(sun, place), status(404));
    await assert.rejects(vectorStores.files.create(store.id, { file_id: "file-nowhere" }), status(404));
    assert.equal((await vectorStores.update(store.id, { name: "night" })).name, "night");
    assert.ok((await all(vectorStores.list())).some(({ id }) => id === store.id));
    assert.equal((await vectorStores.delete(store.id)).deleted, true);
    await assert.rejects(vectorStores.retrieve(store.id), status(404));
    await assert.rejects(vectorStores.create({ file_ids: ["file-nowhere"] }), status(404));
  });

  test(`${form.name}: files come into a store in batches`, async () => {
    const { vectorStores } = client;
    const store = await vectorStores.create({});
    const ids = [await fileOf(form, "one"), await fileOf(form, "two")];
    const batch = await vectorStores.fileBatches.createAndPoll(store.id, { file_ids: ids }, OFTEN);
    assert.deepEqual([batch.status, batch.file_counts.completed], ["completed", 2]);
    const place = { vector_store_id: store.id };
    assert.equal((await all(vectorStores.fileBatches.listFiles(batch.id, place))).length, 2);
    await assert.rejects(vectorStores.fileBatches.retrieve("vsfb_nowhere", place), status(404));
    await assert.rejects(vectorStores.fileBatches.create(store.id, { file_ids: [] }), status(400));
  });

  test(`${form.name}: a training goes its way and leaves events, checkpoints and a file`, async () => {
    const { jobs } = client.fineTuning;
    const started = await jobs.create({ model: "gpt-4o-mini", training_file: await training(form), suffix: "mine" });
    assert.equal(started.status, "validating_files");
    const job = await until(
      () => jobs.retrieve(started.id),
      (now) => now.status === "succeeded",
    );
    assert.match(job.fine_tuned_model ?? "", /^ft:gpt-4o-mini-2024-07-18:simulated:mine:/);
    assert.match(await (await client.files.content(job.result_files[0] ?? "")).text(), /^step,train_loss/);
    assert.equal((await all(jobs.listEvents(job.id, { limit: 2 })))[0]?.message, "The job has successfully completed");
    const [last] = await all(jobs.checkpoints.list(job.id));
    assert.equal(last?.fine_tuned_model_checkpoint, job.fine_tuned_model);
    assert.ok((await all(jobs.list())).some(({ id }) => id === job.id));
    await assert.rejects(jobs.cancel(job.id), status(400));
    await assert.rejects(jobs.pause(job.id), status(400));
    await assert.rejects(jobs.retrieve("ftjob-nowhere"), status(404));
    await assert.rejects(jobs.create({ model: "gpt-4o-mini", training_file: "file-nowhere" }), status(400));
    const other = await fileOf(form, "x");
    await assert.rejects(jobs.create({ model: "gpt-4o-mini", training_file: other }), status(400));
    await assert.rejects(jobs.create({ model: "nothing", training_file: await training(form) }), status(404));
  });
}

for (const form of patient) {
  test(`${form.name}: a training is paused, resumed and cancelled; reading files into a store too`, async () => {
    const { client } = form;
    const { jobs } = client.fineTuning;
    const job = await jobs.create({ model: "gpt-4o-mini", training_file: await training(form) });
    await assert.rejects(jobs.resume(job.id), status(400));
    assert.equal((await jobs.pause(job.id)).status as string, "paused");
    assert.equal((await jobs.resume(job.id)).status, "queued");
    assert.equal((await jobs.cancel(job.id)).status, "cancelled");
    const store = await client.vectorStores.create({});
    const file_ids = [await fileOf(form, "one")];
    const batch = await client.vectorStores.fileBatches.create(store.id, { file_ids });
    const place = { vector_store_id: store.id };
    assert.equal((await client.vectorStores.fileBatches.cancel(batch.id, place)).status, "cancelled");
  });
}

test("vector stores are searched, and files in them read, at OpenAI and in Azure's late dated form", async () => {
  for (const form of [plain, dated]) {
    const { vectorStores } = form.client;
    const [moon, sun] = [await fileOf(form, "the moon is bright"), await fileOf(form, "the sun is hot")];
    const store = await vectorStores.create({});
    await vectorStores.fileBatches.createAndPoll(store.id, { file_ids: [moon, sun] }, OFTEN);
    const found = await all(vectorStores.search(store.id, { query: "bright moon" }));
    assert.deepEqual(
      found.map((result) => result.file_id),
      [moon],
    );
    assert.match(found[0]?.content[0]?.text ?? "", /moon/);
    const content = await all(vectorStores.files.content(moon, { vector_store_id: store.id }));
    assert.equal(content[0]?.text, "the moon is bright");
    await assert.rejects(all(vectorStores.search(store.id, { query: "x", max_num_results: 51 })), status(400));
  }
  const store = await v1.client.vectorStores.create({});
  await assert.rejects(all(v1.client.vectorStores.search(store.id, { query: "x" })), status(404));
});

test("containers: OpenAI and Azure's v1", async () => {
  for (const form of [plain, v1]) {
    const { containers } = form.client;
    const file = await fileOf(form, "known");
    const container = await containers.create({ name: "box", file_ids: [file] });
    const place = { container_id: container.id };
    const put = await containers.files.create(container.id, { file: await textFile("fresh", "fresh.txt") });
    assert.deepEqual([put.path, put.bytes], ["/mnt/data/fresh.txt", 5]);
    await containers.files.create(container.id, { file_id: file });
    await assert.rejects(containers.files.create(container.id, { file_id: "file-nowhere" }), status(400));
    assert.equal((await all(containers.files.list(container.id))).length, 3);
    assert.equal(await (await containers.files.content.retrieve(put.id, place)).text(), "fresh");
    assert.equal((await containers.files.retrieve(put.id, place)).id, put.id);
    await containers.files.delete(put.id, place);
    await assert.rejects(containers.files.retrieve(put.id, place), status(404));
    assert.deepEqual((await all(containers.list({ name: "box" }))).length, 1);
    assert.equal((await containers.retrieve(container.id)).status, "running");
    await containers.delete(container.id);
    await assert.rejects(containers.retrieve(container.id), status(404));
    await assert.rejects(containers.create({ name: "x", file_ids: ["file-nowhere"] }), status(400));
  }
  await assert.rejects(dated.client.containers.create({ name: "x" }), status(404));
});

test("stored completions: OpenAI only", async () => {
  const { completions } = plain.client.chat;
  const messages = [{ role: "user" as const, content: "Hello" }];
  const request = { model: "gpt-4o", messages, store: true, metadata: { run: "1" } };
  const kept = await completions.create(request);
  await completions.create({ ...request, metadata: { run: "2" } });
  const streamed = await all(await completions.create({ ...request, stream: true }));
  const unkept = await completions.create({ model: "gpt-4o", messages });
  assert.equal((await completions.retrieve(kept.id)).choices[0]?.message.content, kept.choices[0]?.message.content);
  assert.equal((await completions.retrieve(streamed[0]?.id ?? "")).object, "chat.completion");
  await assert.rejects(completions.retrieve(unkept.id), status(404));
  const listed = await all(completions.list({ metadata: { run: "1" }, limit: 1 }));
  assert.deepEqual(
    listed.map(({ id }) => id),
    [kept.id, streamed[0]?.id],
  );
  const [said] = await all(completions.messages.list(kept.id));
  assert.deepEqual([said?.role, said?.content], ["user", "Hello"]);
  const changed = await completions.update(kept.id, { metadata: { run: "3" } });
  assert.deepEqual(changed.metadata, { run: "3" });
  assert.equal((await completions.delete(kept.id)).deleted, true);
  await assert.rejects(completions.retrieve(kept.id), status(404));
  for (const { client, models } of [v1, dated]) {
    const answer = await client.chat.completions.create({ model: models.chat, messages, store: true });
    await assert.rejects(client.chat.completions.retrieve(answer.id), status(404));
    await assert.rejects(client.chat.completions.list(), status(404));
  }
});

test("Azure's dated form has what its version has", async () => {
  const root = dated.base;
  const statusOf = async (path: string, version: string, method = "GET") =>
    (await ask(`${root}/${path}?api-version=${version}`, { method, headers: dated.headers })).status;
  assert.equal(await statusOf("batches", "2024-02-01"), 404);
  assert.equal(await statusOf("batches", "2024-10-21"), 200);
  assert.equal(await statusOf("vector_stores", "2024-02-01"), 404);
  assert.equal(await statusOf("vector_stores", "2024-05-01-preview"), 200);
  assert.equal(await statusOf("responses/resp_x/input_items", "2025-02-01-preview"), 404);
  assert.equal(await statusOf("files", "2024-02-01"), 200);
  assert.equal(await statusOf("containers", "2025-04-01-preview"), 404);
  assert.equal(await statusOf("deployments/image-deployed/images/edits", "2024-10-21", "POST"), 404);
  assert.equal(await statusOf("deployments/image-deployed/files", "2024-10-21"), 404);
});

test("faults meet requests for things too, by header and by plan", async () => {
  for (const form of forms) {
    const url = `${form.base}/files${form.query}`;
    const refused = await ask(url, { headers: { ...form.headers, "x-sim-fault": "429;retry-after=2" } });
    assert.deepEqual([refused.status, refused.headers["retry-after"]], [429, "2"]);
    const cut = await ask(url, { headers: { ...form.headers, "x-sim-fault": "cut" } });
    assert.equal(cut.end, "broken");
  }
});
