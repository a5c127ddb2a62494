/** Do things that stay with a provider find home, and stay with their owner? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, { AzureOpenAI, toFile } from "openai";
import { type Harness, KEY, object } from "../proxy/harness.ts";
import { FORMS, type Form, objectsOf, simulators } from "./over-simulators.ts";
import { CHAT, gatewayOf, OTHER_KEY, SECRETS, sdk, TAG, tenant, twoProvidersBy } from "./two-tenants.ts";

const both = await simulators();

/** New things go to the first. */
function twoProviders(first: "openai" | "azure", route: object = {}): object[] {
  const names = first === "openai" ? ["openai", "azure"] : ["azure", "openai"];
  const backends = names.map((name, i) => ({ name, providerRef: { name }, priority: i + 1 }));
  return twoProvidersBy({ backends, ...route });
}

const gateway = (objects: readonly object[]) => gatewayOf(both, objects);

const LINES = (model: string, url: string) =>
  [0, 1, 2]
    .map((i) =>
      JSON.stringify({
        custom_id: `line-${i}`,
        method: "POST",
        url,
        body: url.endsWith("responses")
          ? { model, input: `Hello ${i}` }
          : { model, messages: [{ role: "user", content: `Hello ${i}` }] },
      }),
    )
    .join("\n");

for (const form of FORMS) {
  const classes = {
    OpenAI: (harness: Harness) => sdk(harness),
    AzureOpenAI: ({ url }: Harness) =>
      new AzureOpenAI({ apiKey: KEY, endpoint: url, apiVersion: "2025-04-01-preview", maxRetries: 0 }),
  };
  for (const [name, construct] of Object.entries(classes)) {
    test(`${name} over ${form}: a batch goes in as its file says, and its output comes out`, async () => {
      const harness = await gateway(objectsOf(form));
      const app = construct(harness);
      for (const endpoint of ["/v1/chat/completions", "/v1/responses"] as const) {
        const file = await toFile(Buffer.from(LINES(CHAT, endpoint)), "batch.jsonl");
        const input = await app.files.create({ file, purpose: "batch" });
        assert.match(input.id, TAG);
        const made = await app.batches.create({ input_file_id: input.id, endpoint, completion_window: "24h" });
        assert.equal(made.endpoint, endpoint);
        assert.equal(made.input_file_id.slice(0, -36), input.id.slice(0, -36));
        let batch = made;
        for (let i = 0; i < 100 && batch.status !== "completed"; i++) {
          assert.ok(["validating", "in_progress", "finalizing"].includes(batch.status), JSON.stringify(batch));
          await sleep(50);
          batch = await app.batches.retrieve(made.id);
        }
        assert.deepEqual(batch.request_counts, { total: 3, completed: 3, failed: 0 });
        const output = await (await app.files.content(batch.output_file_id ?? "")).text();
        const lines = output
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        assert.deepEqual(lines.map((line) => line.custom_id).sort(), ["line-0", "line-1", "line-2"]);
        if (endpoint !== "/v1/responses") continue;
        const next = { model: CHAT, input: "And?", previous_response_id: lines[0].response.body.id };
        assert.match(next.previous_response_id, TAG);
        await app.responses.create(next);
      }
    });
  }

  test(`over ${form}: a conversation of responses goes on, also as a stream and in the background`, async () => {
    const app = sdk(await gateway(objectsOf(form)));
    const first = await app.responses.create({ model: CHAT, input: "Hello" });
    assert.match(first.id, TAG);
    const second = await app.responses.create({ model: CHAT, input: "And?", previous_response_id: first.id });
    assert.equal(second.previous_response_id, first.id);
    const items = await app.responses.inputItems.list(second.id);
    assert.ok(items.data.length > 0);
    const later = await app.responses.create({ model: CHAT, input: "Slowly", background: true });
    assert.ok(["queued", "in_progress", "completed"].includes(later.status ?? ""));
    assert.equal((await app.responses.retrieve(later.id)).id, later.id);
    await app.responses.delete(first.id);
    await assert.rejects(app.responses.retrieve(first.id), OpenAI.NotFoundError);
  });
}

