/** Do pictures and sounds go through Tandem with the Node client: forms in, bytes and events out? */
import assert from "node:assert/strict";
import { toFile } from "openai";
import { eachClient, NOT_OFFERED } from "./each-client.ts";
import { waveFile } from "./sound.ts";

const IMAGE = "gpt-image-1";
const SPEECH = "gpt-4o-mini-tts";
const TRANSCRIBE = "gpt-4o-transcribe";
const WHISPER = "whisper-1";
/** One transparent point. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgAAAAAgAB4iG8MwAAAABJRU5ErkJggg==",
  "base64",
);

const sound = () => toFile(waveFile(0.5), "größe.wav", { type: "audio/wav" });
const picture = () => toFile(PNG, "a.png", { type: "image/png" });

eachClient("pictures made, at once and in pieces", async ({ sdk }) => {
  const made = await sdk.images.generate({ model: IMAGE, prompt: "a dot", n: 2 });
  assert.equal(made.data?.length, 2);
  const kinds: string[] = [];
  const ask = { model: IMAGE, prompt: "a dot", stream: true as const, partial_images: 2 };
  for await (const event of await sdk.images.generate(ask)) kinds.push(event.type);
  assert.equal(kinds.at(-1), "image_generation.completed");
});

eachClient("pictures changed, at once and in pieces", async ({ sdk }) => {
  const images = [await picture(), await picture()];
  const edited = await sdk.images.edit({ model: IMAGE, image: images, mask: await picture(), prompt: "a line" });
  assert.ok(edited.data?.[0]?.b64_json);
  const kinds: string[] = [];
  const ask = { model: IMAGE, image: await picture(), prompt: "a line", stream: true as const, partial_images: 1 };
  for await (const event of await sdk.images.edit(ask)) kinds.push(event.type);
  assert.equal(kinds.at(-1), "image_edit.completed");
});

eachClient("variations where the provider has them", async ({ sdk, form }) => {
  const ask = sdk.images.createVariation({ model: "dall-e-2", image: await picture() });
  if (form === "OpenAI") assert.ok((await ask).data?.[0]);
  else await assert.rejects(ask, { status: 404, code: "model_not_found" });
  const known = sdk.images.createVariation({ model: IMAGE, image: await picture() });
  if (form !== "OpenAI") await assert.rejects(known, NOT_OFFERED);
  else await assert.rejects(known, { status: 400 });
});

eachClient("speech, whole and as events", async ({ sdk }) => {
  const ask = { model: SPEECH, input: "hello there", voice: "alloy" as const };
  const wave = await sdk.audio.speech.create({ ...ask, response_format: "wav" });
  assert.equal(wave.headers.get("content-type"), "audio/wav");
  assert.equal(Buffer.from(await wave.arrayBuffer()).toString("latin1", 0, 4), "RIFF");
  const events = await sdk.audio.speech.create({ ...ask, stream_format: "sse" });
  const text = await events.text();
  assert.match(text, /"type":"speech\.audio\.delta"/);
  assert.match(text, /"type":"speech\.audio\.done"/);
});

eachClient("transcription in every format, and as events", async ({ sdk }) => {
  const { text } = await sdk.audio.transcriptions.create({ model: TRANSCRIBE, file: await sound() });
  assert.notEqual(text, "");
  const whisper = async (response_format: "srt" | "vtt" | "text") =>
    (await sdk.audio.transcriptions.create({ model: WHISPER, file: await sound(), response_format })) as string;
  assert.match(await whisper("srt"), /-->/);
  assert.match(await whisper("vtt"), /^WEBVTT/);
  assert.equal(typeof (await whisper("text")), "string");
  const detailed = await sdk.audio.transcriptions.create({
    model: WHISPER,
    file: await sound(),
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
  });
  assert.ok(detailed.duration > 0);
  const kinds: string[] = [];
  const ask = { model: TRANSCRIBE, file: await sound(), stream: true as const };
  for await (const event of await sdk.audio.transcriptions.create(ask)) kinds.push(event.type);
  assert.equal(kinds.at(-1), "transcript.text.done");
  assert.notEqual((await sdk.audio.translations.create({ model: WHISPER, file: await sound() })).text, "");
});
