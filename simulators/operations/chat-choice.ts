/** What does the simulated model write: text, JSON or a tool call, and where does it stop? */

import type { Call } from "../call.ts";
import { numberOf } from "../faults.ts";
import { newId } from "../ids.ts";
import { replyText, valueFor } from "../reply.ts";
import type { TokenCounter } from "../tokens.ts";
import { chosenTool, isObject, lastUserText, messagesOf, type ToolFunction, toolsOf } from "./chat-request.ts";
import type { Choice, ToolCall } from "./completion.ts";
import type { JsonObject } from "./operation.ts";

export function choiceFor(
  call: Call,
  body: JsonObject,
  index: number,
  room: number | undefined,
  counter: TokenCounter,
): Choice {
  const prompt = lastUserText(messagesOf(body));
  const tool = wantedTool(body, prompt);
  if (tool) return spoilt(call, toolChoice(tool, prompt, chosenTool(body.tool_choice) !== undefined, counter));
  const text = formatted(body, replyText(call, prompt, typeof body.seed === "number" ? body.seed : 0, index));
  const whole = beforeStop(text, body.stop);
  const filtered = tokensBeforeFilter(call);
  if (filtered !== undefined) return { ...firstTokens(whole, filtered, counter), finishReason: "content_filter" };
  if (call.fault?.name === "truncated") {
    return { ...firstTokens(whole, numberOf(call.fault, "after", 1), counter), finishReason: "length" };
  }
  const tokens = counter.count(whole);
  if (room === undefined || tokens <= room) return { text: whole, tokens, finishReason: "stop" };
  return { ...firstTokens(whole, room, counter), finishReason: "length" };
}

/** How much of the answer a content filter lets through, when one is told to stop it. */
function tokensBeforeFilter(call: Call): number | undefined {
  const { fault } = call;
  const blocked = fault?.name === "filtered" || (call.provider === "azure" && fault?.name === "async-filter-blocked");
  return fault && blocked ? numberOf(fault, "after", 1) : undefined;
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

/** A tool's call as a model makes it that stops too early, or that forgets how to write JSON. */
function spoilt({ fault }: Call, choice: Choice): Choice {
  const isTruncated = fault?.name === "truncated";
  if (!isTruncated && fault?.name !== "broken-arguments") return choice;
  const toolCalls = (choice.toolCalls ?? []).map((one): ToolCall => {
    const { name, arguments: whole } = one.function;
    return { ...one, function: { name, arguments: whole.slice(0, Math.ceil(whole.length / 2)) } };
  });
  return { ...choice, toolCalls, ...(isTruncated && { finishReason: "length" as const }) };
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