test("what was made at one provider is found there, whoever makes new things now", async () => {
  const harness = await gateway(twoProviders("openai"));
  const app = sdk(harness);
  const answer = await app.responses.create({ model: CHAT, input: "Hello" });
  const file = await app.files.create({ file: await toFile(Buffer.from("x"), "a.txt"), purpose: "assistants" });
  harness.apply(twoProviders("azure"), SECRETS);
  const { response } = await app.responses.retrieve(answer.id).withResponse();
  assert.equal(response.headers.get("x-tandem-provider"), "openai");
  assert.equal(response.headers.get("x-tandem-decision"), "affinity");
  assert.equal((await app.files.retrieve(file.id)).id, file.id);
  const next = await app.responses
    .create({ model: CHAT, input: "And?", previous_response_id: answer.id })
    .withResponse();
  assert.equal(next.response.headers.get("x-tandem-provider"), "openai");
  const fresh = await app.responses.create({ model: CHAT, input: "New" }).withResponse();
  assert.equal(fresh.response.headers.get("x-tandem-provider"), "azure");
  // Two things at two providers cannot meet.
  const there = await app.files.create({ file: await toFile(Buffer.from("y"), "b.txt"), purpose: "assistants" });
  const content = [{ type: "input_file" as const, file_id: there.id }];
  const mixed = app.responses.create({
    model: CHAT,
    previous_response_id: answer.id,
    input: [{ role: "user", content }],
  });
  await assert.rejects(mixed, { status: 400, code: "id_conflict" });
});

test("nobody reaches another's things: 404, wherever the id stands", async () => {
  const harness = await gateway(twoProviders("openai"));
  const app = sdk(harness);
  const other = sdk(harness, OTHER_KEY);
  const answer = await app.responses.create({ model: CHAT, input: "My secret" });
  const file = await app.files.create({ file: await toFile(Buffer.from("secret"), "a.txt"), purpose: "assistants" });
  const store = await app.vectorStores.create({ file_ids: [file.id] });
  const notTheirs = { status: 404, code: "resource_not_found" };
  await assert.rejects(other.responses.retrieve(answer.id), notTheirs);
  await assert.rejects(other.responses.delete(answer.id), notTheirs);
  await assert.rejects(other.files.content(file.id), notTheirs);
  await assert.rejects(other.vectorStores.search(store.id, { query: "x" }), notTheirs);
  await assert.rejects(
    other.responses.create({ model: CHAT, input: "Repeat.", previous_response_id: answer.id }),
    notTheirs,
  );
  await assert.rejects(other.vectorStores.create({ file_ids: [file.id] }), notTheirs);
  const inChat = [{ type: "file" as const, file: { file_id: file.id } }];
  await assert.rejects(
    other.chat.completions.create({ model: CHAT, messages: [{ role: "user", content: inChat }] }),
    notTheirs,
  );
  // Escaped spellings of the field are the same field.
  const hidden = JSON.stringify({ model: CHAT, messages: [{ role: "user", content: inChat }] });
  const escaped = hidden.replace('"file_id"', '"file\\u005fid"');
  const answered = await harness.post("/v1/chat/completions", escaped, { authorization: `Bearer ${OTHER_KEY}` });
  assert.equal(answered.status, 404);
  // In a batch's line as well.
  const line = {
    custom_id: "1",
    method: "POST",
    url: "/v1/responses",
    body: { model: CHAT, input: "x", previous_response_id: answer.id },
  };
  const jsonl = await toFile(Buffer.from(JSON.stringify(line)), "batch.jsonl");
  await assert.rejects(other.files.create({ file: jsonl, purpose: "batch" }), notTheirs);
});

test("an id that was changed, or is the provider's own, does not exist", async () => {
  const harness = await gateway(twoProviders("openai"));
  const app = sdk(harness);
  const { id } = await app.responses.create({ model: CHAT, input: "Hello" });
  const own = id.replace(TAG, "");
  const swapped = `${id.slice(0, -1)}${id.endsWith("A") ? "B" : "A"}`;
  for (const wrong of [own, swapped, `x${id}`, `${own}_tdm${"A".repeat(32)}`]) {
    await assert.rejects(app.responses.retrieve(wrong), { status: 404, code: "resource_not_found" }, wrong);
  }
});

test("foreignIDs: Probe finds what was made before Tandem at the route's own providers", async () => {
  const direct = new OpenAI({ apiKey: SECRETS.openai, baseURL: `${both.openaiUrl}/v1`, maxRetries: 0 });
  const before = await direct.responses.create({ model: CHAT, input: "Before" });
  const harness = await gateway(twoProviders("azure"));
  const app = sdk(harness);
  await assert.rejects(app.responses.retrieve(before.id), { status: 404, code: "resource_not_found" });
  harness.apply(twoProviders("azure", { foreignIDs: "Probe" }), SECRETS);
  const found = await app.responses.retrieve(before.id).withResponse();
  assert.equal(found.response.headers.get("x-tandem-provider"), "openai");
  assert.match(found.data.id, TAG);
  const next = app.responses.create({ model: CHAT, input: "After", previous_response_id: before.id }).withResponse();
  assert.equal((await next).response.headers.get("x-tandem-provider"), "openai");
  await assert.rejects(app.responses.retrieve("resp_none"), { status: 404 });
  // With several routes, those that look for such ids are asked, and without one the id does not exist.
  const second = object("AIRoute", "second", {
    models: ["gpt-4.1"],
    backends: [{ name: "azure", providerRef: { name: "azure" } }],
  });
  harness.apply([...twoProviders("openai", { foreignIDs: "Probe" }), second], SECRETS);
  assert.equal((await app.responses.retrieve(before.id)).id.replace(TAG, ""), before.id);
  harness.apply([...twoProviders("openai"), second], SECRETS);
  await assert.rejects(app.responses.retrieve(before.id), { status: 404, code: "resource_not_found" });
});

