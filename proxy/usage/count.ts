/**
 * How many tokens are a request and an answer, about, when the provider did not say?
 *
 * Counted in the encoding of gpt-4o and later. Costs milliseconds, so it runs on a thread of its own.
 */
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { textOf } from "../body/json-values.ts";
import { BYTES_PER_TOKEN } from "./bytes-per-token.ts";

/** Of longer texts the beginning is counted, and the rest taken to be like it. */
const COUNTED_CHARACTERS = 64 * 1024;
/** The tokenizer's time grows with the square of a text without spaces, so none gets longer than this. */
const PIECE_CHARACTERS = 1000;

/** Of a message's role and its marks. */
const TOKENS_PER_MESSAGE = 4;
/** Of a tool, and of a field of its arguments, about (OpenAI's cookbook, "How to count tokens with tiktoken"). */
const TOKENS_PER_TOOL = 7;
const TOKENS_PER_FIELD = 3;
/** Before the answer. */
const TOKENS_OF_FRAME = 3;
/** One of 1024 × 1024 in high detail (OpenAI's guide to images and vision). */
const TOKENS_PER_IMAGE = 765;

/** Top-level fields that become the prompt. */
const PROMPT_FIELDS = ["messages", "prompt", "input", "instructions"];
/** Those that describe tools and forms to the model: their names are read as well. */
const SCHEMA_FIELDS = ["tools", "functions", "response_format", "text"];
/** JSON Schema's own words and what holds a schema: the model is shown a shorter form without them. */
const SCHEMA_WORDS = new Set([
  "additionalProperties",
  "description",
  "enum",
  "format",
  "function",
  "items",
  "json_schema",
  "name",
  "parameters",
  "properties",
  "required",
  "schema",
  "strict",
  "type",
]);
/** Not text, or not read by the model. */
const NOT_TEXT = new Set([
  "call_id",
  "data",
  "detail",
  "encrypted_content",
  "file_data",
  "file_id",
  "id",
  "role",
  "status",
  "tool_call_id",
  "type",
]);
const IMAGES = new Set(["image_url", "input_image"]);
/** What looks like a token of control is a text like any other. */
const OPTIONS = { disallowedSpecial: new Set<string>() };

export function tokensOf(text: string): number {
  const counted = Math.min(text.length, COUNTED_CHARACTERS);
  if (counted === 0) return 0;
  let tokens = 0;
  for (let at = 0; at < counted; at += PIECE_CHARACTERS) {
    tokens += countTokens(text.slice(at, Math.min(at + PIECE_CHARACTERS, counted)), OPTIONS);
  }
  return Math.round((tokens * text.length) / counted);
}

/** `kept`: the beginning of the answer's text as it stood in JSON strings; `bytes`: of all of it. */
export function answerTokens(kept: Uint8Array, bytes: number): number {
  if (kept.length === 0) return Math.ceil(bytes / BYTES_PER_TOKEN);
  return Math.round((tokensOf(textOf(Buffer.from(kept).toString("utf8"))) * bytes) / kept.length);
}

/** `body`: the JSON of a request whole. */
export function requestTokens(body: Uint8Array): number {
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return Math.ceil(body.length / BYTES_PER_TOKEN);
  }
  const found: Found = { texts: [], tokens: TOKENS_OF_FRAME };
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (PROMPT_FIELDS.includes(name)) collect(value, found);
    else if (SCHEMA_FIELDS.includes(name)) collectSchema(value, found);
  }
  return found.tokens + tokensOf(found.texts.join("\n"));
}

interface Found {
  readonly texts: string[];
  tokens: number;
}

function collect(value: unknown, found: Found): void {
  if (typeof value === "string") {
    if (!value.startsWith("data:")) found.texts.push(value);
  } else if (typeof value === "number") {
    // A prompt may be a list of tokens.
    found.tokens++;
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, found);
  } else if (typeof value === "object" && value !== null) {
    if ("type" in value && IMAGES.has(String(value.type))) {
      found.tokens += TOKENS_PER_IMAGE;
      return;
    }
    if ("role" in value) found.tokens += TOKENS_PER_MESSAGE;
    for (const [key, item] of Object.entries(value)) if (!NOT_TEXT.has(key)) collect(item, found);
  }
}

/** Here a name may be anybody's, `id` and `status` too. */
function collectSchema(value: unknown, found: Found): void {
  if (typeof value === "string") found.texts.push(value);
  else if (Array.isArray(value)) for (const item of value) collectSchema(item, found);
  else if (typeof value === "object" && value !== null) {
    if ("parameters" in value) found.tokens += TOKENS_PER_TOOL;
    for (const [name, item] of Object.entries(value)) {
      if (!SCHEMA_WORDS.has(name)) {
        found.texts.push(name);
        found.tokens += TOKENS_PER_FIELD;
      }
      if (name !== "required" || !Array.isArray(item)) collectSchema(item, found);
    }
  }
}
