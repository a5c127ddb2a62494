/** Which events make up one answer of a simulated session, in each of the two forms? */

import { newId } from "../ids.ts";
import type { JsonObject } from "../operations/operation.ts";
import type { TokenCounter } from "../tokens.ts";

export type Form = "ga" | "preview";

/** What one response used. */
export interface ResponseUsage {
  readonly textIn: number;
  readonly audioIn: number;
  readonly cached: number;
  readonly textOut: number;
  readonly audioOut: number;
}

/** Event names that changed when the preview became GA (OpenAI's realtime guide). */
const NAMES = {
  ga: {
    text: "response.output_text",
    audio: "response.output_audio",
    transcript: "response.output_audio_transcript",
    item: "conversation.item.added",
    textPart: "output_text",
    audioPart: "output_audio",
  },
  preview: {
    text: "response.text",
    audio: "response.audio",
    transcript: "response.audio_transcript",
    item: "conversation.item.created",
    textPart: "text",
    audioPart: "audio",
  },
} as const;

/** 24 kHz, 16 bit: 20 ms of silence. */
const SILENCE = Buffer.alloc(960).toString("base64");

export interface Speech {
  readonly form: Form;
  readonly text: string;
  readonly isAudio: boolean;
  readonly conversationID: string;
  readonly metadata: unknown;
}

/** The events from `response.created` to `response.done`; the last one holds the usage of all. */
export function* responseEvents(
  speech: Speech,
  counter: TokenCounter,
  used: Omit<ResponseUsage, "textOut" | "audioOut">,
): Generator<JsonObject, ResponseUsage> {
  const { form, text, isAudio, conversationID, metadata } = speech;
  const names = NAMES[form];
  const ids = { response_id: newId("resp_"), item_id: newId("item_"), output_index: 0, content_index: 0 };
  const response = {
    object: "realtime.response",
    id: ids.response_id,
    status: "in_progress",
    status_details: null,
    output: [],
    conversation_id: conversationID,
    [form === "ga" ? "output_modalities" : "modalities"]: [isAudio ? "audio" : "text"],
    max_output_tokens: "inf",
    usage: null,
    metadata: metadata ?? null,
  };
  const part = isAudio ? { type: names.audioPart, transcript: "" } : { type: names.textPart, text: "" };
  const item = { id: ids.item_id, object: "realtime.item", type: "message", status: "in_progress", role: "assistant" };
  yield { type: "response.created", response };
  yield {
    type: "response.output_item.added",
    response_id: ids.response_id,
    output_index: 0,
    item: { ...item, content: [] },
  };
  yield { type: names.item, previous_item_id: null, item: { ...item, content: [] } };
  yield { type: "response.content_part.added", ...ids, part };
  let tokens = 0;
  for (const piece of counter.split(text)) {
    tokens += piece.tokens;
    yield { type: `${isAudio ? names.transcript : names.text}.delta`, ...ids, delta: piece.text };
    if (isAudio) yield { type: `${names.audio}.delta`, ...ids, delta: SILENCE };
  }
  if (isAudio) yield { type: `${names.audio}.done`, ...ids };
  yield isAudio
    ? { type: `${names.transcript}.done`, ...ids, transcript: text }
    : { type: `${names.text}.done`, ...ids, text };
  const whole = isAudio ? { ...part, transcript: text } : { ...part, text };
  const done = { ...item, status: "completed", content: [whole] };
  yield { type: "response.content_part.done", ...ids, part: whole };
  yield { type: "response.output_item.done", response_id: ids.response_id, output_index: 0, item: done };
  const usage: ResponseUsage = { ...used, textOut: tokens, audioOut: isAudio ? tokens * 3 : 0 };
  yield {
    type: "response.done",
    response: { ...response, status: "completed", output: [done], usage: usageBody(usage) },
  };
  return usage;
}

function usageBody({ textIn, audioIn, cached, textOut, audioOut }: ResponseUsage): object {
  const [input, output] = [textIn + audioIn, textOut + audioOut];
  return {
    total_tokens: input + output,
    input_tokens: input,
    output_tokens: output,
    input_token_details: {
      text_tokens: textIn,
      audio_tokens: audioIn,
      image_tokens: 0,
      cached_tokens: cached,
      cached_tokens_details: { text_tokens: cached, audio_tokens: 0, image_tokens: 0 },
    },
    output_token_details: { text_tokens: textOut, audio_tokens: audioOut },
  };
}

/** A session's configuration as the provider tells it. */
export function sessionBody(form: Form, id: string, model: string | undefined, asked: JsonObject): JsonObject {
  const type = asked.type === "transcription" ? "transcription" : "realtime";
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const common = {
    object: `realtime.${type === "realtime" ? "session" : "transcription_session"}`,
    id,
    expires_at: expires,
  };
  if (form === "preview") {
    const audio = { input_audio_format: "pcm16", output_audio_format: "pcm16", input_audio_transcription: null };
    return {
      ...common,
      model,
      modalities: ["audio", "text"],
      voice: "alloy",
      ...audio,
      ...asked,
      ...(model && { model }),
    };
  }
  const audio = {
    input: { format: { type: "audio/pcm", rate: 24_000 }, transcription: null },
    output: { voice: "marin" },
  };
  const own = type === "realtime" ? { model, output_modalities: ["audio"], tools: [], tool_choice: "auto" } : {};
  return { ...common, type, ...own, audio, ...asked, ...(model && { model }) };
}
