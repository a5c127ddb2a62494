/** Do batches check their lines, run them and leave their answers in files? */

import assert from "node:assert/strict";
import { test } from "node:test";
import type OpenAI from "openai";
import { toFile } from "openai";
import { azure } from "./ask.ts";
import { all, type Form, startForms, status, textFile, until } from "./each-form.ts";

const forms = await startForms({ jobStepMs: 5 });
const patient = await startForms({ jobStepMs: 60_000 });

type Line = Record<string, unknown>;
type Batch = OpenAI.Batch;

const pathOf = (form: Form, operation = "chat/completions") => `${form.name === "OpenAI" ? "/v1" : ""}/${operation}`;

function line(form: Form, custom_id: string, more: Line = {}, model = form.models.chat): Line {
  const body = { model, messages: [{ role: "user", content: `Say ${custom_id}` }] };
  return { custom_id, method: "POST", url: pathOf(form), body, ...more };
}

async function start(form: Form, lines: readonly (Line | string)[], endpoint = pathOf(form)): Promise<Batch> {
  const text = lines.map((entry) => (typeof entry === "string" ? entry : JSON.stringify(entry))).join("\n");
  const file = await form.client.files.create({ file: await toFile(Buffer.from(text), "in.jsonl"), purpose: "batch" });
  return form.client.batches.create({
    input_file_id: file.id,
    endpoint: endpoint as "/v1/embeddings",
    completion_window: "24h",
  });
}

async function finished(form: Form, batch: Batch): Promise<Batch> {
  return until(
    () => form.client.batches.retrieve(batch.id),
    ({ status }) => ["completed", "failed", "cancelled"].includes(status),
  );
}

async function linesOf(form: Form, id: string | undefined): Promise<Line[]> {
  const text = await (await form.client.files.content(id ?? "")).text();
  return text
    .trimEnd()
    .split("\n")
    .map((entry) => JSON.parse(entry) as Line);
}

