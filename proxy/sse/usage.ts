/** How many tokens did the provider count? */
import type { Usage } from "../exchange.ts";

interface WireDetails {
  cached_tokens?: unknown;
  reasoning_tokens?: unknown;
  audio_tokens?: unknown;
  image_tokens?: unknown;
}

/** Chat, completions and embeddings say prompt and completion; Responses, images, transcripts and speech input and output. */
interface WireUsage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  prompt_tokens_details?: WireDetails | null;
  completion_tokens_details?: WireDetails | null;
  input_tokens?: unknown;
  output_tokens?: unknown;
  input_tokens_details?: WireDetails | null;
  /** Of transcripts, so spelt. */
  input_token_details?: WireDetails | null;
  output_tokens_details?: WireDetails | null;
  /** Of a transcript that is billed by the second. */
  seconds?: unknown;
}

/**
 * From the JSON text of a `usage` object. Undefined when it counts neither tokens nor seconds. Read are numbers only, and
 * no byte of a longer character looks like JSON: each byte may stand for a letter (latin1), the cheapest decoding.
 */
export function usageOf(json: string): Usage | undefined {
  let wire: WireUsage;
  try {
    wire = JSON.parse(json) as WireUsage;
  } catch {
    return undefined;
  }
  const input = wire.prompt_tokens ?? wire.input_tokens;
  if (typeof input !== "number") return secondsOf(wire);
  const heard = wire.prompt_tokens_details ?? wire.input_tokens_details ?? wire.input_token_details;
  const said = wire.completion_tokens_details ?? wire.output_tokens_details;
  const usage: { -readonly [K in keyof Usage]: Usage[K] } = {
    input,
    cachedInput: countOf(heard?.cached_tokens),
    output: countOf(wire.completion_tokens ?? wire.output_tokens),
    reasoning: countOf(said?.reasoning_tokens),
  };
  if (typeof heard?.audio_tokens === "number") usage.audioInput = heard.audio_tokens;
  if (typeof said?.audio_tokens === "number") usage.audioOutput = said.audio_tokens;
  if (typeof heard?.image_tokens === "number") usage.imageInput = heard.image_tokens;
  if (typeof said?.image_tokens === "number") usage.imageOutput = said.image_tokens;
  return usage;
}

function secondsOf({ seconds }: WireUsage): Usage | undefined {
  return typeof seconds === "number" ? { input: 0, cachedInput: 0, output: 0, reasoning: 0, seconds } : undefined;
}

/** Of images, which have no sound. */
export function sumOf(a: Usage | undefined, b: Usage): Usage {
  if (!a) return b;
  return {
    input: a.input + b.input,
    cachedInput: a.cachedInput + b.cachedInput,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
    imageInput: (a.imageInput ?? 0) + (b.imageInput ?? 0),
    imageOutput: (a.imageOutput ?? 0) + (b.imageOutput ?? 0),
  };
}

function countOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
