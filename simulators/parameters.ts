/** Which parameters of a chat request does each provider, version and model refuse? */

import type { Call } from "./call.ts";
import { type Failure, invalidRequest, openaiError, unsupportedParameter } from "./errors.ts";
import type { JsonObject } from "./operations/operation.ts";

/** Both providers, all versions. */
// biome-ignore format: a list of names
const COMMON = [
  "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_tokens", "messages", "model", "n",
  "presence_penalty", "response_format", "seed", "stop", "stream", "temperature", "tool_choice", "tools", "top_logprobs",
  "top_p", "user",
];

/** Azure's dated versions took these later; a version before the date refuses them. Source: Azure's API version lifecycle. */
const SINCE: Readonly<Record<string, string>> = {
  data_sources: "2024-02-01",
  stream_options: "2024-09-01",
  max_completion_tokens: "2024-09-01",
  parallel_tool_calls: "2024-09-01",
  store: "2024-12-01",
  metadata: "2024-12-01",
  reasoning_effort: "2024-12-01",
  user_security_context: "2024-12-01",
  prediction: "2025-01-01",
  modalities: "2025-01-01",
  audio: "2025-01-01",
};

const AZURE_ONLY = ["data_sources", "user_security_context"];

/** Documented for Azure's v1 in 2026 though its published specification does not have them yet. */
const ON_AZURE_V1_ONLY = ["prompt_cache_key", "prompt_cache_retention", "service_tier", "verbosity"];

const ON_OPENAI_ONLY = ["moderation", "prompt_cache_options", "safety_identifier", "web_search_options"];

/** Reasoning models draw their own samples. */
const NOT_FOR_REASONING = [
  "temperature",
  "top_p",
  "presence_penalty",
  "frequency_penalty",
  "logprobs",
  "top_logprobs",
  "logit_bias",
];

const OPENAI_NAMES = new Set([
  ...COMMON,
  ...Object.keys(SINCE).filter((name) => !AZURE_ONLY.includes(name)),
  ...ON_AZURE_V1_ONLY,
  ...ON_OPENAI_ONLY,
]);
const AZURE_V1_NAMES = new Set([...COMMON, ...Object.keys(SINCE), ...ON_AZURE_V1_ONLY]);
const AZURE_DATED_NAMES = new Set([...COMMON, ...Object.keys(SINCE)]);

/** Names that the provider does not know in this version. */
export function unknownParameter(call: Call, body: JsonObject): Failure | undefined {
  for (const name in body) {
    if (knows(call, name)) continue;
    return call.provider === "openai"
      ? invalidRequest(`Unknown parameter: '${name}'.`, name, "unknown_parameter")
      : invalidRequest(`Unrecognized request argument supplied: ${name}`);
  }
  return undefined;
}

function knows(call: Call, name: string): boolean {
  if (call.provider === "openai") return OPENAI_NAMES.has(name);
  const version = call.target.apiVersion;
  if (version === undefined) return AZURE_V1_NAMES.has(name);
  return AZURE_DATED_NAMES.has(name) && (SINCE[name] ?? "") <= version.slice(0, 10);
}

/** Parameters that the model itself refuses. Defaults are let pass, as the real models do. */
export function unsupportedByModel(call: Call, body: JsonObject): Failure | undefined {
  if (call.serving?.model.kind !== "reasoning") {
    return body.reasoning_effort === undefined ? undefined : unsupportedParameter("reasoning_effort");
  }
  if (body.max_tokens !== undefined && body.max_tokens !== null) {
    return unsupportedParameter("max_tokens", "max_completion_tokens");
  }
  for (const name of NOT_FOR_REASONING) {
    const value = body[name];
    if (value === undefined || value === null || value === false) continue;
    if ((name === "temperature" || name === "top_p") && value === 1) continue;
    if (name.endsWith("_penalty") && value === 0) continue;
    if (name !== "temperature") return unsupportedParameter(name);
    return openaiError(
      400,
      `Unsupported value: 'temperature' does not support ${String(value)} with this model. Only the default (1) value is supported.`,
      { param: name, code: "unsupported_value" },
    );
  }
  return undefined;
}

interface NumberRule {
  readonly least: number;
  readonly most: number;
  readonly whole?: boolean;
}

const NUMBERS: Readonly<Record<string, NumberRule>> = {
  temperature: { least: 0, most: 2 },
  top_p: { least: 0, most: 1 },
  presence_penalty: { least: -2, most: 2 },
  frequency_penalty: { least: -2, most: 2 },
  n: { least: 1, most: 128, whole: true },
  max_tokens: { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true },
  max_completion_tokens: { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true },
  top_logprobs: { least: 0, most: 20, whole: true },
  seed: { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER, whole: true },
};

/** Numbers of the wrong type or out of range. */
export function badNumber(body: JsonObject): Failure | undefined {
  for (const name in body) {
    const rule = NUMBERS[name];
    const value = body[name];
    if (rule === undefined || value === null) continue;
    if (typeof value !== "number" || (rule.whole && !Number.isInteger(value))) {
      const expected = rule.whole ? "an integer" : "a decimal";
      return invalidRequest(
        `Invalid type for '${name}': expected ${expected}, but got ${kindOf(value)} instead.`,
        name,
        "invalid_type",
      );
    }
    if (value < rule.least) return outOfRange(name, value, ">=", rule.least, "integer_below_min_value");
    if (value > rule.most) return outOfRange(name, value, "<=", rule.most, "integer_above_max_value");
  }
  return undefined;
}

function outOfRange(name: string, value: number, sign: string, bound: number, code: string): Failure {
  const decimal = NUMBERS[name]?.whole ? code : code.replace("integer", "decimal");
  return invalidRequest(
    `Invalid '${name}': expected a value ${sign} ${bound}, but got ${value} instead.`,
    name,
    decimal,
  );
}

export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return typeof value === "number" && !Number.isInteger(value) ? "a decimal number" : `a ${typeof value}`;
}