for (const form of forms) {
  test(`${form.name}: a batch runs its lines; the failed ones go to a file of their own`, async () => {
    const failing = `${form.models.chat}+fault=500`;
    const started = await start(form, [line(form, "a"), line(form, "b", {}, failing), line(form, "c")]);
    assert.equal(started.status, "validating");
    const batch = await finished(form, started);
    assert.equal(batch.status, "completed");
    assert.deepEqual(batch.request_counts, { total: 3, completed: 2, failed: 1 });
    const output = await linesOf(form, batch.output_file_id);
    assert.deepEqual(
      output.map((entry) => entry.custom_id),
      ["a", "c"],
    );
    const response = output[0]?.response as { status_code: number; request_id: string; body: OpenAI.ChatCompletion };
    assert.equal(response.status_code, 200);
    assert.match(response.body.choices[0]?.message.content ?? "", /You said “Say a”/);
    assert.equal("id" in (output[0] ?? {}), form.name === "OpenAI");
    const errors = await linesOf(form, batch.error_file_id);
    assert.equal(errors.length, 1);
    assert.partialDeepStrictEqual(errors[0], { custom_id: "b", response: { status_code: 500 } });
    assert.equal((await form.client.files.retrieve(batch.output_file_id ?? "")).purpose, "batch_output");
    assert.ok((await all(form.client.batches.list())).some(({ id }) => id === batch.id));
  });

  test(`${form.name}: batches of embeddings and responses`, async () => {
    const embed = { url: pathOf(form, "embeddings"), body: { model: form.models.embed, input: "x" } };
    const respond = { url: pathOf(form, "responses"), body: { model: form.models.chat, input: "x" } };
    for (const request of [embed, respond]) {
      const batch = await finished(form, await start(form, [line(form, "only", request)], request.url));
      assert.equal(batch.request_counts?.completed, 1, JSON.stringify(batch));
    }
  });

  test(`${form.name}: what is wrong with lines fails the batch and says where`, async () => {
    const other = form.name === "OpenAI" ? "/chat/completions" : "/v1/chat/completions";
    const streaming = { body: { model: form.models.chat, messages: [], stream: true } };
    const cases: readonly [string, readonly (Line | string)[], number | undefined][] = [
      ["invalid_json_line", [line(form, "a"), "{"], 2],
      ["duplicate_custom_id", [line(form, "a"), line(form, "a")], 2],
      [form.name === "OpenAI" ? "invalid_url" : "url_mismatch", [line(form, "a", { url: other })], 1],
      ["model_not_found", [line(form, "a", {}, "nobody")], 1],
      ["missing_required_parameter", [line(form, "a", { body: undefined })], 1],
      ["invalid_method", [line(form, "a", { method: "GET" })], 1],
      ["invalid_request", [line(form, "a", streaming)], 1],
      [
        form.name === "OpenAI" ? "mismatched_model" : "model_mismatch",
        [line(form, "a"), line(form, "b", {}, form.models.reasoning)],
        2,
      ],
      [form.name === "OpenAI" ? "empty_file" : "empty_batch", [""], undefined],
    ];
    for (const [code, lines, at] of cases) {
      const batch = await finished(form, await start(form, lines));
      assert.equal(batch.status, "failed", code);
      assert.equal(batch.errors?.data?.[0]?.code, code);
      assert.equal(batch.errors?.data?.[0]?.line ?? undefined, at, code);
    }
  });

  test(`${form.name}: a batch needs a file for batches and an endpoint that there is`, async () => {
    const { client } = form;
    const notForBatches = await client.files.create({ file: await textFile("{}"), purpose: "assistants" });
    const forBatches = await client.files.create({ file: await textFile("{}", "in.jsonl"), purpose: "batch" });
    const create = (input_file_id: string, endpoint: string, window = "24h") =>
      client.batches.create({
        input_file_id,
        endpoint: endpoint as "/v1/embeddings",
        completion_window: window as "24h",
      });
    await assert.rejects(create("file-nowhere", pathOf(form)), status(form.name === "OpenAI" ? 400 : 404));
    await assert.rejects(create(notForBatches.id, pathOf(form)), status(400));
    await assert.rejects(create(forBatches.id, pathOf(form, "nothing")), status(400));
    const foreign = form.name === "OpenAI" ? "/chat/completions" : "/v1/chat/completions";
    await assert.rejects(create(forBatches.id, foreign), status(400));
    await assert.rejects(create(forBatches.id, pathOf(form), "1h"), status(400));
    await assert.rejects(client.batches.retrieve("batch_nowhere"), status(404));
  });
}

for (const form of patient) {
  test(`${form.name}: a batch can be cancelled, once`, async () => {
    const batch = await start(form, [line(form, "a")]);
    assert.equal((await form.client.batches.cancel(batch.id)).status, "cancelling");
    await assert.rejects(form.client.batches.cancel(batch.id), status(409));
    assert.equal((await form.client.batches.retrieve(batch.id)).output_file_id, undefined);
  });
}

test("Azure's v1 takes OpenAI's URLs when it is told to, the dated form does not", async () => {
  const [, v1, dated] = await startForms({ batchUrlsOnV1: "accept", jobStepMs: 5 });
  const url = "/v1/chat/completions";
  const batch = await finished(v1, await start(v1, [line(v1, "a", { url })], url));
  assert.deepEqual(batch.request_counts, { total: 1, completed: 1, failed: 0 });
  await assert.rejects(start(dated, [line(dated, "a", { url })], url), status(400));
});

test("a line costs half of what a request costs", async () => {
  const server = await azure({ jobStepMs: 5, deployments: [{ name: "chat-deployed", model: "gpt-4o" }] });
  const [, v1] = forms;
  const client = v1.client.withOptions({ baseURL: `${server.url}/openai/v1` });
  const form = { ...v1, client };
  const request = line(form, "a");
  await client.chat.completions.create(request.body as OpenAI.ChatCompletionCreateParamsNonStreaming);
  const whole = BigInt(server.bill().totalNanoUsd);
  await finished(form, await start(form, [request]));
  assert.equal(BigInt(server.bill().totalNanoUsd) - whole, (whole + 1n) / 2n);
});
