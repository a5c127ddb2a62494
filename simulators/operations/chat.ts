/** How does a simulated model answer POST chat/completions? */

import type { Answer, Call } from "../call.ts";
import { contextLengthExceeded, type Failure } from "../errors.ts";
import { newId } from "../ids.ts";
import { CACHE_FROM_TOKENS } from "../prompt-cache.ts";
import type { TokenCounter } from "../tokens.ts";
import { aloud, audioBody, audioFailure, missingAudio } from "./chat-audio.ts";
import { choiceFor } from "./chat-choice.ts";
import { chatFailure, messagesOf, messageTokens, promptTokensOf } from "./chat-request.ts";
import { chatEvents } from "./chat-stream.ts";
import { type Choice, type Completion, choiceFilter, logprobsOf, promptFilter, usageBody } from "./completion.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";
import { missingChatFile } from "./references.ts";

/** What a model thinks before it answers, in tokens, when it is one that thinks. */
const REASONING_TOKENS = 64;

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
  const failure = chatFailure(call, body) ?? audioFailure(body) ?? missingThing(call, messagesOf(body), desk);
  if (failure) return failure;
  const messages = messagesOf(body);
  const counts = messageTokens(messages, desk.counter);
  const promptTokens = promptTokensOf(counts, body, desk.counter);
  const most = mostTokens(body);
  const refused = desk.admit(call, promptTokens + (most ?? 0)) ?? tooLong(call, promptTokens, most);
  if (refused) return refused;
  const cachedTokens =
    promptTokens < CACHE_FROM_TOKENS ? 0 : desk.promptCache.look(call.modelName ?? "", messages, counts);
  const completion = complete(call, body, { promptTokens, cachedTokens, most }, desk);
  if (body.store === true && call.provider === "openai") keep(call, body, completion, desk);
  if (body.stream === true) {
    return { kind: "stream", events: chatEvents(call, body, completion, desk.counter), usage: completion.usage };
  }
  return {
    kind: "json",
    body: JSON.stringify(plainAnswer(call, body, completion, desk.counter)),
    usage: completion.usage,
  };
}

function missingThing(call: Call, messages: readonly JsonObject[], { shelf }: Desk): Failure | undefined {
  return missingChatFile(call, messages, shelf) ?? missingAudio(messages, shelf);
}

/** What `GET chat/completions/{id}` shows later: the answer, with what was asked for. */
function keep(call: Call, body: JsonObject, completion: Completion, desk: Desk): void {
  const { metadata, temperature, top_p, tools, tool_choice, response_format } = body;
  const asked = { temperature: temperature ?? 1, top_p: top_p ?? 1, tools, tool_choice, response_format };
  const answer = { ...plainAnswer(call, body, completion, desk.counter), ...asked, metadata: metadata ?? {} };
  const stored = { id: completion.id, body: { ...answer, id: completion.id }, messages: messagesOf(body) };
  desk.shelf.completions.put(completion.id, stored);
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
  { counter, shelf }: Desk,
): Completion {
  const reasoningTokens =
    call.serving?.model.kind === "reasoning" && body.reasoning_effort !== "none" ? REASONING_TOKENS : 0;
  const count = typeof body.n === "number" ? body.n : 1;
  const room = sizes.most === undefined ? undefined : Math.max(0, sizes.most - reasoningTokens);
  const choices = Array.from({ length: count }, (_, index) =>
    aloud(choiceFor(call, body, index, room, counter), body, shelf),
  );
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
  const content = choice.toolCalls || choice.spoken ? null : choice.text;
  const said = { role: "assistant", content, refusal: null, annotations: [] };
  if (choice.spoken) return { ...said, audio: audioBody(choice, choice.spoken) };
  return choice.toolCalls ? { ...said, tool_calls: choice.toolCalls } : said;
}
