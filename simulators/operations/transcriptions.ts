/** How does a simulated model listen? It says who it is and how much it was given to hear. */

import type { Answer, Call, Usage } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { speaker } from "../reply.ts";
import { invalidChoice, isTrue } from "./image-shape.ts";
import { type Desk, type JsonObject, json, type Operation } from "./operation.ts";
import { diarized, spokenSegments, subtitles, transcriptEvents, verbose } from "./transcript-shape.ts";

const MOST_BYTES = 25 * 1024 * 1024;
/** As if all sound were 16 bit at 16 kHz. */
const BYTES_PER_SECOND = 32_000;
const TOKENS_PER_SECOND = 10;
const FILE_TYPES = ["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"];

const WHISPER_FORMATS = ["json", "text", "srt", "verbose_json", "vtt"];
const FORMATS = ["json", "text"];
const DIARIZE_FORMATS = ["json", "text", "diarized_json"];

const COMMON = {
  method: "POST",
  body: "multipart",
  kinds: ["transcription"],
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
} as const satisfies Partial<Operation>;

export const createTranscription: Operation = {
  ...COMMON,
  name: "audio.transcriptions",
  path: "audio/transcriptions",
  azureNames: { operation: "Transcriptions_Create", action: "transcription" },
  run: (call, body, desk) => hear(call, body, false, desk),
};

export const createTranslation: Operation = {
  ...COMMON,
  name: "audio.translations",
  path: "audio/translations",
  azureNames: { operation: "Translations_Create", action: "translation" },
  run: (call, body, desk) =>
    isWhisper(call)
      ? hear(call, body, true, desk)
      : invalidRequest("This model does not support the translation endpoint.", "model", "invalid_value"),
};

function isWhisper(call: Call): boolean {
  return call.serving?.model.name.startsWith("whisper") ?? false;
}

function hear(call: Call, body: JsonObject, translated: boolean, desk: Desk): Answer | Failure {
  const { file } = body;
  if (!(file instanceof File))
    return invalidRequest("Missing required parameter: 'file'.", "file", "missing_required_parameter");
  const failure = wrongFile(file) ?? wrongFormat(call, body);
  if (failure) return failure;
  const seconds = Math.max(0.1, Math.round((file.size / BYTES_PER_SECOND) * 100) / 100);
  const audioTokens = Math.ceil(seconds * TOKENS_PER_SECOND);
  const textTokens = typeof body.prompt === "string" ? desk.counter.count(body.prompt) : 0;
  const refused = desk.admit(call, audioTokens + textTokens);
  if (refused) return refused;
  const text = `This is ${speaker(call)}. You sent “${file.name}” of ${file.size} bytes${translated ? " to translate" : ""}.`;
  const usage: Usage = {
    promptTokens: audioTokens + textTokens,
    cachedTokens: 0,
    completionTokens: desk.counter.count(text),
    reasoningTokens: 0,
  };
  return transcript(call, body, { text, seconds, textTokens, usage, translated }, desk);
}

interface Heard {
  readonly text: string;
  readonly seconds: number;
  readonly textTokens: number;
  readonly usage: Usage;
  readonly translated: boolean;
}

function transcript(call: Call, body: JsonObject, heard: Heard, desk: Desk): Answer {
  const { text, seconds, usage, translated } = heard;
  const counted = isWhisper(call) ? { type: "duration", seconds: Math.ceil(seconds) } : tokenUsage(heard);
  if (isTrue(body.stream) && !isWhisper(call)) {
    const logprobs = Array.isArray(body.include) && body.include.includes("logprobs");
    return { kind: "stream", events: transcriptEvents(text, counted, logprobs, desk.counter), usage };
  }
  const segments = spokenSegments(text, seconds);
  switch (body.response_format) {
    case "text":
      return plain(`${text}\n`, usage);
    case "srt":
    case "vtt":
      return plain(subtitles(segments, body.response_format), usage);
    case "verbose_json": {
      const words = Array.isArray(body.timestamp_granularities) && body.timestamp_granularities.includes("word");
      return json(verbose(text, seconds, segments, words, translated ? undefined : counted), usage);
    }
    case "diarized_json":
      return json(diarized(text, seconds, segments, counted), usage);
    default:
      return json(translated ? { text } : { text, usage: counted }, usage);
  }
}

function tokenUsage({ usage, textTokens }: Heard): object {
  return {
    type: "tokens",
    input_tokens: usage.promptTokens,
    input_token_details: { text_tokens: textTokens, audio_tokens: usage.promptTokens - textTokens },
    output_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}

function plain(text: string, usage: Usage): Answer {
  return { kind: "bytes", body: Buffer.from(text), contentType: "text/plain; charset=utf-8", usage };
}

function wrongFile(file: File): Failure | undefined {
  const type = file.name.toLowerCase().split(".").at(-1) ?? "";
  if (!FILE_TYPES.includes(type)) {
    const known = FILE_TYPES.map((name) => `'${name}'`).join(", ");
    return invalidRequest(`Invalid file format. Supported formats: [${known}]`, "file");
  }
  if (file.size === 0)
    return invalidRequest("Audio file is too short. Minimum audio length is 0.1 seconds.", "file", "audio_too_short");
  return file.size > MOST_BYTES
    ? invalidRequest(`Maximum content size limit (${MOST_BYTES}) exceeded (${file.size} bytes read)`, "file")
    : undefined;
}

function wrongFormat(call: Call, body: JsonObject): Failure | undefined {
  const { response_format: format } = body;
  if (format === undefined) return undefined;
  const name = call.serving?.model.name ?? "";
  const known = isWhisper(call) ? WHISPER_FORMATS : name.endsWith("diarize") ? DIARIZE_FORMATS : FORMATS;
  if (known.includes(String(format))) return undefined;
  if (![...WHISPER_FORMATS, "diarized_json"].includes(String(format)))
    return invalidChoice("response_format", format, known);
  return invalidRequest(
    `response_format '${String(format)}' is not compatible with model '${name}'. Use 'json' or 'text' instead.`,
    "response_format",
    "unsupported_value",
  );
}
