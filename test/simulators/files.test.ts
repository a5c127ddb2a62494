/** Are files, uploads and their ids kept as each provider keeps them? */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";
import { type Answer, AZURE_KEY, ask, azure, openai } from "./ask.ts";
import { all, startForms, status, textFile } from "./each-form.ts";

const forms = await startForms();
const [plain, v1, dated] = forms;
const errorOf = (answer: Answer) => (JSON.parse(answer.text) as { error: Record<string, unknown> }).error;

for (const form of forms) {
  test(`${form.name}: a file goes in, is found, comes out byte for byte and is gone`, async () => {
    const { files } = form.client;
    const content = Buffer.from([0, 255, 13, 10, 45, 45, 200, 1]);
    const file = await files.create({ file: await toFile(content, "data.jsonl"), purpose: "batch" });
    assert.match(file.id, /^file-/);
    assert.equal(file.bytes, content.length);
    assert.deepEqual(await files.retrieve(file.id), file);
    const answer = await files.content(file.id);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), content);
    assert.match(answer.headers.get("content-disposition") ?? "", /filename="data\.jsonl"/);
    assert.equal((await files.delete(file.id)).deleted, true);
    await assert.rejects(files.retrieve(file.id), status(404));
    await assert.rejects(files.content(file.id), status(404));
    await assert.rejects(files.delete(file.id), status(404));
  });

  test(`${form.name}: lists come newest first, by purpose, in pages`, async () => {
    const { files } = form.client;
    const ids: string[] = [];
    for (const name of ["one", "two", "three"]) {
      ids.push((await files.create({ file: await textFile(name), purpose: "evals" })).id);
    }
    await files.create({ file: await textFile("other"), purpose: "assistants" });
    const listed = await all(files.list({ purpose: "evals", limit: 2 }));
    assert.deepEqual(
      listed.slice(0, ids.length).map((file) => file.id),
      ids.toReversed(),
    );
    const page = await files.list({ purpose: "evals", limit: 2, order: "asc" });
    assert.deepEqual([page.data[0]?.id, page.has_more], [listed.at(-1)?.id, true]);
    await assert.rejects(files.list({ after: "file-nowhere" }), status(400));
    await assert.rejects(files.list({ limit: 0 }), status(400));
  });

  test(`${form.name}: what is given to be read is not given back`, async () => {
    const file = await form.client.files.create({ file: await textFile("secret"), purpose: "assistants" });
    await assert.rejects(form.client.files.content(file.id), status(400));
  });

  test(`${form.name}: forms without a file or a purpose, and files that are not lines`, async () => {
    const upload = (body: FormData) =>
      fetch(`${form.base}/files${form.query}`, { method: "POST", headers: form.headers, body });
    const file = new File(["{}"], "data.txt");
    const [noFile, noPurpose, notLines] = [new FormData(), new FormData(), new FormData()];
    noFile.append("purpose", "batch");
    noPurpose.append("file", file);
    notLines.append("purpose", "batch");
    notLines.append("file", file);
    for (const body of [noFile, noPurpose, notLines]) assert.equal((await upload(body)).status, 400);
    const broken = await ask(`${form.base}/files${form.query}`, { headers: form.headers, body: { purpose: "batch" } });
    assert.equal(broken.status, 400);
  });
}

test("purposes: OpenAI knows user_data and vision, Azure does not and says so in its own words", async () => {
  for (const purpose of ["user_data", "vision"] as const) {
    assert.equal((await plain.client.files.create({ file: await textFile("x"), purpose })).purpose, purpose);
    for (const form of [v1, dated]) {
      const file = await textFile("x");
      await assert.rejects(
        form.client.files.create({ file, purpose }),
        (error: InstanceType<typeof OpenAI.APIError>) => {
          assert.deepEqual([error.status, error.code], [400, "invalidPayload"]);
          return true;
        },
      );
    }
  }
  const wrong = await textFile("x");
  await assert.rejects(plain.client.files.create({ file: wrong, purpose: "nothing" as "batch" }), status(400));
});

