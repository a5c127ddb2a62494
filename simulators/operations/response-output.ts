/** What does a simulated model put into a response: thoughts, calls of hosted tools, text or a function call? */

import type { Call } from "../call.ts";
import { newHexId, newId } from "../ids.ts";
import { replyText, valueFor } from "../reply.ts";
import { isObject } from "./chat-request.ts";
import { logprobsOf } from "./completion.ts";
import { hostedToolCalls, type ToolOutcome } from "./hosted-tools.ts";
import type { Desk, JsonObject } from "./operation.ts";
import { toolsOfType } from "./response-request.ts";
import type { OutputItem, Piece } from "./response-shape.ts";

const REASONING_TOKENS = 64;

export interface Composed {
  readonly output: readonly OutputItem[];
  /** Of the last item, as a stream brings it. */
  readonly pieces: readonly Piece[];
  readonly reasoningTokens: number;
  readonly writtenTokens: number;
  /** False when `max_output_tokens` cut it short. */
  readonly whole: boolean;
}

export function composeOutput(call: Call, body: JsonObject, prompt: string, lastType: unknown, desk: Desk): Composed {
  const tool = lastType === "function_call_output" ? undefined : wantedTool(body, prompt);
  const text = tool
    ? JSON.stringify(valueFor(tool.parameters, prompt))
    : formatted(body, replyText(call, prompt, 0, 0));
  const reasoningTokens = call.serving?.model.kind === "reasoning" ? REASONING_TOKENS : 0;
  const room =
    typeof body.max_output_tokens === "number" ? body.max_output_tokens - reasoningTokens : Number.POSITIVE_INFINITY;
  const all = desk.counter.split(text);
  const pieces = all.slice(0, Math.max(0, room));
  const whole = pieces.length === all.length;
  const hosted = tool ? NOTHING_HOSTED : hostedToolCalls(call, body, prompt, desk);
  const written = pieces.map((piece) => piece.text).join("");
  const last = tool ? functionItem(tool.name, written, whole) : messageItem(body, written, whole, hosted, desk);
  return {
    output: [...(reasoningTokens > 0 ? [reasoningItem(body)] : []), ...hosted.items, last],
    pieces,
    reasoningTokens,
    writtenTokens: pieces.reduce((sum, piece) => sum + piece.tokens, 0),
    whole,
  };
}

const NOTHING_HOSTED: ToolOutcome = { items: [], annotations: [] };

interface FunctionTool {
  readonly name: string;
  readonly parameters: unknown;
}

/** As in chat: the function that `tool_choice` forces, or whose name the user says. */
function wantedTool(body: JsonObject, prompt: string): FunctionTool | undefined {
  const tools = toolsOfType(body, "function").flatMap(({ name, parameters }) =>
    typeof name === "string" ? [{ name, parameters }] : [],
  );
  if (body.tool_choice === "none") return undefined;
  const wanted = isObject(body.tool_choice) ? body.tool_choice.name : undefined;
  if (wanted !== undefined) return tools.find((tool) => tool.name === wanted);
  return tools.find((tool) => prompt.includes(tool.name)) ?? (body.tool_choice === "required" ? tools[0] : undefined);
}

function formatted(body: JsonObject, text: string): string {
  const format = isObject(body.text) && isObject(body.text.format) ? body.text.format : {};
  if (format.type === "json_object") return JSON.stringify({ answer: text });
  return format.type === "json_schema" ? JSON.stringify(valueFor(format.schema, text)) : text;
}

export function includes(body: JsonObject, name: string): boolean {
  return Array.isArray(body.include) && body.include.includes(name);
}

function reasoningItem(body: JsonObject): OutputItem {
  const encrypted = includes(body, "reasoning.encrypted_content") && { encrypted_content: "c2ltdWxhdGVkIHRob3VnaHRz" };
  return { id: newHexId("rs_"), type: "reasoning", summary: [], ...encrypted };
}

function messageItem(body: JsonObject, text: string, whole: boolean, hosted: ToolOutcome, desk: Desk): OutputItem {
  const logprobs = includes(body, "message.output_text.logprobs") ? logprobsOf(text, desk.counter).content : [];
  const content = [{ type: "output_text", annotations: hosted.annotations, logprobs, text }];
  const status = whole ? "completed" : "incomplete";
  return { id: newHexId("msg_"), type: "message", status, role: "assistant", content };
}

function functionItem(name: string, text: string, whole: boolean): OutputItem {
  return {
    id: newHexId("fc_"),
    type: "function_call",
    status: whole ? "completed" : "incomplete",
    call_id: newId("call_"),
    name,
    arguments: text,
  };
}
