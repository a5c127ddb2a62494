/** How do people read what becomes of which field? As a table, made from the proxy's own. */
import { FIELD_RULES, type FieldRule, type Form } from "../proxy/dialects/field-rules.ts";

export function changedFieldsPage(): string {
  return [
    "<!-- Generated from proxy/dialects/field-rules.ts by `npm run generate`. Edit that, not this. -->",
    "",
    "# Fields that some provider cannot take",
    "",
    "A request passes byte for byte, fields that Tandem does not know included, but for what stands here. No value is ever changed. What was",
    "dropped or renamed for the provider that answered stands in the answer's header `x-tandem-changed`, such as",
    "`max_tokens=max_completion_tokens, store=dropped`, on the attempt's span (`tandem.attempt.changed`) and in the access log.",
    "",
    "A backend that would have to refuse a field is passed over (`failover:field_not_supported`); when no other is left, the answer is 400",
    "`unsupported_parameter` with the field, the providers and the reasons. Everything else is for the provider to refuse: its own 400 comes back.",
    "",
    "Which model a backend has is said by `spec.models[].baseModel` of the AIProvider, else by the model's name; exact names and their dated snapshots",
    "count, never what a name looks like.",
    "",
    "| field | of | at | becomes | because |",
    "|---|---|---|---|---|",
    ...FIELD_RULES.map(row),
    "",
    "Of a body that is larger than Tandem can keep (`limits.replayBytes`), such a field must come in the part that was read before it is sent; else",
    "the answer is 503 `overloaded`, to be asked again. The requests in a batch's file and the fields of forms go as they are.",
    "",
  ].join("\n");
}

function row({ operations, fields, on, models, action, idle = [], because }: FieldRule): string {
  const cells = [
    fields.map((field) => `\`${field}\``).join(", "),
    operations.map((operation) => `\`${operation}\``).join(", "),
    placeOf(on) + modelsOf(models),
    fateOf(action, idle),
    because,
  ];
  return `| ${cells.join(" | ")} |`;
}

function placeOf(form: Form): string {
  if (typeof form === "object") return `Azure before ${form.before}`;
  return form === "any" ? "both providers" : form === "Azure" ? "Azure, v1 and dated" : form;
}

function modelsOf(models: FieldRule["models"]): string {
  if (!models) return "";
  return "are" in models ? `, ${models.are} models` : `, other than ${models.areNot} models`;
}

function fateOf(action: FieldRule["action"], idle: readonly string[]): string {
  if (typeof action === "object") return `\`${action.rename}\``;
  if (action === "drop") return "dropped";
  const harmless = [...idle, "null"].map((value) => `\`${value}\``).join(" or ");
  return `refused; dropped when ${harmless}`;
}
