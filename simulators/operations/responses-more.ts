/** How long is a prompt, and how does a long conversation become a short one? OpenAI only. */

import type { Answer, Call } from "../call.ts";
import type { Failure } from "../errors.ts";
import { newHexId } from "../ids.ts";
import { type Desk, type JsonObject, json, now, OPENAI_ONLY, type Operation } from "./operation.ts";
import { missingReference } from "./references.ts";
import { inputItems, responsePromptTokens, wrongInput } from "./response-request.ts";
import { responseUsage } from "./response-shape.ts";

const COMPACTED_TOKENS = 32;

export const countInputTokens: Operation = {
  ...OPENAI_ONLY,
  name: "responses.input_tokens.count",
  method: "POST",
  path: "responses/input_tokens",
  body: "json",
  kinds: ["chat", "reasoning"],
  run: (call, body, desk) => {
    const tokens = countOf(call, body, desk);
    return typeof tokens === "number" ? json({ object: "response.input_tokens", input_tokens: tokens }) : tokens;
  },
};

export const compactResponse: Operation = {
  ...OPENAI_ONLY,
  name: "responses.compact",
  method: "POST",
  path: "responses/compact",
  body: "json",
  kinds: ["chat", "reasoning"],
  run: compact,
};

function countOf(call: Call, body: JsonObject, desk: Desk): number | Failure {
  const failure =
    (body.input === undefined || body.input === null ? undefined : wrongInput(body.input)) ??
    missingReference(call, body, desk.shelf);
  if (failure) return failure;
  const { previous_response_id: previous } = body;
  const before = typeof previous === "string" ? (desk.shelf.responses.get(previous)?.tokens ?? 0) : 0;
  return before + responsePromptTokens(inputItems(body.input), body, desk);
}

/** The user's words stay, everything else becomes one item that only the provider can read. */
function compact(call: Call, body: JsonObject, desk: Desk): Answer | Failure {
  const promptTokens = countOf(call, body, desk);
  if (typeof promptTokens !== "number") return promptTokens;
  const refused = desk.admit(call, promptTokens);
  if (refused) return refused;
  const said = inputItems(body.input).filter((item) => item.role === "user");
  const summary = { id: newHexId("cmp_"), type: "compaction", encrypted_content: "c2ltdWxhdGVkIHN1bW1hcnk=" };
  const usage = { promptTokens, cachedTokens: 0, completionTokens: COMPACTED_TOKENS, reasoningTokens: 0 };
  const answer = {
    id: newHexId("resp_"),
    object: "response.compaction",
    created_at: now(),
    output: [...said, summary],
    usage: responseUsage(usage),
  };
  return json(answer, usage);
}
