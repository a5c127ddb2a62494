/** How does a simulated model draw and speak? With the smallest valid picture, and with silence. */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

/** One transparent pixel. */
const PIXEL_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const MOST_IMAGES = 10;
const TOKENS_PER_IMAGE = 272;

export const createImage: Operation = {
  name: "images.generations",
  method: "POST",
  path: "images/generations",
  body: "json",
  kinds: ["image"],
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
  azureNames: { operation: "ImageGenerations_Create", action: "imageGeneration" },
  run: draw,
};

function draw(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const { prompt, n = 1 } = body;
  if (typeof prompt !== "string" || prompt === "")
    return invalidRequest("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter");
  if (typeof n !== "number" || !Number.isInteger(n) || n < 1 || n > MOST_IMAGES) {
    return invalidRequest(`Invalid 'n': expected an integer between 1 and ${MOST_IMAGES}.`, "n");
  }
  const textTokens = desk.counter.count(prompt);
  const refused = desk.admit(call, textTokens);
  if (refused) return refused;
  const outputTokens = n * TOKENS_PER_IMAGE;
  const answer = {
    created: Math.floor(Date.now() / 1000),
    data: Array.from({ length: n }, () => ({ b64_json: PIXEL_PNG })),
    usage: {
      total_tokens: textTokens + outputTokens,
      input_tokens: textTokens,
      output_tokens: outputTokens,
      input_tokens_details: { text_tokens: textTokens, image_tokens: 0 },
    },
  };
  const usage = { promptTokens: textTokens, cachedTokens: 0, completionTokens: outputTokens, reasoningTokens: 0 };
  return { kind: "json", body: JSON.stringify(answer), usage };
}

const MOST_CHARACTERS = 4_096;
const CHARACTERS_PER_FRAME = 2;
/** MPEG-1 layer III, 128 kbit/s, 44.1 kHz: a header and a frame's worth of nothing. */
const SILENT_MP3_FRAME = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x64]), Buffer.alloc(413)]);
const PCM_BYTES_PER_FRAME = 1_200;

const FORMATS: Readonly<Record<string, { type: string; sound: (frames: number) => Buffer }>> = {
  mp3: { type: "audio/mpeg", sound: (frames) => Buffer.concat(Array.from({ length: frames }, () => SILENT_MP3_FRAME)) },
  wav: { type: "audio/wav", sound: (frames) => wav(frames * PCM_BYTES_PER_FRAME) },
  pcm: { type: "audio/pcm", sound: (frames) => Buffer.alloc(frames * PCM_BYTES_PER_FRAME) },
};

export const createSpeech: Operation = {
  name: "audio.speech",
  method: "POST",
  path: "audio/speech",
  body: "json",
  kinds: ["speech"],
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
  azureNames: { operation: "Speech_Create", action: "speech" },
  run: speak,
};

function speak(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const { input, voice, response_format: format = "mp3" } = body;
  if (typeof input !== "string" || input === "")
    return invalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  if (typeof voice !== "string")
    return invalidRequest("Missing required parameter: 'voice'.", "voice", "missing_required_parameter");
  if (input.length > MOST_CHARACTERS)
    return invalidRequest(
      `Invalid 'input': string too long. Expected a string with maximum length ${MOST_CHARACTERS}, but got a string with length ${input.length} instead.`,
      "input",
      "string_above_max_length",
    );
  const spoken = FORMATS[String(format)];
  if (!spoken)
    return invalidRequest(
      `Invalid value: '${String(format)}'. Supported values are: ${Object.keys(FORMATS).join(", ")}.`,
      "response_format",
      "invalid_value",
    );
  const tokens = desk.counter.count(input);
  const refused = desk.admit(call, tokens);
  if (refused) return refused;
  const usage = { promptTokens: tokens, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  return {
    kind: "bytes",
    body: spoken.sound(Math.ceil(input.length / CHARACTERS_PER_FRAME)),
    contentType: spoken.type,
    usage,
  };
}

/** 24 kHz, 16 bit, one channel, silent. */
function wav(bytes: number): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + bytes, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(24_000, 24);
  header.writeUInt32LE(48_000, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(bytes, 40);
  return Buffer.concat([header, Buffer.alloc(bytes)]);
}
