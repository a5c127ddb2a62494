/** Do pictures and sound go in as forms and come out as JSON, bytes and events? */

import assert from "node:assert/strict";
import { test } from "node:test";
import type OpenAI from "openai";
import { toFile } from "openai";
import { eventsOf } from "./ask.ts";
import { all, startForms, status } from "./each-form.ts";

const forms = await startForms();
const [plain, v1, dated] = forms;

const sound = () => toFile(Buffer.alloc(64_000), "speech.wav");
const picture = (name = "one.png") => toFile(Buffer.from("png"), name, { type: "image/png" });
const isPng = (base64: string | undefined) => Buffer.from(base64 ?? "", "base64").toString("latin1", 1, 4) === "PNG";

for (const form of forms) {
  const { client } = form;
  const model = form.models.image;

  test(`${form.name}: pictures from words and from pictures`, async () => {
    const drawn = await client.images.generate({ model, prompt: "a dot", n: 2, size: "1024x1024" });
    assert.equal(drawn.data?.length, 2);
    assert.ok(isPng(drawn.data?.[0]?.b64_json));
    const edited = await client.images.edit({
      model,
      prompt: "bluer",
      image: [await picture(), await picture("two.png")],
    });
    assert.ok((edited.usage?.input_tokens_details.image_tokens ?? 0) > 0);
    await client.images.edit({ model, prompt: "bluer", image: await picture(), mask: await picture("mask.png") });
  });

  test(`${form.name}: pictures as a stream`, async () => {
    const request = { model, prompt: "a dot", stream: true, partial_images: 2 } as const;
    const drawn = await all(await client.images.generate(request));
    assert.deepEqual(
      drawn.map((event) => event.type),
      ["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"],
    );
    const edited = await all(await client.images.edit({ ...request, image: await picture() }));
    const last = edited.at(-1);
    assert.ok(last?.type === "image_edit.completed" && last.usage.total_tokens > 0);
  });

  test(`${form.name}: requests for pictures that are none`, async () => {
    const { images } = client;
    await assert.rejects(images.generate({ model, prompt: "" }), status(400));
    await assert.rejects(images.generate({ model, prompt: "x", n: 11 }), status(400));
    await assert.rejects(images.generate({ model, prompt: "x", size: "1x1" as "auto" }), status(400));
    await assert.rejects(images.generate({ model, prompt: "x", response_format: "url" }), status(400));
    const text = await toFile(Buffer.from("x"), "x.txt", { type: "text/plain" });
    await assert.rejects(images.edit({ model, prompt: "x", image: text }), status(400));
    await assert.rejects(images.edit({ model: "nobody", prompt: "x", image: await picture() }), status(404));
    await assert.rejects(
      images.edit({ model: `${model}+fault=503`, prompt: "x", image: await picture() }),
      status(503),
    );
  });

  test(`${form.name}: sound becomes text, in each form that the model knows`, async () => {
    const { transcriptions, translations } = client.audio;
    const heard = await transcriptions.create({ model: form.models.hear, file: await sound() });
    assert.match(heard.text, /“speech\.wav” of 64000 bytes/);
    const whisper = { model: form.models.whisper, file: await sound() };
    const verbose = await transcriptions.create({
      ...whisper,
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    });
    assert.equal(verbose.duration, 2);
    assert.equal(verbose.words?.at(-1)?.end, 2);
    assert.ok((verbose.segments?.length ?? 0) > 1);
    const srt: string = await transcriptions.create({ ...whisper, response_format: "srt" });
    assert.match(srt, /^1\n00:00:00,000 --> 00:00:0\d,\d{3}\n/);
    assert.match(await transcriptions.create({ ...whisper, response_format: "vtt" }), /^WEBVTT\n\n00:00:00\.000 --> /);
    assert.match(await transcriptions.create({ ...whisper, response_format: "text" }), /^This is /);
    assert.match((await translations.create(whisper)).text, /to translate/);
    const unfit = { model: form.models.hear, file: await sound(), response_format: "srt" } as const;
    await assert.rejects(transcriptions.create(unfit), status(400));
    await assert.rejects(translations.create({ model: form.models.hear, file: await sound() }), status(400));
    const unknown = await toFile(Buffer.from("x"), "x.exe");
    await assert.rejects(transcriptions.create({ ...whisper, file: unknown }), status(400));
  });

  test(`${form.name}: a transcript as a stream`, async () => {
    const request = { model: form.models.hear, file: await sound(), stream: true, include: ["logprobs"] } as const;
    const events = await all(await client.audio.transcriptions.create({ ...request, include: [...request.include] }));
    const deltas = events.filter((event) => event.type === "transcript.text.delta");
    const last = events.at(-1);
    assert.ok(last?.type === "transcript.text.done" && last.usage);
    assert.equal(deltas.map((event) => event.delta).join(""), last.text);
    assert.ok(deltas[0]?.logprobs?.length);
    const broken = { model: `${form.models.hear}+fault=cut+after=2`, file: await sound(), stream: true } as const;
    await assert.rejects(async () => all(await client.audio.transcriptions.create(broken)));
  });

  test(`${form.name}: speech as bytes and as events`, async () => {
    const request = {
      model: form.models.speech,
      input: "hello there",
      voice: "alloy",
      response_format: "pcm",
    } as const;
    const bytes = Buffer.from(await (await client.audio.speech.create(request)).arrayBuffer());
    const streamed = await client.audio.speech.create({ ...request, stream_format: "sse" });
    assert.match(streamed.headers.get("content-type") ?? "", /^text\/event-stream/);
    const events = eventsOf(await streamed.text()).map((data) => JSON.parse(data) as { type: string; audio?: string });
    assert.deepEqual(Buffer.concat(events.map(({ audio = "" }) => Buffer.from(audio, "base64"))), bytes);
    assert.equal(events.at(-1)?.type, "speech.audio.done");
    await assert.rejects(client.audio.speech.create({ ...request, response_format: "x" as "pcm" }), status(400));
  });
}

test("variations: OpenAI's dall-e-2 only", async () => {
  const { images } = plain.client;
  const varied = await images.createVariation({ model: "dall-e-2", image: await picture(), n: 2, size: "256x256" });
  assert.ok(varied.data?.[1]?.url);
  await assert.rejects(images.createVariation({ model: "gpt-image-1", image: await picture() }), status(400));
  for (const { client, models } of [v1, dated]) {
    const request = { model: models.image, image: await picture() };
    await assert.rejects(client.images.createVariation(request), status(404));
  }
});

test("OpenAI: pictures to edit may be files that were uploaded", async () => {
  const file = await plain.client.files.create({ file: await picture(), purpose: "vision" });
  const edit = (file_id: string) =>
    plain.client.post<OpenAI.ImagesResponse>("/images/edits", {
      body: { model: plain.models.image, prompt: "x", images: [{ file_id }] },
    });
  assert.ok(isPng((await edit(file.id)).data?.[0]?.b64_json));
  await assert.rejects(edit("file-nowhere"), status(400));
});

test("a form needs a boundary and must be one", async () => {
  for (const { base, headers, query, models } of [plain, v1]) {
    for (const type of ["multipart/form-data", "text/plain"]) {
      const answer = await fetch(`${base}/audio/transcriptions${query}`, {
        method: "POST",
        headers: { ...headers, "content-type": type },
        body: `model=${models.hear}`,
      });
      assert.equal(answer.status, 400);
    }
  }
});
