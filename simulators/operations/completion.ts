/** What is a chat answer made of, streamed or not? */

import type { Call, Usage } from "../call.ts";
import { type Annotation, FILTER_OUTAGE, SAFE, SAFE_PROMPT } from "../content-filter.ts";
import type { TokenCounter } from "../tokens.ts";
import type { Spoken } from "./chat-audio.ts";

const LIKELY_LOGPROB = -0.01;

export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface Choice {
  readonly text: string;
  readonly toolCalls?: readonly ToolCall[];
  /** The text is said aloud. */
  readonly spoken?: Spoken;
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

export function logprobsOf(text: string, counter: TokenCounter): { content: readonly object[]; refusal: null } {
  const content = counter.split(text).map((piece) => ({
    token: piece.text,
    logprob: LIKELY_LOGPROB,
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
