/** How does a simulated model answer POST chat/completions? */

import type { Answer, Call, Usage } from "../call.ts";
import { type Annotation, FILTER_OUTAGE, SAFE, SAFE_PROMPT } from "../content-filter.ts";
import { contextLengthExceeded, type Failure } from "../errors.ts";
import { newId } from "../ids.ts";
import { CACHE_FROM_TOKENS } from "../prompt-cache.ts";
import { replyText, valueFor } from "../reply.ts";
import type { TokenCounter } from "../tokens.ts";
import {
  chatFailure,
  chosenTool,
  isObject,
  lastUserText,
  messagesOf,
  messageTokens,
  promptTokensOf,
  type ToolFunction,
  toolsOf,
} from "./chat-request.ts";
import { chatEvents } from "./chat-stream.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

/** What a model thinks before it answers, in tokens, when it is one that thinks. */
const REASONING_TOKENS = 64;
const FEW_SHOT_LOGPROB = -0.01;

export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface Choice {
  readonly text: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly tokens: number;
  readonly finishReason: "stop" | "length" | "tool_calls" | "content_filter";
}

/** Everything that a chat answer is made of, streamed or not. */
export interface Completion {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly snapshot: string;
  readonly fingerprint: string;
  readonly choices: readonly Choice[];
  readonly usage: Usage;
}

export const chatCompletion: Operation = {
  name: "chat.completions",
  method: "POST",
  path: "chat/completions",
  body: "json",
  kinds: ["chat", "reasoning"],
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
  azureNames: { operation: "ChatCompletions_Create", action: "chatCompletion" },
  run: answerChat,
};

function answerChat(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const failure = chatFailure(call, body);
  if (failure) return failure;
  const messages = messagesOf(body);
  const counts = messageTokens(messages, desk.counter);
  const promptTokens = promptTokensOf(counts, body, desk.counter);
  const most = mostTokens(body);
  const refused = desk.admit(call, promptTokens + (most ?? 0)) ?? tooLong(call, promptTokens, most);
  if (refused) return refused;
  const cachedTokens =
    promptTokens < CACHE_FROM_TOKENS ? 0 : desk.promptCache.look(call.modelName ?? "", messages, counts);
  const completion = complete(call, body, { promptTokens, cachedTokens, most }, desk.counter);
  if (body.stream === true) {
    return { kind: "stream", events: chatEvents(call, body, completion, desk.counter), usage: completion.usage };
  }
  return {
    kind: "json",
    body: JSON.stringify(plainAnswer(call, body, completion, desk.counter)),
    usage: completion.usage,
  };
}

function mostTokens(body: JsonObject): number | undefined {
  const most = body.max_completion_tokens ?? body.max_tokens;
  return typeof most === "number" ? most : undefined;
}

function tooLong(call: Call, promptTokens: number, most: number | undefined): Failure | undefined {
  const limit = call.serving?.model.contextTokens ?? Number.POSITIVE_INFINITY;
  return promptTokens + (most ?? 0) > limit ? contextLengthExceeded(limit, promptTokens) : undefined;
}

function complete(
  call: Call,
  body: JsonObject,
  sizes: { promptTokens: number; cachedTokens: number; most: number | undefined },
  counter: TokenCounter,
): Completion {
  const reasoningTokens =
    call.serving?.model.kind === "reasoning" && body.reasoning_effort !== "none" ? REASONING_TOKENS : 0;
  const count = typeof body.n === "number" ? body.n : 1;
  const room = sizes.most === undefined ? undefined : Math.max(0, sizes.most - reasoningTokens);
  const choices = Array.from({ length: count }, (_, index) => choiceFor(call, body, index, room, counter));
  const written = choices.reduce((sum, choice) => sum + choice.tokens, 0);
  const usage = {
    promptTokens: sizes.promptTokens,
    cachedTokens: sizes.cachedTokens,
    completionTokens: written + reasoningTokens * count,
    reasoningTokens: reasoningTokens * count,
  };
  const snapshot = call.serving?.snapshot ?? "";
  return {
    id: newId("chatcmpl-"),
    created: Math.floor(Date.now() / 1000),
    snapshot,
    fingerprint: fingerprintOf(snapshot),
    choices,
    usage,
  };
}

function choiceFor(
  call: Call,
  body: JsonObject,
  index: number,
  room: number | undefined,
  counter: TokenCounter,
): Choice {
  const prompt = lastUserText(messagesOf(body));
  const tool = wantedTool(body, prompt);
  if (tool) return toolChoice(tool, prompt, chosenTool(body.tool_choice) !== undefined, counter);
  const text = formatted(body, replyText(call, prompt, typeof body.seed === "number" ? body.seed : 0, index));
  const filtered = call.fault?.name === "filtered";
  const whole = beforeStop(text, body.stop);
  const tokens = counter.count(whole);
  if (room === undefined || tokens <= room)
    return { text: whole, tokens, finishReason: filtered ? "content_filter" : "stop" };
  const kept = firstTokens(whole, room, counter);
  return { ...kept, finishReason: filtered ? "content_filter" : "length" };
}

