/** How does a simulated model answer POST responses, and what does it keep of it? */

import type { Answer, Call, Usage } from "../call.ts";
import { type Failure, invalidRequest, openaiError, unsupportedParameter } from "../errors.ts";
import { newHexId, newId } from "../ids.ts";
import { kindOf } from "../parameters.ts";
import { replyText, valueFor } from "../reply.ts";
import { isObject, textOf } from "./chat-request.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";
import { responseEvents } from "./responses-stream.ts";

const TOKENS_PER_ITEM = 3;
const REASONING_TOKENS = 64;

// biome-ignore format: a list of names
const ON_BOTH = [
  "background", "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
  "parallel_tool_calls", "previous_response_id", "prompt", "reasoning", "service_tier", "store", "stream", "temperature",
  "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
];
// biome-ignore format: a list of names
const ON_OPENAI = [
  "context_management", "conversation", "moderation", "prompt_cache_key", "prompt_cache_options",
  "prompt_cache_retention", "safety_identifier", "stream_options",
];
const KNOWN = { azure: new Set(ON_BOTH), openai: new Set([...ON_BOTH, ...ON_OPENAI]) };

const COMMON = {
  onOpenai: true,
  onAzure: { dated: "root", since: "2025-03-01-preview", v1: true },
  azureNames: { operation: "Responses_Create", action: "responses" },
} as const satisfies Partial<Operation>;

export const createResponse: Operation = {
  ...COMMON,
  name: "responses",
  method: "POST",
  path: "responses",
  body: "json",
  kinds: ["chat", "reasoning"],
  run: create,
};

export const getResponse: Operation = {
  ...COMMON,
  name: "responses.retrieve",
  method: "GET",
  path: "responses/{id}",
  body: "none",
  run: (call, _body, desk) => {
    const stored = desk.shelf.responses.get(call.target.id ?? "");
    return stored ? { kind: "json", body: JSON.stringify(stored) } : notFound(call.target.id);
  },
};

export const deleteResponse: Operation = {
  ...COMMON,
  name: "responses.delete",
  method: "DELETE",
  path: "responses/{id}",
  body: "none",
  run: (call, _body, desk) => {
    const id = call.target.id ?? "";
    if (!desk.shelf.responses.delete(id)) return notFound(id);
    return { kind: "json", body: JSON.stringify({ id, object: "response", deleted: true }) };
  },
};

function notFound(id: string | undefined): Failure {
  return openaiError(404, `Response with id '${id ?? ""}' not found.`);
}

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const failure = wrongIn(call, body, desk);
  if (failure) return failure;
  const items = itemsOf(body.input);
  const prompt = textOf(items.findLast((item) => item.role === "user")?.content);
  const promptTokens = promptTokensOf(items, body, desk);
  const limit = call.serving?.model.contextTokens ?? 0;
  if (promptTokens > limit) {
    const message = "Your input exceeds the context window of this model. Please adjust your input and try again.";
    return invalidRequest(message, "input", "context_length_exceeded");
  }
  const refused = desk.admit(
    call,
    promptTokens + (typeof body.max_output_tokens === "number" ? body.max_output_tokens : 0),
  );
  if (refused) return refused;
  const { response, usage, pieces } = compose(call, body, { prompt, promptTokens }, desk);
  if (body.store !== false) desk.shelf.putResponse(response.id, response);
  if (body.stream === true) return { kind: "stream", events: responseEvents(response, pieces), usage };
  return { kind: "json", body: JSON.stringify(response), usage };
}

function wrongIn(call: Call, body: JsonObject, desk: Desk): Failure | undefined {
  const unknown = Object.keys(body).find((name) => !KNOWN[call.provider].has(name));
  if (unknown !== undefined) return invalidRequest(`Unknown parameter: '${unknown}'.`, unknown, "unknown_parameter");
  const { input, previous_response_id: previous } = body;
  if (input === undefined)
    return invalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  if (typeof input !== "string" && !Array.isArray(input)) {
    return invalidRequest(
      `Invalid type for 'input': expected a string or an array, but got ${kindOf(input)} instead.`,
      "input",
      "invalid_type",
    );
  }
  if (typeof previous === "string" && !desk.shelf.responses.has(previous)) {
    return invalidRequest(
      `Previous response with id '${previous}' not found.`,
      "previous_response_id",
      "previous_response_not_found",
    );
  }
  if (call.serving?.model.kind !== "reasoning") return undefined;
  const refused = ["temperature", "top_p"].find(
    (name) => body[name] !== undefined && body[name] !== null && body[name] !== 1,
  );
  return refused === undefined ? undefined : unsupportedParameter(refused);
}