test("expires_after", async () => {
  const life = { anchor: "created_at" as const, seconds: 7_200 };
  const file = await plain.client.files.create({
    file: await textFile("x"),
    purpose: "assistants",
    expires_after: life,
  });
  assert.equal(file.expires_at, file.created_at + 7_200);
  const short = { file: await textFile("x"), purpose: "assistants" as const, expires_after: { ...life, seconds: 5 } };
  await assert.rejects(plain.client.files.create(short), status(400));
});

test("Azure: two hosts are two resources; OpenAI: two keys are two accounts", async () => {
  const azureServer = await azure();
  const contoso = { headers: { "api-key": AZURE_KEY, host: "contoso.openai.azure.com" } };
  const other = { headers: { "api-key": AZURE_KEY, host: "fabrikam.openai.azure.com" } };
  const form = new FormData();
  form.append("purpose", "assistants");
  form.append("file", new File(["x"], "x.txt"));
  const made = new Response(form);
  const body = Buffer.from(await made.arrayBuffer()).toString();
  const type = { "content-type": made.headers.get("content-type") ?? "" };
  const created = await ask(`${azureServer.url}/openai/v1/files`, {
    method: "POST",
    body,
    headers: { ...contoso.headers, ...type },
  });
  const { id } = JSON.parse(created.text) as { id: string };
  assert.equal((await ask(`${azureServer.url}/openai/v1/files/${id}`, contoso)).status, 200);
  assert.equal((await ask(`${azureServer.url}/openai/files/${id}?api-version=2024-10-21`, contoso)).status, 200);
  const missing = await ask(`${azureServer.url}/openai/v1/files/${id}`, other);
  assert.deepEqual([missing.status, errorOf(missing).code], [404, "notFound"]);

  const server = await openai({ keys: ["sk-one-0000000", "sk-two-0000000"] });
  const [one, two] = ["sk-one-0000000", "sk-two-0000000"].map(
    (apiKey) => new OpenAI({ apiKey, baseURL: `${server.url}/v1`, maxRetries: 0 }),
  ) as [OpenAI, OpenAI];
  const file = await one.files.create({ file: await textFile("x"), purpose: "user_data" });
  await assert.rejects(two.files.retrieve(file.id), status(404));
  assert.deepEqual(await all(two.files.list()), []);
});

test("OpenAI: an upload in parts becomes a file", async () => {
  const { uploads, files } = plain.client;
  const request = { filename: "big.jsonl", purpose: "batch" as const, bytes: 8, mime_type: "application/jsonl" };
  const upload = await uploads.create(request);
  const part = async (text: string) => (await uploads.parts.create(upload.id, { data: await textFile(text) })).id;
  const [second, first] = [await part("5678"), await part("1234")];
  await assert.rejects(uploads.parts.create(upload.id, { data: await textFile("9") }), status(400));
  await assert.rejects(uploads.complete(upload.id, { part_ids: [first] }), status(400));
  await assert.rejects(uploads.complete(upload.id, { part_ids: ["part_x"] }), status(400));
  const md5 = createHash("md5").update("12345678").digest("hex");
  const done = await uploads.complete(upload.id, { part_ids: [first, second], md5 });
  assert.equal(done.status, "completed");
  assert.equal(await (await files.content(done.file?.id ?? "")).text(), "12345678");
  await assert.rejects(uploads.cancel(upload.id), status(400));

  const dropped = await uploads.create(request);
  assert.equal((await uploads.cancel(dropped.id)).status, "cancelled");
  await assert.rejects(uploads.parts.create(dropped.id, { data: await textFile("1") }), status(400));
  await assert.rejects(uploads.cancel("upload_nowhere"), status(404));
  await assert.rejects(v1.client.uploads.create(request), status(404));
  await assert.rejects(dated.client.uploads.create(request), status(404));
});