test("lists are closed, and statefulListing: Allow opens them with ids that work", async () => {
  const harness = await gateway(objectsOf("OpenAI"));
  const app = sdk(harness);
  for (let i = 0; i < 3; i++) {
    await app.files.create({ file: await toFile(Buffer.from(`${i}`), `${i}.txt`), purpose: "assistants" });
  }
  await assert.rejects(async () => app.files.list(), { status: 403, code: "listing_not_allowed" });
  const open = tenant("app", "client", { statefulListing: "Allow" });
  harness.apply([...objectsOf("OpenAI").slice(0, -1), open], SECRETS);
  const seen: string[] = [];
  // The second page is asked for by the id that ended the first.
  for await (const file of app.files.list({ limit: 2 })) seen.push(file.id);
  assert.ok(seen.length >= 3);
  assert.equal(new Set(seen).size, seen.length);
  assert.equal((await app.files.retrieve(seen.at(-1) ?? "")).id, seen.at(-1));
});

test("a stored chat completion is got, changed and deleted by its id, also when it was a stream", async () => {
  const app = sdk(await gateway(objectsOf("OpenAI")));
  const messages = [{ role: "user" as const, content: "Keep this" }];
  const plain = await app.chat.completions.create({ model: CHAT, messages, store: true });
  const ids = new Set<string>();
  for await (const chunk of await app.chat.completions.create({ model: CHAT, messages, store: true, stream: true })) {
    ids.add(chunk.id);
  }
  assert.equal(ids.size, 1);
  for (const id of [plain.id, ...ids]) {
    assert.match(id, TAG);
    assert.equal((await app.chat.completions.retrieve(id)).id, id);
    assert.ok((await app.chat.completions.messages.list(id)).data.length > 0);
    await app.chat.completions.update(id, { metadata: { a: "b" } });
    assert.equal((await app.chat.completions.delete(id)).deleted, true);
  }
  const unstored = await app.chat.completions.create({ model: CHAT, messages });
  assert.doesNotMatch(unstored.id, TAG);
});

test("vector stores, uploads, containers, conversations and fine-tuning work by the ids they gave", async () => {
  const app = sdk(await gateway(objectsOf("OpenAI")));
  const file = await app.files.create({ file: await toFile(Buffer.from("some text"), "a.txt"), purpose: "assistants" });
  const store = await app.vectorStores.create({ name: "s", file_ids: [file.id] });
  const attached = await app.vectorStores.files.list(store.id);
  assert.equal(attached.data[0]?.id.slice(0, -36), file.id.slice(0, -36));
  await app.vectorStores.files.retrieve(attached.data[0]?.id ?? "", { vector_store_id: store.id });
  await app.vectorStores.delete(store.id);

  const upload = await app.uploads.create({
    bytes: 9,
    filename: "b.txt",
    mime_type: "text/plain",
    purpose: "assistants",
  });
  const part = await app.uploads.parts.create(upload.id, { data: await toFile(Buffer.from("some text"), "part") });
  const done = await app.uploads.complete(upload.id, { part_ids: [part.id] });
  assert.equal((await app.files.retrieve(done.file?.id ?? "")).bytes, 9);

  const container = await app.containers.create({ name: "c", file_ids: [file.id] });
  assert.equal((await app.containers.retrieve(container.id)).id, container.id);
  await app.containers.delete(container.id);

  const talk = await app.conversations.create({ items: [{ type: "message", role: "user", content: "Hi" }] });
  const said = await app.responses.create({ model: CHAT, input: "Hello", conversation: talk.id });
  assert.equal(said.conversation?.id.slice(0, -36), talk.id.slice(0, -36));
  assert.ok((await app.conversations.items.list(talk.id)).data.length > 0);
});

test("which form serves it does not matter: Azure's own paths find the same things", async () => {
  const form: Form = "Azure, dated";
  const harness = await gateway(objectsOf(form));
  const azure = new AzureOpenAI({
    apiKey: KEY,
    endpoint: harness.url,
    apiVersion: "2025-04-01-preview",
    maxRetries: 0,
  });
  const file = await azure.files.create({ file: await toFile(Buffer.from("x"), "a.txt"), purpose: "assistants" });
  assert.equal((await sdk(harness).files.retrieve(file.id)).id, file.id);
  // A deployment in the path, where no model has its name.
  const answer = await azure.chat.completions.create({
    model: "chat-prod",
    messages: [{ role: "user", content: "Hello" }],
  });
  assert.ok(answer.choices[0]?.message.content);
});
