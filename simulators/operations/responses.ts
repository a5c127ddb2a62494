/** How does a simulated model answer POST responses, at once, as a stream or in the background? */

import type { Answer, Call, StreamEvent, Usage } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { isObject, textOf } from "./chat-request.ts";
import { type Desk, type JsonObject, json, now, type Operation } from "./operation.ts";
import { composeOutput } from "./response-output.ts";
import { inputItems, responseFailure, responsePromptTokens } from "./response-request.ts";
import {
  conversationIdOf,
  type ResponseBody,
  responseBody,
  type StoredResponse,
  unfinished,
} from "./response-shape.ts";
import { responseEvents } from "./responses-stream.ts";

/** What all operations on responses have in common. */
export const RESPONSES = {
  onOpenai: true,
  onAzure: { dated: "root", since: "2025-03-01-preview", v1: true },
  azureNames: { operation: "Responses_Create", action: "responses" },
} as const satisfies Partial<Operation>;

export const createResponse: Operation = {
  ...RESPONSES,
  name: "responses",
  method: "POST",
  path: "responses",
  body: "json",
  kinds: ["chat", "reasoning"],
  run: create,
};

function create(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const failure = responseFailure(call, body, desk);
  if (failure) return failure;
  const items = inputItems(body.input);
  const before = tokensBefore(body, desk);
  const promptTokens = before + responsePromptTokens(items, body, desk);
  if (promptTokens > (call.serving?.model.contextTokens ?? 0)) {
    const message = "Your input exceeds the context window of this model. Please adjust your input and try again.";
    return invalidRequest(message, "input", "context_length_exceeded");
  }
  const most = typeof body.max_output_tokens === "number" ? body.max_output_tokens : 0;
  const refused = desk.admit(call, promptTokens + most);
  if (refused) return refused;
  const prompt = textOf(items.findLast((item) => item.role === "user")?.content);
  const composed = composeOutput(call, body, prompt, items.at(-1)?.type, desk);
  const { reasoningTokens, writtenTokens } = composed;
  const usage = { promptTokens, cachedTokens: 0, completionTokens: writtenTokens + reasoningTokens, reasoningTokens };
  const response = responseBody(call, body, composed.output, usage, composed.whole);
  const obfuscate =
    call.provider === "openai" && !(isObject(body.stream_options) && body.stream_options.include_obfuscation === false);
  const events = responseEvents(response, composed.pieces, obfuscate);
  const stored: StoredResponse = {
    id: response.id,
    body: response,
    input: items,
    tokens: promptTokens + writtenTokens,
    ...(body.background === true && body.stream === true && { events: [...events] }),
  };
  if (body.store !== false) desk.shelf.responses.put(response.id, stored);
  if (body.background === true) return inBackground(call, stored, usage, desk);
  remember(body, stored, desk);
  return body.stream === true ? { kind: "stream", events, usage } : json(response, usage);
}

/** What came before is part of the prompt. */
function tokensBefore(body: JsonObject, desk: Desk): number {
  const { previous_response_id: previous } = body;
  const conversation = conversationIdOf(body);
  if (typeof previous === "string") return desk.shelf.responses.get(previous)?.tokens ?? 0;
  if (conversation === undefined) return 0;
  return responsePromptTokens(desk.shelf.conversations.get(conversation)?.items.values() ?? [], {}, desk);
}

/** A conversation gets what was said in it. */
function remember(body: JsonObject, stored: StoredResponse, desk: Desk): void {
  const conversation = desk.shelf.conversations.get(conversationIdOf(body) ?? "");
  if (!conversation) return;
  for (const item of [...stored.input, ...stored.body.output]) conversation.items.put(item.id, item);
}

/** Queued, one step later at work, another step later done, unless it was cancelled or deleted. */
function inBackground(call: Call, stored: StoredResponse, usage: Usage, desk: Desk): Answer {
  const whole = stored.body;
  const isAlive = () => desk.shelf.responses.get(stored.id) === stored && stored.body.status !== "cancelled";
  stored.body = unfinished(whole, "queued");
  const answer = json(stored.body);
  desk.later.step(() => {
    if (!isAlive()) return;
    stored.body = unfinished(whole, "in_progress");
    desk.later.step(() => {
      if (!isAlive()) return;
      stored.body = whole.status === "completed" ? { ...whole, ...stampOf() } : whole;
      desk.charge(call, usage);
    });
  });
  return stored.events ? { kind: "stream", events: eventsSoFar(stored, -1) } : answer;
}

function stampOf(): { completed_at: number } {
  return { completed_at: now() };
}

/** How often a stream looks whether its response has come further. */
const LOOK_EVERY_MS = 5;

/** The events of a background response after number `after`, each when the response has come so far. */
export function* eventsSoFar(stored: StoredResponse, after: number): Iterable<StreamEvent> {
  for (const [number, event] of (stored.events ?? []).entries()) {
    if (number <= after) continue;
    while (number >= reached(stored.body)) {
      if (stored.body.status === "cancelled") return;
      yield { kind: "pause", data: "", ms: LOOK_EVERY_MS };
    }
    yield event;
  }
}

/** How many events there are while a response is queued (created, queued), at work (in_progress too), and then. */
function reached(response: ResponseBody): number {
  if (response.status === "queued" || response.status === "cancelled") return 2;
  return response.status === "in_progress" ? 3 : Number.POSITIVE_INFINITY;
}
