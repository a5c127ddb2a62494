/** How does a simulated model answer the older POST completions? */

import type { Answer, Call, StreamEvent, Usage } from "../call.ts";
import { SAFE, SAFE_PROMPT } from "../content-filter.ts";
import { contextLengthExceeded, type Failure, invalidRequest } from "../errors.ts";
import { newId } from "../ids.ts";
import { badNumber, kindOf } from "../parameters.ts";
import { replyText } from "../reply.ts";
import { isObject } from "./chat-request.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

const DEFAULT_TOKENS = 16;

export const createCompletion: Operation = {
  name: "completions",
  method: "POST",
  path: "completions",
  body: "json",
  kinds: ["completion"],
  onOpenai: true,
  onAzure: { dated: "deployment", v1: true },
  azureNames: { operation: "Completions_Create", action: "completion" },
  run,
};

function run(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const prompt = Array.isArray(body.prompt) ? body.prompt[0] : body.prompt;
  if (typeof prompt !== "string") {
    return invalidRequest(`Invalid type for 'prompt': expected a string, but got ${kindOf(prompt)} instead.`, "prompt");
  }
  const wrong = badNumber(body);
  if (wrong) return wrong;
  const most = typeof body.max_tokens === "number" ? body.max_tokens : DEFAULT_TOKENS;
  const promptTokens = desk.counter.count(prompt);
  const limit = call.serving?.model.contextTokens ?? 0;
  if (promptTokens + most > limit) return contextLengthExceeded(limit, promptTokens, "prompt");
  const refused = desk.admit(call, promptTokens + most);
  if (refused) return refused;
  const all = desk.counter.split(replyText(call, prompt, 0, 0));
  const pieces = all.slice(0, most);
  const finish = pieces.length < all.length ? "length" : "stop";
  const completionTokens = pieces.reduce((sum, piece) => sum + piece.tokens, 0);
  const usage = { promptTokens, cachedTokens: 0, completionTokens, reasoningTokens: 0 };
  const head = headOf(call);
  if (body.stream === true) return { kind: "stream", events: events(call, body, head, pieces, finish, usage), usage };
  const text = pieces.map((piece) => piece.text).join("");
  const filter =
    call.provider === "azure"
      ? { prompt_filter_results: [{ prompt_index: 0, content_filter_results: SAFE_PROMPT }] }
      : {};
  const answer = { ...head, choices: [choiceBody(call, text, finish)], usage: usageBody(usage), ...filter };
  return { kind: "json", body: JSON.stringify(answer), usage };
}

function headOf(call: Call): object {
  return {
    id: newId("cmpl-"),
    object: "text_completion",
    created: Math.floor(Date.now() / 1000),
    model: call.serving?.snapshot,
  };
}

function choiceBody(call: Call, text: string, finish: string | null): object {
  const choice = { text, index: 0, logprobs: null, finish_reason: finish };
  return call.provider === "azure" ? { ...choice, content_filter_results: SAFE } : choice;
}

function usageBody(usage: Usage): object {
  const { promptTokens, completionTokens } = usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

function* events(
  call: Call,
  body: JsonObject,
  head: object,
  pieces: readonly { text: string; tokens: number }[],
  finish: string,
  usage: Usage,
): Iterable<StreamEvent> {
  const withUsage = isObject(body.stream_options) && body.stream_options.include_usage === true;
  const chunk = (choices: object[], counted: object | null = null) =>
    JSON.stringify({ ...head, choices, ...(withUsage && { usage: counted }) });
  for (const piece of pieces) {
    yield { kind: "content", data: chunk([choiceBody(call, piece.text, null)]), tokens: piece.tokens };
  }
  yield { kind: "finish", data: chunk([choiceBody(call, "", finish)]) };
  if (withUsage) yield { kind: "usage", data: chunk([], usageBody(usage)) };
  yield { kind: "done", data: "[DONE]" };
}