function itemsOf(input: unknown): readonly JsonObject[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  return Array.isArray(input) ? input.filter(isObject) : [];
}

function promptTokensOf(items: readonly JsonObject[], body: JsonObject, desk: Desk): number {
  const said = items.map((item) => TOKENS_PER_ITEM + desk.counter.count(textOf(item.content)));
  const instructions =
    typeof body.instructions === "string" ? TOKENS_PER_ITEM + desk.counter.count(body.instructions) : 0;
  const tools = Array.isArray(body.tools) && body.tools.length > 0 ? desk.counter.count(JSON.stringify(body.tools)) : 0;
  return said.reduce((sum, tokens) => sum + tokens, TOKENS_PER_ITEM + instructions + tools);
}

/** A response object as the API returns it; only what the simulator itself reads is typed. */
export interface ResponseBody {
  readonly id: string;
  readonly output: readonly { readonly id: string; readonly type: string }[];
  readonly [field: string]: unknown;
}

export type Piece = { readonly text: string; readonly tokens: number };

function compose(
  call: Call,
  body: JsonObject,
  sizes: { prompt: string; promptTokens: number },
  desk: Desk,
): { response: ResponseBody; usage: Usage; pieces: readonly Piece[] } {
  const tool = forcedTool(body);
  const text = tool ? JSON.stringify(valueFor(tool.parameters, sizes.prompt)) : replyText(call, sizes.prompt, 0, 0);
  const reasoningTokens = call.serving?.model.kind === "reasoning" ? REASONING_TOKENS : 0;
  const room =
    typeof body.max_output_tokens === "number" ? body.max_output_tokens - reasoningTokens : Number.POSITIVE_INFINITY;
  const all = desk.counter.split(text);
  const pieces = all.slice(0, Math.max(0, room));
  const written = pieces.reduce((sum, piece) => sum + piece.tokens, 0);
  const usage = {
    promptTokens: sizes.promptTokens,
    cachedTokens: 0,
    completionTokens: written + reasoningTokens,
    reasoningTokens,
  };
  const output = tool ? [toolItem(tool.name, text)] : [messageItem(pieces.map((piece) => piece.text).join(""))];
  const whole = pieces.length === all.length;
  return { response: responseBody(call, body, output, usage, whole), usage, pieces };
}

function forcedTool(body: JsonObject): { name: string; parameters: unknown } | undefined {
  const tools = Array.isArray(body.tools) ? body.tools.filter(isObject).filter((tool) => tool.type === "function") : [];
  const wanted = isObject(body.tool_choice) ? body.tool_choice.name : undefined;
  const chosen = body.tool_choice === "required" ? tools[0] : tools.find((tool) => tool.name === wanted);
  return typeof chosen?.name === "string" ? { name: chosen.name, parameters: chosen.parameters } : undefined;
}

function messageItem(text: string) {
  const content = [{ type: "output_text", annotations: [], logprobs: [], text }];
  return { id: newHexId("msg_"), type: "message", status: "completed", role: "assistant", content };
}

function toolItem(name: string, text: string) {
  return {
    id: newHexId("fc_"),
    type: "function_call",
    status: "completed",
    call_id: newId("call_"),
    name,
    arguments: text,
  };
}

function responseBody(
  call: Call,
  body: JsonObject,
  output: ResponseBody["output"],
  usage: Usage,
  whole: boolean,
): ResponseBody {
  const now = Math.floor(Date.now() / 1000);
  return {
    id: newHexId("resp_"),
    object: "response",
    created_at: now,
    status: whole ? "completed" : "incomplete",
    ...(whole && { completed_at: now }),
    background: false,
    error: null,
    incomplete_details: whole ? null : { reason: "max_output_tokens" },
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: call.serving?.snapshot,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: null, summary: null },
    service_tier: "default",
    store: body.store !== false,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? "disabled",
    usage: usageBody(usage),
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}

function usageBody(usage: Usage): object {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}
