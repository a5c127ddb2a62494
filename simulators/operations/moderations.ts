/** What does OpenAI's moderation say? A word list decides, so that tests can choose. */

import type { Answer, Call } from "../call.ts";
import { type Failure, invalidRequest } from "../errors.ts";
import { newId } from "../ids.ts";
import { isObject } from "./chat-request.ts";
import type { Desk, JsonObject, Operation } from "./operation.ts";

const CATEGORIES = [
  "harassment",
  "harassment/threatening",
  "sexual",
  "hate",
  "hate/threatening",
  "illicit",
  "illicit/violent",
  "self-harm/intent",
  "self-harm/instructions",
  "self-harm",
  "sexual/minors",
  "violence",
  "violence/graphic",
] as const;

const WORDS: Readonly<Partial<Record<(typeof CATEGORIES)[number], RegExp>>> = {
  violence: /\b(kill|murder|stab)\b/i,
  "harassment/threatening": /\bkill (you|them|him|her)\b/i,
  hate: /\bhateful\b/i,
  sexual: /\bexplicit\b/i,
  "self-harm": /\b(suicide|hurt myself)\b/i,
  illicit: /\b(bomb|drugs)\b/i,
};

const FLAGGED_SCORE = 0.97;
const CLEAR_SCORE = 0.00001;

export const createModeration: Operation = {
  name: "moderations",
  method: "POST",
  path: "moderations",
  body: "json",
  kinds: ["moderation"],
  defaultModel: "omni-moderation-latest",
  onOpenai: true,
  onAzure: { v1: false },
  azureNames: { operation: "", action: "" },
  run,
};

function run(call: Call, body: JsonObject, _desk: Desk): Answer | Failure {
  const texts = textsOf(body.input);
  if (texts === undefined)
    return invalidRequest("Missing required parameter: 'input'.", "input", "missing_required_parameter");
  const results = texts.map((text) => judge(text));
  return { kind: "json", body: JSON.stringify({ id: newId("modr-"), model: call.serving?.model.name, results }) };
}

/** One text per result: strings each get their own, content parts together make one. */
function textsOf(input: unknown): string[] | undefined {
  if (typeof input === "string") return [input];
  if (!Array.isArray(input) || input.length === 0) return undefined;
  if (input.every((entry) => typeof entry === "string")) return input;
  return [input.map((part: unknown) => (isObject(part) && typeof part.text === "string" ? part.text : "")).join(" ")];
}

function judge(text: string): object {
  const hit = (category: (typeof CATEGORIES)[number]) => WORDS[category]?.test(text) ?? false;
  const per = <T>(value: (category: (typeof CATEGORIES)[number]) => T) =>
    Object.fromEntries(CATEGORIES.map((category) => [category, value(category)]));
  return {
    flagged: CATEGORIES.some(hit),
    categories: per(hit),
    category_scores: per((category) => (hit(category) ? FLAGGED_SCORE : CLEAR_SCORE)),
    category_applied_input_types: per(() => ["text"]),
  };
}
