/** What does a Responses request ask for, and is it one at all? */

import type { Call } from "../call.ts";
import { type Failure, invalidRequest, unsupportedParameter } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { kindOf } from "../parameters.ts";
import { isObject, textOf } from "./chat-request.ts";
import type { Desk, JsonObject } from "./operation.ts";
import { missingReference } from "./references.ts";
import type { OutputItem } from "./response-shape.ts";

const TOKENS_PER_ITEM = 3;
/** A low-detail image, or a page of a file. */
const TOKENS_PER_ATTACHMENT = 85;

// biome-ignore format: a list of names
const ON_BOTH = [
  "background", "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
  "parallel_tool_calls", "previous_response_id", "prompt", "reasoning", "store", "stream", "temperature", "text",
  "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
];
/** Documented for Azure's v1 in 2026 though its published specification does not have them yet. */
const ON_OPENAI_AND_V1 = ["prompt_cache_key", "prompt_cache_retention", "service_tier"];
// biome-ignore format: a list of names
const ON_OPENAI = [
  "context_management", "conversation", "moderation", "prompt_cache_options", "safety_identifier", "stream_options",
];
const KNOWN = {
  azureDated: new Set(ON_BOTH),
  azureV1: new Set([...ON_BOTH, ...ON_OPENAI_AND_V1]),
  openai: new Set([...ON_BOTH, ...ON_OPENAI_AND_V1, ...ON_OPENAI]),
};

const INCLUDABLE = [
  "file_search_call.results",
  "web_search_call.results",
  "web_search_call.action.sources",
  "message.input_image.image_url",
  "computer_call_output.output.image_url",
  "code_interpreter_call.outputs",
  "reasoning.encrypted_content",
  "message.output_text.logprobs",
];

/** The first thing wrong with a request to create a response. */
export function responseFailure(call: Call, body: JsonObject, desk: Desk): Failure | undefined {
  return (
    unknownName(call, body) ??
    inputFailure(body) ??
    includeFailure(body.include) ??
    modeFailure(body) ??
    missingReference(call, body, desk.shelf) ??
    imageToolFailure(call, body, desk) ??
    refusedByModel(call, body)
  );
}

function unknownName(call: Call, body: JsonObject): Failure | undefined {
  const azure = call.target.apiVersion === undefined ? "azureV1" : "azureDated";
  const known = KNOWN[call.provider === "azure" ? azure : "openai"];
  const unknown = Object.keys(body).find((name) => !known.has(name));
  return unknown === undefined
    ? undefined
    : invalidRequest(`Unknown parameter: '${unknown}'.`, unknown, "unknown_parameter");
}

function inputFailure(body: JsonObject): Failure | undefined {
  const { input } = body;
  if (input === undefined) {
    // A stored prompt or an earlier state may be all there is to go on.
    return body.prompt !== undefined || body.conversation !== undefined || body.previous_response_id !== undefined
      ? undefined
      : invalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  }
  return wrongInput(input);
}

export function wrongInput(input: unknown): Failure | undefined {
  if (typeof input === "string" || Array.isArray(input)) return undefined;
  return invalidRequest(
    `Invalid type for 'input': expected a string or an array, but got ${kindOf(input)} instead.`,
    "input",
    "invalid_type",
  );
}

function includeFailure(include: unknown): Failure | undefined {
  if (!Array.isArray(include)) return undefined;
  const at = include.findIndex((name) => !INCLUDABLE.includes(name));
  if (at < 0) return undefined;
  const known = INCLUDABLE.map((name) => `'${name}'`).join(", ");
  return invalidRequest(
    `Invalid value: '${String(include[at])}'. Supported values are: ${known}.`,
    `include[${at}]`,
    "invalid_value",
  );
}

function modeFailure(body: JsonObject): Failure | undefined {
  if (body.background === true && body.store === false) {
    return invalidRequest("Background mode requires 'store' to be true.", "background", "invalid_value");
  }
  if (body.conversation && body.previous_response_id) {
    return invalidRequest(
      "Mutually exclusive parameters: ['conversation', 'previous_response_id']. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.",
      null,
      "mutually_exclusive_parameters",
    );
  }
  return undefined;
}

/** Azure draws with another deployment, which a header names. */
function imageToolFailure(call: Call, body: JsonObject, desk: Desk): Failure | undefined {
  if (call.provider !== "azure" || !toolsOfType(body, "image_generation")[0]) return undefined;
  const name = call.request.headers["x-ms-oai-image-generation-deployment"];
  if (desk.settings.deployments.some((deployment) => deployment.name === name)) return undefined;
  return invalidRequest(
    "The image generation tool requires the header 'x-ms-oai-image-generation-deployment' with the name of an image generation deployment.",
    "tools",
  );
}

function refusedByModel(call: Call, body: JsonObject): Failure | undefined {
  if (call.serving?.model.kind !== "reasoning") return undefined;
  const refused = ["temperature", "top_p"].find(
    (name) => body[name] !== undefined && body[name] !== null && body[name] !== 1,
  );
  return refused === undefined ? undefined : unsupportedParameter(refused);
}

export function toolsOfType(body: JsonObject, type: string): readonly JsonObject[] {
  return Array.isArray(body.tools) ? body.tools.filter(isObject).filter((tool) => tool.type === type) : [];
}

/** The input as items of a conversation, each with an id. */
export function inputItems(input: unknown): readonly OutputItem[] {
  if (typeof input === "string") return [messageItem({ role: "user", content: input })];
  if (!Array.isArray(input)) return [];
  return input.filter(isObject).map(keptItem);
}

const ID_PREFIXES: Readonly<Record<string, string>> = {
  function_call: "fc_",
  function_call_output: "fco_",
  reasoning: "rs_",
  item_reference: "",
};

export function keptItem(item: JsonObject): OutputItem {
  if (item.type === undefined || item.type === "message") return messageItem(item);
  const type = String(item.type);
  const id = typeof item.id === "string" ? item.id : newHexId(ID_PREFIXES[type] ?? "item_");
  return { status: "completed", ...item, id, type };
}

function messageItem(item: JsonObject): OutputItem {
  const text =
    item.role === "assistant"
      ? { type: "output_text", text: item.content, annotations: [], logprobs: [] }
      : { type: "input_text", text: item.content };
  const content = typeof item.content === "string" ? [text] : item.content;
  const id = typeof item.id === "string" ? item.id : newHexId("msg_");
  return { id, type: "message", status: "completed", role: item.role, content };
}

export function responsePromptTokens(items: readonly JsonObject[], body: JsonObject, desk: Desk): number {
  const said = items.map((item) => TOKENS_PER_ITEM + itemTokens(item, desk));
  const instructions =
    typeof body.instructions === "string" ? TOKENS_PER_ITEM + desk.counter.count(body.instructions) : 0;
  const tools = Array.isArray(body.tools) && body.tools.length > 0 ? desk.counter.count(JSON.stringify(body.tools)) : 0;
  return said.reduce((sum, tokens) => sum + tokens, TOKENS_PER_ITEM + instructions + tools);
}

function itemTokens(item: JsonObject, desk: Desk): number {
  if (typeof item.output === "string") return desk.counter.count(item.output);
  const attached = Array.isArray(item.content)
    ? item.content.filter((part: unknown) => isObject(part) && /^input_(image|file)$/.test(String(part.type))).length
    : 0;
  return desk.counter.count(textOf(item.content)) + attached * TOKENS_PER_ATTACHMENT;
}
