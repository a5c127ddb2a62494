/**
 * What happens to the fields of this request at this target?
 *
 * The rules that can apply to an operation at a target are picked out once (`fieldRulesFor`); a request then costs one
 * look-up for each field that was read of it, and nothing where no rule can apply.
 */
import type { Model, Provider } from "../../routing/table.ts";
import type { BodyScan } from "../body/scan.ts";
import type { FieldEdit } from "../body/splice.ts";
import { kindOf } from "./base-models.ts";
import { FIELD_RULES, type FieldRule, type Form } from "./field-rules.ts";

/** By the field's name. */
export type FieldRules = ReadonlyMap<string, FieldRule>;

export interface FieldTarget {
  readonly provider: Provider;
  readonly model: Model;
  /** The gateway's name of the model. */
  readonly modelName: string;
  readonly upstreamModel: string;
}

export interface Changes {
  readonly edits: readonly FieldEdit[];
  /** For people: `max_tokens=max_completion_tokens, store=dropped`. Names of the rules alone, never a caller's text. */
  readonly note: string;
}

/** Values longer than this as written are not compared with those that ask for nothing. */
const LONGEST_IDLE_BYTES = 64;
const NULL = "null";

/** Every field that a rule may ask for. */
export const RULED_FIELDS: readonly string[] = [
  ...new Set(FIELD_RULES.flatMap(({ fields, action }) => [...fields, ...renamedTo(action)])),
];

/** The rules for an operation (its name) at a target; undefined when there are none. */
export function fieldRulesFor(operation: string, target: FieldTarget): FieldRules | undefined {
  const rules = new Map<string, FieldRule>();
  for (const rule of FIELD_RULES) {
    if (!rule.operations.includes(operation) || !isOf(rule.on, target) || !fitsModel(rule, target)) continue;
    for (const field of rule.fields) if (!rules.has(field)) rules.set(field, rule);
  }
  return rules.size === 0 ? undefined : rules;
}

/** The first field of the body that this target refuses, and why. */
export function refusedField(
  rules: FieldRules | undefined,
  body: BodyScan,
): { readonly field: string; readonly because: string } | undefined {
  if (!rules) return undefined;
  for (const field of body.fields.keys()) {
    const rule = rules.get(field);
    if (rule?.action === "refuse" && !isIdle(rule, field, body)) return { field, because: rule.because };
  }
  return undefined;
}

/** What must be changed for this target; undefined when the body can go as it is. */
export function changesFor(rules: FieldRules | undefined, body: BodyScan): Changes | undefined {
  if (!rules) return undefined;
  let edits: FieldEdit[] | undefined;
  const notes: string[] = [];
  for (const field of body.fields.keys()) {
    const rule = rules.get(field);
    if (!rule) continue;
    const to = typeof rule.action === "object" ? rule.action.rename : undefined;
    const isRenamed = to !== undefined && !body.fields.has(to);
    edits ??= [];
    edits.push(
      isRenamed ? { field, action: "rename", to: Buffer.from(JSON.stringify(to)) } : { field, action: "remove" },
    );
    notes.push(`${field}=${isRenamed ? to : "dropped"}`);
  }
  return edits && { edits, note: notes.join(", ") };
}

/**
 * Fields that must not turn up any more in the part of a body that is only passed on, since nothing can be done to them
 * there: those with a rule, and the new name of one that has been renamed.
 */
export function tooLateFields(rules: FieldRules, body: BodyScan): ReadonlySet<string> {
  const names = [...rules].flatMap(([field, { action }]) =>
    body.fields.has(field) ? [field, ...renamedTo(action)] : [field],
  );
  return new Set(names);
}

function renamedTo(action: FieldRule["action"]): readonly string[] {
  return typeof action === "object" ? [action.rename] : [];
}

function isOf(form: Form, { provider, model }: FieldTarget): boolean {
  if (form === "any") return true;
  if (form === "OpenAI" || provider.type === "OpenAI") return form === provider.type;
  const version = model.apiVersion ?? provider.apiVersion ?? "v1";
  if (form === "Azure") return true;
  if (version === "v1") return false;
  return form === "Azure dated" || version.slice(0, form.before.length) < form.before;
}

function fitsModel({ models }: FieldRule, target: FieldTarget): boolean {
  if (!models) return true;
  const byName = target.provider.type === "OpenAI" ? target.upstreamModel : target.modelName;
  const kind = kindOf(target.model.baseModel ?? byName);
  return "are" in models ? kind === models.are : kind !== models.areNot;
}

function isIdle({ idle = [] }: FieldRule, field: string, body: BodyScan): boolean {
  const place = body.fields.get(field);
  if (!place || place.end - place.start > LONGEST_IDLE_BYTES) return false;
  const written = body.slice(place.start, place.end).toString("utf8");
  try {
    const value = JSON.stringify(JSON.parse(written));
    return value === NULL || idle.includes(value);
  } catch {
    return false;
  }
}
