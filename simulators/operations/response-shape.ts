/** What is a response made of, and what is kept of it? */

import type { Call, StreamEvent, Usage } from "../call.ts";
import { newHexId } from "../ids.ts";
import { isObject } from "./chat-request.ts";
import { type JsonObject, now } from "./operation.ts";

/** A response object as the API returns it; only what the simulator itself reads is typed. */
export interface ResponseBody {
  readonly id: string;
  readonly status: string;
  readonly background: boolean;
  readonly output: readonly OutputItem[];
  readonly [field: string]: unknown;
}

export interface OutputItem {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

export type Piece = { readonly text: string; readonly tokens: number };

/** What a response id leads to. */
export interface StoredResponse {
  readonly id: string;
  /** As `GET` shows it now. */
  body: ResponseBody;
  readonly input: readonly OutputItem[];
  /** All tokens of the conversation up to and with this response. */
  readonly tokens: number;
  /** Of a response made in the background with `stream`: what can be asked for again. */
  readonly events?: readonly StreamEvent[];
}

export function responseBody(
  call: Call,
  body: JsonObject,
  output: ResponseBody["output"],
  usage: Usage,
  whole: boolean,
): ResponseBody {
  const made = now();
  const conversation = conversationIdOf(body);
  return {
    id: newHexId("resp_"),
    object: "response",
    created_at: made,
    status: whole ? "completed" : "incomplete",
    ...(whole && { completed_at: made }),
    background: body.background === true,
    ...(conversation !== undefined && { conversation: { id: conversation } }),
    error: null,
    incomplete_details: whole ? null : { reason: "max_output_tokens" },
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    model: call.serving?.snapshot,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: isObject(body.reasoning) ? { effort: null, summary: null, ...body.reasoning } : REASONING,
    service_tier: "default",
    store: body.store !== false,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? "disabled",
    usage: responseUsage(usage),
    // Azure's v1 specification requires it; the others do not take null.
    ...(call.provider === "azure" && call.target.apiVersion === undefined
      ? { user: body.user ?? null }
      : typeof body.user === "string" && { user: body.user }),
    metadata: body.metadata ?? {},
  };
}

const REASONING = { effort: null, summary: null };

export function responseUsage(usage: Usage): object {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: 0 },
    output_tokens: usage.completionTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}

/** A response that works in the background, before it has an answer. */
export function unfinished(whole: ResponseBody, status: "queued" | "in_progress" | "cancelled"): ResponseBody {
  const { completed_at: _completedAt, ...rest } = whole;
  return {
    ...rest,
    id: whole.id,
    status,
    background: whole.background,
    output: [],
    incomplete_details: null,
    usage: null,
  };
}

/** `conversation` is an id, or an object that has one. */
export function conversationIdOf(body: JsonObject): string | undefined {
  const { conversation } = body;
  const id = isObject(conversation) ? conversation.id : conversation;
  return typeof id === "string" ? id : undefined;
}
