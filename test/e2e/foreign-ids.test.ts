/** Is there a place of a request where an id of somebody else, or a tag, still goes through to the provider? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toFile } from "openai";
import { FakeProvider } from "../fakes/provider.ts";
import { type Harness, KEY, objects, startHarness } from "../proxy/harness.ts";
import { objectsOf, simulators } from "./over-simulators.ts";
import { CHAT, gatewayOf, OTHER_KEY, sdk, TAG, twoProvidersBy } from "./two-tenants.ts";

const NOT_THEIRS = { status: 404, code: "resource_not_found" };
const both = await simulators();
const twoTenants = () =>
  gatewayOf(both, twoProvidersBy({ backends: [{ name: "openai", providerRef: { name: "openai" } }] }));

/** A gateway before a provider that makes `file-own` and says what it was asked. */
async function overFake(): Promise<{ provider: FakeProvider; harness: Harness; own: string }> {
  const provider = await new FakeProvider((response) => {
    response.writeHead(200, { "content-type": "application/json" }).end('{"id":"file-own","object":"file"}');
  }).start();
  const harness = await startHarness({ openai: provider.url, azure: provider.url, objects: objects() });
  const file = await toFile(Buffer.from("x"), "a.txt");
  const { id } = await sdk(harness).files.create({ file, purpose: "user_data" });
  assert.match(id, TAG);
  return { provider, harness, own: id };
}

test("a file is put into a container by its id, also in a form, and only one's own", async () => {
  const harness = await twoTenants();
  const app = sdk(harness);
  const other = sdk(harness, OTHER_KEY);
  const file = await app.files.create({ file: await toFile(Buffer.from("text"), "a.txt"), purpose: "assistants" });
  const mine = await app.containers.create({ name: "mine" });
  const put = async (container: string, id: string, key?: string) => {
    const body = new FormData();
    body.append("file_id", id);
    const headers = { authorization: `Bearer ${key ?? KEY}` };
    const answer = await fetch(`${harness.url}/v1/containers/${container}/files`, { method: "POST", headers, body });
    await answer.text();
    return answer.status;
  };
  assert.equal(await put(mine.id, file.id), 200);
  assert.equal((await app.containers.files.create(mine.id, { file_id: file.id })).bytes, 4);
  const theirs = await other.containers.create({ name: "theirs" });
  for (const id of [file.id, file.id.replace(TAG, "")]) {
    assert.equal(await put(theirs.id, id, OTHER_KEY), 404, id);
    await assert.rejects(other.containers.files.create(theirs.id, { file_id: id }), NOT_THEIRS, id);
  }
  const { data } = await other.containers.files.list(theirs.id);
  assert.deepEqual(data, []);
});

test("a file in a prompt's variables is the caller's own", async () => {
  const { provider, harness, own } = await overFake();
  const ask = (id: string) =>
    harness.post("/v1/responses", {
      model: CHAT,
      prompt: { id: "pmpt_1", variables: { city: "Uppsala", paper: { type: "input_file", file_id: id } } },
    });
  assert.equal((await ask(own)).status, 200);
  const sent = JSON.parse(provider.calls.at(-1)?.body ?? "");
  assert.equal(sent.prompt.variables.paper.file_id, "file-own");
  assert.equal(sent.prompt.variables.city, "Uppsala");
  const before = provider.calls.length;
  assert.equal((await ask("file-own")).status, 404);
  assert.equal(provider.calls.length, before);
});

test("a cursor is opened however its tag is written", async () => {
  const { provider, harness, own } = await overFake();
  const store = await harness.post("/v1/vector_stores", { name: "s" });
  const { id } = (await store.json()) as { id: string };
  const escaped = own.replace("_tdm", "%5Ftdm");
  const headers = { authorization: `Bearer ${KEY}` };
  await (await fetch(`${harness.url}/v1/vector_stores/${id}/files?after=${escaped}`, { headers })).text();
  assert.equal(provider.seen.at(-1)?.url, "/v1/vector_stores/file-own/files?after=file-own");
});

test("a batch's file cannot go past the gateway in parts", async () => {
  const app = sdk(await gatewayOf(both, objectsOf("OpenAI")));
  const upload = { bytes: 9, filename: "b.jsonl", mime_type: "application/jsonl" };
  await assert.rejects(app.uploads.create({ ...upload, purpose: "batch" }), { status: 400, code: "invalid_batch" });
  assert.match((await app.uploads.create({ ...upload, purpose: "assistants" })).id, TAG);
});

test("a line of a batch whose ids cannot be looked for is refused", async () => {
  const harness = await twoTenants();
  const app = sdk(harness);
  const other = sdk(harness, OTHER_KEY);
  const { id } = await app.responses.create({ model: CHAT, input: "My secret" });
  const raw = id.replace(TAG, "");
  const inner = `"previous_response_id":"${raw}","input":"x"`;
  const lines = {
    "not JSON inside": `{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"${CHAT}","tools":[,],${inner}}}`,
    "unknown endpoint": `{"custom_id":"1","method":"POST","url":"/v1/responses/","body":{"model":"${CHAT}",${inner}}}`,
    "escaped key": `{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"${CHAT}",${inner.replace("previous", "\\u0070revious")}}}`,
    "two bodies": `{"custom_id":"1","method":"POST","url":"/v1/responses","body":{"model":"${CHAT}","input":"x"},"body":{"model":"${CHAT}",${inner}}}`,
  };
  for (const [what, line] of Object.entries(lines)) {
    const file = await toFile(Buffer.from(line), "batch.jsonl");
    await assert.rejects(
      other.files.create({ file, purpose: "batch" }),
      (error: { status: number }) => [400, 404].includes(error.status),
      what,
    );
  }
});

test("an eval cannot read what everybody stored", async () => {
  const { provider, harness } = await overFake();
  const made = await harness.post("/v1/evals", { name: "e", data_source_config: { type: "custom" } });
  const { id } = (await made.json()) as { id: string };
  const before = provider.calls.length;
  for (const type of ["stored_completions", "responses"]) {
    const run = { name: "r", data_source: { type: "completions", source: { type } } };
    const answer = await harness.post(`/v1/evals/${id}/runs`, run);
    assert.equal(answer.status, 403, type);
    assert.equal(((await answer.json()) as { error: { code: string } }).error.code, "listing_not_allowed");
  }
  assert.equal(provider.calls.length, before);
  const own = { name: "r", data_source: { type: "jsonl", source: { type: "file_content", content: [] } } };
  assert.equal((await harness.post(`/v1/evals/${id}/runs`, own)).status, 200);
});

test("a batch's lines do not come from a storage account, where nobody reads them", async () => {
  const { provider, harness } = await overFake();
  const order = { endpoint: "/v1/responses", completion_window: "24h" };
  const before = provider.calls.length;
  for (const field of ["input_blob", "input\\u005fblob"]) {
    const body = JSON.stringify({ ...order, input_blob: "https://store.example/a.jsonl" });
    const answer = await harness.post("/v1/batches", body.replace("input_blob", field));
    assert.equal(answer.status, 403, field);
    assert.equal(((await answer.json()) as { error: { code: string } }).error.code, "listing_not_allowed");
  }
  assert.equal(provider.calls.length, before);
  harness.apply(objects({ client: { statefulListing: "Allow" } }));
  assert.equal((await harness.post("/v1/batches", { ...order, input_blob: "https://store.example/a" })).status, 200);
});
