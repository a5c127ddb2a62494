/**
 * What does an event of this type say about its stream?
 *
 * Responses (`response.*`), images (`image_generation.*`, `image_edit.*`), transcripts (`transcript.text.*`) and speech
 * (`speech.audio.*`), by the OpenAPI document of 2026-08. Unknown types say nothing and pass.
 */
import { stands } from "../json-bytes.ts";

export interface EventKind {
  /** The last event of its stream; of several images, each has one. */
  readonly terminal?: true;
  /** Something the caller waits for: it ends the wait for the first token. */
  readonly content?: true;
  /** An error, passed on as it came. */
  readonly failure?: true;
  /** The answer ended early, and says why. */
  readonly incomplete?: true;
  /** Carries the whole response, an item, a part or an annotation, and so ids of things at the provider. */
  readonly ids?: true;
  /** Each event has a usage of its own. */
  readonly adds?: true;
}

const IMAGE_DONE: EventKind = { terminal: true, content: true, adds: true };

const KINDS: ReadonlyMap<string, EventKind> = new Map<string, EventKind>([
  ["response.created", { ids: true }],
  ["response.queued", { ids: true }],
  ["response.in_progress", { ids: true }],
  ["response.completed", { ids: true, terminal: true }],
  ["response.incomplete", { ids: true, terminal: true, incomplete: true }],
  ["response.failed", { ids: true, failure: true }],
  ["response.output_item.added", { ids: true }],
  ["response.output_item.done", { ids: true }],
  ["response.content_part.added", { ids: true }],
  ["response.content_part.done", { ids: true }],
  ["response.output_text.annotation.added", { ids: true }],
  // Azure's dated forms have the whole call in them.
  ["response.code_interpreter_call.in_progress", { ids: true }],
  ["response.code_interpreter_call.interpreting", { ids: true }],
  ["response.code_interpreter_call.completed", { ids: true }],
  ["response.image_generation_call.partial_image", { content: true }],
  ["image_generation.partial_image", { content: true }],
  ["image_generation.completed", IMAGE_DONE],
  ["image_edit.partial_image", { content: true }],
  ["image_edit.completed", IMAGE_DONE],
  ["transcript.text.segment", { content: true }],
  ["transcript.text.done", { terminal: true, content: true }],
  ["speech.audio.done", { terminal: true }],
  ["error", { failure: true }],
]);

const NO_KIND: EventKind = {};

/** Azure's older names end in `_delta` (`response.mcp_call.arguments_delta`). */
const DELTA = Buffer.from("delta");
const AUDIO_DELTA = Buffer.from("audio.delta");
const REFUSAL_DELTA = Buffer.from("refusal.delta");
const TEXT_DELTA = Buffer.from("output_text.delta");
const ARGUMENTS_DELTA = Buffer.from("function_call_arguments.delta");

/** Most events are these: told by their last letters, without a string made. */
export function isDelta(data: Buffer, start: number, end: number): boolean {
  return end - start > DELTA.length && stands(data, end - DELTA.length, DELTA);
}

/** What a delta is of. */
export type DeltaContent = "text" | "arguments" | "refusal" | "sound" | "other";

export function contentOf(data: Buffer, start: number, end: number): DeltaContent {
  if (endsWith(data, start, end, TEXT_DELTA)) return "text";
  if (endsWith(data, start, end, ARGUMENTS_DELTA)) return "arguments";
  if (endsWith(data, start, end, AUDIO_DELTA)) return "sound";
  return endsWith(data, start, end, REFUSAL_DELTA) ? "refusal" : "other";
}

function endsWith(data: Buffer, start: number, end: number, word: Buffer): boolean {
  return end - start >= word.length && stands(data, end - word.length, word);
}

/** `max_output_tokens` or `content_filter`. Undefined when the event does not say. */
export function incompleteBecause(json: string): string | undefined {
  const event = JSON.parse(json) as { response?: { incomplete_details?: { reason?: unknown } | null } | null } | null;
  const reason = event?.response?.incomplete_details?.reason;
  return typeof reason === "string" ? reason : undefined;
}

export function kindOf(type: string): EventKind {
  return KINDS.get(type) ?? NO_KIND;
}
