/** How does a simulated model speak? With silence that is as long as the text. */

import type { Answer, Call, StreamEvent, Usage } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { invalidChoice } from "./image-shape.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

const MOST_CHARACTERS = 4_096;
const CHARACTERS_PER_FRAME = 2;
/** MPEG-1 layer III, 128 kbit/s, 44.1 kHz: a header and a frame's worth of nothing. */
const SILENT_MP3_FRAME = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x64]), Buffer.alloc(413)]);
const PCM_BYTES_PER_FRAME = 1_200;
const EVENT_BYTES = 4_096;
const STREAM_FORMATS = ["sse", "audio"];

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
  const { input, response_format: format = "mp3" } = body;
  const spoken = FORMATS[String(format)];
  const wrong = wrongText(input, body.voice) ?? wrongFormat(call, body);
  if (wrong) return wrong;
  if (!spoken) return invalidChoice("response_format", format, Object.keys(FORMATS));
  const tokens = desk.counter.count(String(input));
  const refused = desk.admit(call, tokens);
  if (refused) return refused;
  const sound = spoken.sound(Math.ceil(String(input).length / CHARACTERS_PER_FRAME));
  const usage = { promptTokens: tokens, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  if (body.stream_format === "sse") return { kind: "stream", events: speechEvents(sound, usage), usage };
  return { kind: "bytes", body: sound, contentType: spoken.type, usage };
}

function wrongText(input: unknown, voice: unknown): Failure | undefined {
  if (typeof input !== "string" || input === "")
    return invalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  if (voice === undefined)
    return invalidRequest("Missing required parameter: 'voice'.", "voice", "missing_required_parameter");
  if (input.length <= MOST_CHARACTERS) return undefined;
  return invalidRequest(
    `Invalid 'input': string too long. Expected a string with maximum length ${MOST_CHARACTERS}, but got a string with length ${input.length} instead.`,
    "input",
    "string_above_max_length",
  );
}

/** The older models only send sound. */
function wrongFormat(call: Call, body: JsonObject): Failure | undefined {
  const { stream_format: format } = body;
  if (format === undefined) return undefined;
  if (!STREAM_FORMATS.includes(String(format))) return invalidChoice("stream_format", format, STREAM_FORMATS);
  return format === "sse" && call.serving?.model.name.startsWith("tts-1")
    ? invalidRequest("stream_format 'sse' is not supported with this model.", "stream_format", "unsupported_value")
    : undefined;
}

function* speechEvents(sound: Buffer, usage: Usage): Iterable<StreamEvent> {
  for (let at = 0; at < sound.length; at += EVENT_BYTES) {
    const audio = sound.toString("base64", at, at + EVENT_BYTES);
    yield { kind: "content", data: JSON.stringify({ type: "speech.audio.delta", audio }) };
  }
  const counted = { input_tokens: usage.promptTokens, output_tokens: 0, total_tokens: usage.promptTokens };
  yield { kind: "finish", data: JSON.stringify({ type: "speech.audio.done", usage: counted }) };
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
