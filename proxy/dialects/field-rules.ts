/**
 * Which fields of a request can which target not take, and what becomes of them there?
 *
 * A target is a provider's form of the API and the model behind it. Three things can happen, each said aloud
 * (`x-tandem-changed`, the trace, the access log):
 *
 * - `drop`: the field asks for nothing that shows in the answer (caching, labels, speed): the request goes without it.
 * - `rename`: the target has the same thing under another name. Where the body has both, the target's own name stays.
 * - `refuse`: without the field it would be another request. The backend is passed over; when none is left, 400.
 *
 * Every other field passes byte for byte, known here or not, and no value is ever changed: what a provider refuses
 * itself, it refuses in its own words. That is why the sampling fields that reasoning models refuse (`temperature`,
 * `top_p`, the penalties, `logprobs`, `logit_bias`) do not stand here. Dropping them would answer a caller who asked for
 * temperature 0 as if nothing had been asked; refusing them would be wrong since gpt-5.1, which takes them at effort
 * `none`; and the provider's own 400 names the field and the fix (`unsupported_value`).
 *
 * Sources, where a row names none: the OpenAPI documents of OpenAI (2026-08), Azure v1 (2026-02) and Azure
 * 2025-03-01-preview, compared field by field; for dates Azure's api-version-lifecycle.md. Azure's v1 takes more than its
 * document says: `prompt_cache_key` and `prompt_cache_retention` (foundry/openai/how-to/prompt-caching.md, 2026),
 * `service_tier` (priority-processing.md) and `verbosity` (reasoning.md) pass there.
 */
import type { ModelKind } from "./base-models.ts";

export interface FieldRule {
  readonly operations: readonly string[];
  readonly fields: readonly string[];
  readonly on: Form;
  /** Only for models of this kind, or only for those that are not known to be of it. Left out: for every model. */
  readonly models?: { readonly are: ModelKind } | { readonly areNot: ModelKind };
  readonly action: "drop" | "refuse" | { readonly rename: string };
  /** Values as JSON text that ask for nothing here, so that the field is dropped instead of refused. `null` always is. */
  readonly idle?: readonly string[];
  /** A clause that stands behind the target's name. */
  readonly because: string;
}

/** A form of the API. `before`: Azure's dated versions before that day. */
export type Form = "any" | "OpenAI" | "Azure" | "Azure dated" | { readonly before: string };

const CHAT = "chat/completions";
const RESPONSES = "responses";

/** The first rule for a field that fits the target decides. */
export const FIELD_RULES: readonly FieldRule[] = [
  {
    operations: [CHAT],
    fields: ["max_tokens"],
    on: "any",
    models: { are: "reasoning" },
    action: { rename: "max_completion_tokens" },
    because: "reasoning models know the limit by its new name only",
  },
  {
    operations: [CHAT],
    fields: ["max_completion_tokens"],
    on: { before: "2024-09-01" },
    models: { areNot: "reasoning" },
    action: { rename: "max_tokens" },
    because: "this api-version knows the limit by its old name only",
  },

  {
    operations: [CHAT],
    fields: ["data_sources"],
    on: "OpenAI",
    action: "refuse",
    because: "only Azure OpenAI answers from data sources",
  },
  {
    operations: [CHAT],
    fields: ["user_security_context"],
    on: "OpenAI",
    action: "drop",
    because: "only Microsoft Defender reads it",
  },

  {
    operations: [CHAT],
    fields: ["web_search_options"],
    on: "Azure",
    action: "refuse",
    because: "chat/completions has no web search there",
  },
  {
    operations: [CHAT, RESPONSES],
    fields: ["moderation"],
    on: "Azure",
    action: "refuse",
    because: "answers carry no moderation results there, only Azure's own filter results",
  },
  {
    operations: [CHAT, RESPONSES],
    fields: ["safety_identifier", "prompt_cache_options"],
    on: "Azure",
    action: "drop",
    because: "it has no such field, and the answer does not depend on it",
  },
  {
    operations: [CHAT, RESPONSES],
    fields: ["prompt_cache_key", "prompt_cache_retention"],
    on: "Azure dated",
    action: "drop",
    because: "dated api-versions have no such field, and the answer does not depend on it",
  },
  {
    operations: [CHAT, RESPONSES],
    fields: ["service_tier"],
    on: "Azure dated",
    action: "drop",
    because: "dated api-versions have one tier, the deployment's",
  },

  {
    operations: [RESPONSES],
    fields: ["conversation"],
    on: "Azure",
    action: "refuse",
    because: "it keeps no conversations",
  },
  {
    // https://github.com/BerriAI/litellm drops it for Azure as well. Without it an input that is too long is refused.
    operations: [RESPONSES],
    fields: ["context_management"],
    on: "Azure",
    action: "drop",
    because: "it does not compact contexts by itself",
  },
  {
    // Of responses it holds nothing but `include_obfuscation`, the padding of events.
    operations: [RESPONSES],
    fields: ["stream_options"],
    on: "Azure",
    action: "drop",
    because: "it has no such field, and the answer does not depend on it",
  },
  {
    operations: [RESPONSES],
    fields: ["background"],
    on: { before: "2025-04-01" },
    action: "refuse",
    idle: ["false"],
    because: "this api-version has no background mode",
  },
  {
    operations: [RESPONSES],
    fields: ["prompt", "max_tool_calls", "top_logprobs"],
    on: { before: "2025-04-01" },
    action: "refuse",
    because: "this api-version has no such field",
  },

  {
    operations: [CHAT],
    fields: ["stream_options"],
    on: { before: "2024-09-01" },
    action: "drop",
    because: "this api-version does not count the tokens of streams",
  },
  {
    operations: ["completions"],
    fields: ["stream_options"],
    on: "Azure dated",
    action: "drop",
    because: "dated api-versions do not count the tokens of streamed completions",
  },
  {
    operations: [CHAT],
    fields: ["parallel_tool_calls"],
    on: { before: "2024-09-01" },
    action: "refuse",
    idle: ["true"],
    because: "this api-version cannot keep a model from calling several tools at once",
  },
  {
    operations: [CHAT],
    fields: ["store", "metadata"],
    on: { before: "2024-12-01" },
    action: "drop",
    because: "this api-version stores no completions, and the answer does not depend on it",
  },
  {
    operations: [CHAT],
    fields: ["user_security_context"],
    on: { before: "2024-12-01" },
    action: "drop",
    because: "this api-version does not hand it to Microsoft Defender, and the answer does not depend on it",
  },
  {
    operations: [CHAT],
    fields: ["reasoning_effort"],
    on: { before: "2024-12-01" },
    action: "refuse",
    because: "this api-version has no such field",
  },
  {
    operations: [CHAT],
    fields: ["prediction"],
    on: { before: "2025-01-01" },
    action: "drop",
    because: "this api-version cannot be sped up so, and the answer does not depend on it",
  },
  {
    operations: [CHAT],
    fields: ["modalities"],
    on: { before: "2025-01-01" },
    action: "refuse",
    idle: ['["text"]'],
    because: "this api-version answers in text alone",
  },
  {
    operations: [CHAT],
    fields: ["audio"],
    on: { before: "2025-01-01" },
    action: "refuse",
    because: "this api-version answers in text alone",
  },
  {
    operations: [CHAT],
    fields: ["verbosity"],
    on: { before: "2025-04-01" },
    action: "refuse",
    idle: ['"medium"'],
    because: "this api-version has no such field",
  },
];
