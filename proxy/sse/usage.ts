/** How many tokens did the provider count? */
import type { Usage } from "../exchange.ts";

/** The end of a plain answer in which `usage` is looked for: it follows the content, and little follows it. */
export const ENDING_BYTES = 64 * 1024;
const USAGE_KEY = '"usage"';
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

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

/**
 * Usage of a plain answer, from its end: the last `"usage"` whose value is an object that counts tokens. What follows it in
 * Responses (`user`, `metadata`) may well say "usage" too, as a text.
 */
export function plainUsage(ending: string): Usage | undefined {
  for (let at = ending.lastIndexOf(USAGE_KEY); at >= 0; at = at === 0 ? -1 : ending.lastIndexOf(USAGE_KEY, at - 1)) {
    const colon = spaceEnd(ending, at + USAGE_KEY.length);
    const start = ending.charCodeAt(colon) === COLON ? spaceEnd(ending, colon + 1) : -1;
    if (start < 0 || ending.charCodeAt(start) !== OPEN_BRACE) continue;
    const usage = usageOf(ending.slice(start, objectEnd(ending, start)));
    if (usage) return usage;
  }
  return undefined;
}

/** Keeps the last chunks of a flowing answer, no more of them than its end needs. */
export function keepTail(chunks: Buffer[], chunk: Buffer): void {
  chunks.push(chunk);
  let bytes = 0;
  for (const one of chunks) bytes += one.length;
  for (let oldest = chunks[0]; oldest && bytes - oldest.length >= ENDING_BYTES; oldest = chunks[0]) {
    chunks.shift();
    bytes -= oldest.length;
  }
}

/** The end of what these chunks hold, at least `ENDING_BYTES` of it where there is so much; a letter for each byte. */
export function endingOf(chunks: readonly Buffer[]): string {
  let first = chunks.length;
  for (let bytes = 0; first > 0 && bytes < ENDING_BYTES; bytes += chunks[first]?.length ?? 0) first--;
  const tail = first === 0 ? chunks : chunks.slice(first);
  return (tail.length === 1 ? (tail[0] as Buffer) : Buffer.concat(tail)).toString("latin1");
}

function spaceEnd(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** Of JSON. */
export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function objectEnd(text: string, start: number): number {
  let depth = 0;
  let inString = false;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) inString = !inString;
    else if (inString) continue;
    else if (code === OPEN_BRACE) depth++;
    else if (code === CLOSE_BRACE && --depth === 0) return i + 1;
  }
  return text.length;
}