/** The tool that the request forces, or whose name the user says. After a tool's result comes text. */
function wantedTool(body: JsonObject, prompt: string): ToolFunction | undefined {
  const tools = toolsOf(body);
  if (tools.length === 0 || body.tool_choice === "none" || messagesOf(body).at(-1)?.role === "tool") return undefined;
  const named = chosenTool(body.tool_choice);
  if (named !== undefined) return tools.find((tool) => tool.name === named);
  return tools.find((tool) => prompt.includes(tool.name)) ?? (body.tool_choice === "required" ? tools[0] : undefined);
}

function toolChoice(tool: ToolFunction, prompt: string, named: boolean, counter: TokenCounter): Choice {
  const call: ToolCall = {
    id: newId("call_"),
    type: "function",
    function: { name: tool.name, arguments: JSON.stringify(valueFor(tool.parameters, prompt)) },
  };
  const tokens = counter.count(call.function.name) + counter.count(call.function.arguments);
  // A function chosen by name ends with "stop", one that the model chose with "tool_calls".
  return { text: "", toolCalls: [call], tokens, finishReason: named ? "stop" : "tool_calls" };
}

function formatted(body: JsonObject, text: string): string {
  const format = body.response_format;
  if (!isObject(format) || format.type === "text") return text;
  if (format.type === "json_object") return JSON.stringify({ answer: text });
  const schema = isObject(format.json_schema) ? format.json_schema.schema : undefined;
  return JSON.stringify(valueFor(schema, text));
}

function beforeStop(text: string, stop: unknown): string {
  const stops = (Array.isArray(stop) ? stop : [stop]).filter(
    (entry): entry is string => typeof entry === "string" && entry !== "",
  );
  const ends = stops.map((entry) => text.indexOf(entry)).filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

function firstTokens(text: string, room: number, counter: TokenCounter): { text: string; tokens: number } {
  let kept = "";
  let tokens = 0;
  for (const piece of counter.split(text)) {
    if (tokens + piece.tokens > room) break;
    kept += piece.text;
    tokens += piece.tokens;
  }
  return { text: kept, tokens };
}

function fingerprintOf(snapshot: string): string {
  let state = 0;
  for (const letter of snapshot) state = (Math.imul(state, 31) + letter.charCodeAt(0)) >>> 0;
  return `fp_${state.toString(16).padStart(8, "0")}aa`;
}

function plainAnswer(call: Call, body: JsonObject, completion: Completion, counter: TokenCounter): object {
  const azure = call.provider === "azure";
  const head = {
    id: completion.id,
    object: "chat.completion",
    created: completion.created,
    model: completion.snapshot,
  };
  const choices = completion.choices.map((choice, index) => ({
    index,
    message: message(choice),
    logprobs: body.logprobs === true ? logprobsOf(choice.text, counter) : null,
    finish_reason: choice.finishReason,
    ...(azure && { content_filter_results: choiceFilter(call) }),
  }));
  const tail = { usage: usageBody(completion.usage), system_fingerprint: completion.fingerprint };
  if (azure) return { ...head, choices, prompt_filter_results: promptFilter(call), ...tail };
  return { ...head, choices, ...tail, service_tier: "default" };
}

function message(choice: Choice): object {
  const said = { role: "assistant", content: choice.toolCalls ? null : choice.text, refusal: null, annotations: [] };
  return choice.toolCalls ? { ...said, tool_calls: choice.toolCalls } : said;
}

export function logprobsOf(text: string, counter: TokenCounter): object {
  const content = counter.split(text).map((piece) => ({
    token: piece.text,
    logprob: FEW_SHOT_LOGPROB,
    bytes: [...Buffer.from(piece.text)],
    top_logprobs: [],
  }));
  return { content, refusal: null };
}

export function usageBody(usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

export function promptFilter(call: Call): object[] {
  return [
    { prompt_index: 0, content_filter_results: call.fault?.name === "filter-outage" ? FILTER_OUTAGE : SAFE_PROMPT },
  ];
}

export function choiceFilter(call: Call): Annotation | object {
  if (call.fault?.name === "filter-outage") return FILTER_OUTAGE;
  if (call.fault?.name === "filtered") return { ...SAFE, violence: { filtered: true, severity: "medium" } };
  return SAFE;
}
