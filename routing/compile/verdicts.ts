/**
 * How are the compiler's findings told to the owner of an object?
 */
import type { Condition, Verdict } from "../verdict.ts";
import { pinnedCondition } from "./pins.ts";
import type { AnyDraft, Finding } from "./world.ts";

/** Beyond this many findings the rest is only counted. */
const MAX_FINDINGS = 8;

export function verdictOf(draft: AnyDraft): Verdict {
  return {
    kind: draft.kind,
    namespace: draft.namespace,
    name: draft.name,
    generation: draft.generation,
    conditions: [accepted(draft), resolvedRefs(draft), ...pinned(draft)],
    columns: draft.columns,
  };
}

function pinned(draft: AnyDraft): readonly Condition[] {
  const condition = "form" in draft ? pinnedCondition(draft) : undefined;
  return condition === undefined ? [] : [condition];
}

function accepted(draft: AnyDraft): Condition {
  const [first] = draft.rejected;
  if (first === undefined) {
    return { type: "Accepted", status: "True", reason: "Accepted", message: sentences(draft.notes) };
  }
  const messages = draft.rejected.map((finding) => finding.message);
  if ("form" in draft && draft.form === "Last") {
    messages.push(`The last accepted form stays in force for ${draft.claims.join(", ")}`);
  }
  return { type: "Accepted", status: "False", reason: first.reason, message: sentences(messages) };
}

function resolvedRefs(draft: AnyDraft): Condition {
  const [first] = draft.unresolved;
  if (first !== undefined) {
    const message = sentences(draft.unresolved.map((finding: Finding) => finding.message));
    return { type: "ResolvedRefs", status: "False", reason: first.reason, message };
  }
  const wasChecked = draft.spec !== undefined || ("form" in draft && draft.form === "Last");
  return wasChecked
    ? { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "" }
    : { type: "ResolvedRefs", status: "Unknown", reason: "NotChecked", message: "Not checked: see Accepted." };
}

function sentences(messages: readonly string[]): string {
  const shown = messages.slice(0, MAX_FINDINGS).map((message) => message.replace(/\.?$/, "."));
  const rest = messages.length - shown.length;
  return [...shown, ...(rest > 0 ? [`And ${rest} more.`] : [])].join(" ");
}
