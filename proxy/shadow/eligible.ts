/**
 * May this request be asked a second time, elsewhere, without anybody noticing?
 *
 * Not when it makes or names something that a provider keeps, runs on after its answer, or has a provider's tools act.
 */
import type { Shadow } from "../../routing/table.ts";
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import type { Expected } from "./compare.ts";
import { formatIn } from "./fits-format.ts";

/** Fields that are read of bodies where some route has a shadow. */
export const SHADOW_FIELDS: readonly string[] = [
  "audio",
  "background",
  "container",
  "conversation",
  "function_call",
  "functions",
  "modalities",
  "previous_response_id",
  "prompt",
  "response_format",
  "seed",
  "temperature",
  "text",
  "tools",
  "web_search_options",
];

/** Whose answers can be compared. */
const OPERATIONS = new Set(["chat/completions", "completions", "responses", "embeddings"]);
/** Any value but an idle one keeps a request from being copied. */
const STATEFUL = ["background", "conversation", "previous_response_id", "container"];
const TOOLS = ["tools", "functions", "web_search_options", "data_sources"];
/** Sound cannot be compared, and costs much. */
const MEDIA = ["audio", "modalities"];
/** Items that only the provider understands that made them. */
const REFERENCES = ["item_reference", "encrypted_content"];
/** Of a value that may be idle, or of a number. */
const LONGEST_SCALAR_BYTES = 64;
/** Longer bodies are not copied: nothing of them would be compared that is worth their bytes. */
export const LARGEST_COPIED_BODY_BYTES = 1024 * 1024;
/** A larger schema is not read: the answer only has to be JSON then. */
const LARGEST_FORMAT_BYTES = 64 * 1024;

export function isEligible(context: RequestContext, shadow: Shadow): boolean {
  const { operation, body, form, batch, ids, stored } = context;
  if (operation?.handling !== "inference" || !OPERATIONS.has(operation.name)) return false;
  if (!body || body.rest || form || batch || stored || body.scan.length > LARGEST_COPIED_BODY_BYTES) return false;
  if (ids && (ids.home !== undefined || ids.edits.length > 0 || ids.foreign.length > 0)) return false;
  if (STATEFUL.some((field) => isUsed(context, field)) || MEDIA.some((field) => isUsed(context, field))) return false;
  // A prompt that the provider keeps; of completions it is the text itself.
  if (operation.name === "responses" && isUsed(context, "prompt")) return false;
  if (shadow.tools !== "Allow" && TOOLS.some((field) => isUsed(context, field))) return false;
  return !(operation.name === "responses" && REFERENCES.some((word) => holds(context, word)));
}

/** Absent, null, false and what is empty ask for nothing. */
function isUsed({ body }: RequestContext, name: string): boolean {
  const field = body?.scan.fields.get(name);
  if (!body || !field) return false;
  if (field.kind !== "nested") {
    const value = scalarOf(body.scan, field, LONGEST_SCALAR_BYTES);
    return value !== null && value !== false && value !== "";
  }
  const isShort = field.end - field.start <= LONGEST_SCALAR_BYTES;
  const text = isShort ? body.scan.slice(field.start, field.end).toString("latin1").replace(/\s/g, "") : "";
  return text !== "[]" && text !== "{}" && text !== '["text"]';
}

function holds({ body }: RequestContext, word: string): boolean {
  return body?.scan.chunks.some((chunk) => chunk.includes(word)) ?? false;
}

/** What the request says of how its answer may look. */
export function expectedOf(context: RequestContext): Expected {
  const { body, operation } = context;
  const format = operation?.name === "responses" ? nested(context, "text")?.format : nested(context, "response_format");
  const found = formatIn(format);
  const temperature = body && scalarOf(body.scan, body.scan.fields.get("temperature"), LONGEST_SCALAR_BYTES);
  const hasSeed = isUsed(context, "seed");
  return { format: found, isRepeatable: temperature === 0 || hasSeed || found !== undefined };
}

function nested({ body }: RequestContext, name: string): Readonly<Record<string, unknown>> | undefined {
  const field = body?.scan.fields.get(name);
  if (!body || field?.kind !== "nested" || field.end - field.start > LARGEST_FORMAT_BYTES) return undefined;
  try {
    return JSON.parse(body.scan.slice(field.start, field.end).toString("utf8")) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
