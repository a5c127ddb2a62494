/** How does a simulated model speak in a chat, and what said aloud does it know later? Its sound is silence. */

import type { StreamEvent } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import { newHexId } from "../ids.ts";
import type { Shelf } from "../shelf.ts";
import type { TokenCounter } from "../tokens.ts";
import { isObject } from "./chat-request.ts";
import type { Choice } from "./completion.ts";
import { invalidChoice } from "./image-shape.ts";
import { type JsonObject, now } from "./operation.ts";

const FORMATS = ["wav", "aac", "mp3", "flac", "opus", "pcm16"];
const STREAM_FORMAT = "pcm16";
const BYTES_PER_CHARACTER = 60;
const EVENT_BYTES = 3_072;
/** Seconds for which what was said can be named. */
const LIFETIME = 3_600;

/** What a model said aloud in a chat. */
export interface Spoken {
  readonly id: string;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** What is wrong with how sound is asked for. */
export function audioFailure({ modalities, audio, stream }: JsonObject): Failure | undefined {
  if (!Array.isArray(modalities) || !modalities.includes("audio")) return undefined;
  if (!isObject(audio)) {
    return invalidRequest("Missing required parameter: 'audio'.", "audio", "missing_required_parameter");
  }
  for (const name of ["voice", "format"]) {
    if (audio[name] !== undefined) continue;
    const param = `audio.${name}`;
    return invalidRequest(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");
  }
  const { format } = audio;
  if (!FORMATS.includes(String(format))) return invalidChoice("audio.format", format, FORMATS);
  if (stream !== true || format === STREAM_FORMAT) return undefined;
  return openaiError(
    400,
    `Unsupported value: 'audio.format' does not support '${format}' when stream=true. Supported values are: '${STREAM_FORMAT}'.`,
    { param: "audio.format", code: "unsupported_value" },
  );
}

/** The first thing said aloud in the messages that this owner's models never said: as seen in public reports. */
export function missingAudio(messages: readonly JsonObject[], shelf: Shelf): Failure | undefined {
  for (const [at, { audio }] of messages.entries()) {
    const id = isObject(audio) ? audio.id : undefined;
    if (typeof id !== "string" || shelf.spoken.has(id)) continue;
    return invalidRequest(`Assistant audio ${id} not found.`, `content.messages[${at}].audio.id`, "audio_not_found");
  }
  return undefined;
}

/** The choice said aloud, where that is asked for; tools are called in silence. */
export function aloud(choice: Choice, { modalities }: JsonObject, shelf: Shelf): Choice {
  if (choice.toolCalls || !Array.isArray(modalities) || !modalities.includes("audio")) return choice;
  const spoken = { id: newHexId("audio_"), expiresAt: now() + LIFETIME };
  shelf.spoken.put(spoken.id, spoken);
  return { ...choice, spoken };
}

/** `audio` of a whole message. */
export function audioBody({ text }: Choice, { id, expiresAt }: Spoken): object {
  return { id, data: soundOf(text).toString("base64"), expires_at: expiresAt, transcript: text };
}

/** Of a stream: the words, the sound, and until when both can be named. `chunk` writes a delta. */
export function* audioEvents(
  { text }: Choice,
  { id, expiresAt }: Spoken,
  counter: TokenCounter,
  chunk: (delta: object) => string,
): Iterable<StreamEvent> {
  for (const piece of counter.split(text)) {
    yield { kind: "content", data: chunk({ audio: { id, transcript: piece.text } }), tokens: piece.tokens };
  }
  const sound = soundOf(text);
  for (let at = 0; at < sound.length; at += EVENT_BYTES) {
    const data = sound.toString("base64", at, at + EVENT_BYTES);
    yield { kind: "content", data: chunk({ audio: { id, data } }) };
  }
  yield { kind: "content", data: chunk({ audio: { id, expires_at: expiresAt } }) };
}

function soundOf(text: string): Buffer {
  return Buffer.alloc(text.length * BYTES_PER_CHARACTER);
}
