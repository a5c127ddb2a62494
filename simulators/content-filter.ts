/** What does Azure say about the content of prompts and answers? */

import type { Failure } from "./errors.ts";

const SEVERITY_CATEGORIES = ["hate", "self_harm", "sexual", "violence"] as const;

interface Judgement {
  readonly filtered: boolean;
  readonly severity?: "safe" | "low" | "medium" | "high";
  readonly detected?: boolean;
}

export type Annotation = Readonly<Record<string, Judgement>>;

/** Nothing found. */
export const SAFE: Annotation = Object.fromEntries(
  SEVERITY_CATEGORIES.map((category) => [category, { filtered: false, severity: "safe" }]),
);

export const SAFE_PROMPT: Annotation = { ...SAFE, jailbreak: { filtered: false, detected: false } };

/** The answer still comes when the filter itself is down; this stands in place of its results. */
export const FILTER_OUTAGE = { error: { code: "content_filter_error", message: "The contents are not filtered" } };

/** A prompt's annotation in which `category` was refused. */
export function annotation(category: string): Annotation {
  const severe = (SEVERITY_CATEGORIES as readonly string[]).includes(category);
  const refused: Judgement = severe ? { filtered: true, severity: "medium" } : { filtered: true, detected: true };
  return { ...SAFE_PROMPT, [category]: refused };
}

const REFUSED_PROMPT =
  "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry. To learn more about our content filtering policies please read our documentation: https://go.microsoft.com/fwlink/?linkid=2198766";

/** The shapes in which a refused prompt is seen: chat today, chat before and images, v1 responses, and the documents' short one. */
const FORMS: Readonly<Record<string, (results: Annotation) => object>> = {
  innererror: (results) => ({
    message: REFUSED_PROMPT,
    type: null,
    param: "prompt",
    code: "content_filter",
    status: 400,
    innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: results },
  }),
  inner_error: (results) => ({
    inner_error: { code: "ResponsibleAIPolicyViolation", content_filter_results: results },
    code: "content_filter",
    message: REFUSED_PROMPT,
    param: "prompt",
    type: null,
  }),
  content_filters: (results) => ({
    message: REFUSED_PROMPT,
    type: "invalid_request_error",
    param: "prompt",
    code: "content_filter",
    content_filters: [{ blocked: true, source_type: "prompt", content_filter_results: results }],
  }),
  minimal: () => ({
    message: "The response was filtered",
    type: null,
    param: "prompt",
    code: "content_filter",
    status: 400,
  }),
};

export function filterError(form: string, results: Annotation): Failure {
  const build = FORMS[form];
  if (!build) throw new Error(`Unknown content filter form "${form}"; known are ${Object.keys(FORMS).join(", ")}.`);
  return { kind: "failure", status: 400, body: { error: build(results) } };
}
