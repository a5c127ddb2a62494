/** What does a chat request ask for, and is it one at all? */

import type { Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { badNumber, kindOf, unknownParameter, unsupportedByModel } from "../parameters.ts";
import type { TokenCounter } from "../tokens.ts";
import type { JsonObject } from "./operation.ts";

/** Both vendors: messages in a request, and tools. */
const MOST_MESSAGES = 2_048;
const MOST_TOOLS = 128;
const MOST_STOPS = 4;

/** The chat format's own tokens: three around each message, one for a name, three before the reply. */
const TOKENS_PER_MESSAGE = 3;
const TOKENS_PER_NAME = 1;
const TOKENS_BEFORE_REPLY = 3;
/** A low-detail image. */
const TOKENS_PER_IMAGE = 85;

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"];

/** The first thing wrong with the request, in the order in which the providers look. */
export function chatFailure(call: Call, body: JsonObject): Failure | undefined {
  return (
    unknownParameter(call, body) ??
    messagesFailure(body.messages) ??
    unsupportedByModel(call, body) ??
    badNumber(body) ??
    shapeFailure(body) ??
    toolsFailure(body)
  );
}

function messagesFailure(messages: unknown): Failure | undefined {
  if (messages === undefined)
    return invalidRequest("Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
  if (!Array.isArray(messages)) {
    return invalidRequest(
      `Invalid type for 'messages': expected an array of objects, but got ${kindOf(messages)} instead.`,
      "messages",
      "invalid_type",
    );
  }
  if (messages.length === 0) {
    return invalidRequest(
      "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
      "messages",
      "empty_array",
    );
  }
  if (messages.length > MOST_MESSAGES) {
    return invalidRequest(
      `Invalid 'messages': array too long. Expected an array with maximum length ${MOST_MESSAGES}, but got an array with length ${messages.length} instead.`,
      "messages",
      "array_above_max_length",
    );
  }
  for (const [at, message] of messages.entries()) {
    const failure = messageFailure(message, `messages[${at}]`);
    if (failure) return failure;
  }
  return undefined;
}

function messageFailure(message: unknown, name: string): Failure | undefined {
  if (!isObject(message))
    return invalidRequest(
      `Invalid type for '${name}': expected an object, but got ${kindOf(message)} instead.`,
      name,
      "invalid_type",
    );
  const { role, content } = message;
  if (role === undefined)
    return invalidRequest(`Missing required parameter: '${name}.role'.`, `${name}.role`, "missing_required_parameter");
  if (typeof role !== "string" || !ROLES.includes(role)) {
    return invalidRequest(
      `Invalid value: '${String(role)}'. Supported values are: ${ROLES.map((known) => `'${known}'`).join(", ")}.`,
      `${name}.role`,
      "invalid_value",
    );
  }
  if (content === undefined || content === null) {
    const mayBeEmpty =
      role === "assistant" &&
      (message.tool_calls !== undefined || message.function_call !== undefined || isObject(message.audio));
    return mayBeEmpty || role === "function"
      ? undefined
      : invalidRequest(`Invalid value for 'content': expected a string, got null.`, `${name}.content`);
  }
  if (typeof content === "string" || Array.isArray(content)) return undefined;
  return invalidRequest(
    `Invalid type for '${name}.content': expected one of a string or array of objects, but got ${kindOf(content)} instead.`,
    `${name}.content`,
    "invalid_type",
  );
}

function shapeFailure(body: JsonObject): Failure | undefined {
  const { stream, stream_options: options, logprobs, top_logprobs: top, response_format: format, stop } = body;
  if (stream !== undefined && stream !== null && typeof stream !== "boolean") {
    return invalidRequest(
      `Invalid type for 'stream': expected a boolean, but got ${kindOf(stream)} instead.`,
      "stream",
      "invalid_type",
    );
  }
  if (options !== undefined && options !== null && stream !== true) {
    return invalidRequest("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options");
  }
  if (typeof top === "number" && logprobs !== true) {
    return invalidRequest("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs");
  }
  if (Array.isArray(stop) && stop.length > MOST_STOPS) {
    return invalidRequest(
      `Invalid 'stop': array too long. Expected an array with maximum length ${MOST_STOPS}, but got an array with length ${stop.length} instead.`,
      "stop",
      "array_above_max_length",
    );
  }
  if (isObject(format) && format.type === "json_object" && !/json/i.test(JSON.stringify(body.messages))) {
    return invalidRequest(
      "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
      "messages",
    );
  }
  if (isObject(format) && format.type === "json_schema" && !isObject(format.json_schema)) {
    return invalidRequest(
      "Missing required parameter: 'response_format.json_schema'.",
      "response_format.json_schema",
      "missing_required_parameter",
    );
  }
  return undefined;
}

function toolsFailure(body: JsonObject): Failure | undefined {
  const { tools, tool_choice: choice } = body;
  if (tools === undefined || tools === null) {
    return choice === undefined || choice === null || choice === "none"
      ? undefined
      : invalidRequest("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice");
  }
  if (!Array.isArray(tools))
    return invalidRequest(
      `Invalid type for 'tools': expected an array of objects, but got ${kindOf(tools)} instead.`,
      "tools",
      "invalid_type",
    );
  if (tools.length > MOST_TOOLS) {
    return invalidRequest(
      `Invalid 'tools': array too long. Expected an array with maximum length ${MOST_TOOLS}, but got an array with length ${tools.length} instead.`,
      "tools",
      "array_above_max_length",
    );
  }
  const wanted = chosenTool(choice);
  if (wanted !== undefined && !toolsOf(body).some((tool) => tool.name === wanted)) {
    return invalidRequest(`Tool choice '${wanted}' not found in 'tools' parameter.`, "tool_choice");
  }
  return undefined;
}

export interface ToolFunction {
  readonly name: string;
  readonly parameters: unknown;
}

export function toolsOf(body: JsonObject): ToolFunction[] {
  if (!Array.isArray(body.tools)) return [];
  return body.tools.flatMap((tool: unknown) => {
    const named = isObject(tool) && isObject(tool.function) ? tool.function : undefined;
    return typeof named?.name === "string" ? [{ name: named.name, parameters: named.parameters }] : [];
  });
}

/** The function that `tool_choice` names, if it names one. */
export function chosenTool(choice: unknown): string | undefined {
  const named = isObject(choice) && isObject(choice.function) ? choice.function.name : undefined;
  return typeof named === "string" ? named : undefined;
}

export function messagesOf(body: JsonObject): readonly JsonObject[] {
  return body.messages as readonly JsonObject[];
}

/** What the last user message says. */
export function lastUserText(messages: readonly JsonObject[]): string {
  const last = messages.findLast((message) => message.role === "user");
  return last ? textOf(last.content) : "";
}

export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => (isObject(part) && typeof part.text === "string" ? part.text : "")).join("");
}

/** Tokens of each message; with `TOKENS_BEFORE_REPLY` they make the prompt. */
export function messageTokens(messages: readonly JsonObject[], counter: TokenCounter): number[] {
  return messages.map((message) => {
    const images = Array.isArray(message.content)
      ? message.content.filter((part: unknown) => isObject(part) && part.type === "image_url").length
      : 0;
    const calls = message.tool_calls === undefined ? 0 : counter.count(JSON.stringify(message.tool_calls));
    const name = typeof message.name === "string" ? counter.count(message.name) + TOKENS_PER_NAME : 0;
    const said = counter.count(textOf(message.content)) + counter.count(String(message.role));
    return TOKENS_PER_MESSAGE + said + name + calls + images * TOKENS_PER_IMAGE;
  });
}

export function promptTokensOf(counts: readonly number[], body: JsonObject, counter: TokenCounter): number {
  const tools = Array.isArray(body.tools) && body.tools.length > 0 ? counter.count(JSON.stringify(body.tools)) : 0;
  return counts.reduce((sum, count) => sum + count, TOKENS_BEFORE_REPLY + tools);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
