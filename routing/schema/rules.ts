/**
 * Which of the schema's CEL rules does a value break?
 *
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
 * Rules over `oldSelf` speak of a change and are not asked here.
 */

import { compileRule } from "../cel.ts";
import { join, MAX_PROBLEMS } from "./structural.ts";
import { isObject, jsonType, type Problem, type Rule, type Schema } from "./types.ts";
import * as say from "./wording.ts";

/** Adds to `problems` the rules that the value breaks. Its shape must have been checked. */
export function checkRules(schema: Schema, value: unknown, path: string, problems: Problem[]): void {
  if (hasRules(schema)) walk(schema, value, asCel(schema, value), path, problems);
}

/**
 * The value as CEL sees it: integers are 64-bit and no doubles. What is not of its schema's type is left out, so no rule
 * meets a shape that it was not written for.
 */
function asCel(schema: Schema, value: unknown): unknown {
  if (schema.type !== jsonType(value)) return undefined;
  if (typeof value === "number") return BigInt(value);
  if (Array.isArray(value)) return value.map((item) => asCel(schema.items ?? {}, item));
  if (!isObject(value)) return value;
  const map: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const item = asCel(property, value[name]);
    if (item !== undefined) map[name] = item;
  }
  return map;
}

/** `self` is the value as CEL sees it. */
function walk(schema: Schema, value: unknown, self: unknown, path: string, problems: Problem[]): void {
  if (self === undefined) return;
  for (const rule of currentRules(schema)) {
    if (problems.length < MAX_PROBLEMS) check(rule, schema, value, self, path, problems);
  }
  if (Array.isArray(value) && Array.isArray(self)) {
    const { items } = schema;
    if (items === undefined || !hasRules(items)) return;
    for (const [i, item] of value.entries()) walk(items, item, self[i], `${path}[${i}]`, problems);
  } else if (isObject(value) && isObject(self)) {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      if (value[name] === undefined || !hasRules(property)) continue;
      walk(property, value[name], self[name], join(path, name), problems);
    }
  }
}

function check(rule: Rule, schema: Schema, value: unknown, self: unknown, path: string, problems: Problem[]): void {
  const result = compileRule(rule.rule)(self);
  if (result === true) return;
  // A rule that cannot be asked reads a field that is missing or of a value that is not allowed: that was told already.
  if (result === undefined) return;
  const at = `${path}${rule.fieldPath ?? ""}`;
  const isScalar = schema.type !== "object" && schema.type !== "array";
  problems.push({ ...word(rule, at, isScalar, value), kind: "rule" });
}

function word(rule: Rule, path: string, isScalar: boolean, value: unknown): Problem {
  switch (rule.reason) {
    case "FieldValueRequired":
      return say.required(path, rule.message);
    case "FieldValueForbidden":
      return say.forbidden(path, rule.message);
    default:
      return isScalar ? say.invalid(path, value, rule.message) : say.invalidWithoutValue(path, rule.message);
  }
}

const NO_RULES: readonly Rule[] = [];
const rulesBySchema = new WeakMap<Schema, readonly Rule[]>();

function currentRules(schema: Schema): readonly Rule[] {
  const rules = schema["x-kubernetes-validations"];
  if (rules === undefined) return NO_RULES;
  let current = rulesBySchema.get(schema);
  if (current === undefined) {
    current = rules.filter(({ rule }) => !/\boldSelf\b/.test(rule));
    rulesBySchema.set(schema, current);
  }
  return current;
}

const schemasWithRules = new WeakMap<Schema, boolean>();

function hasRules(schema: Schema): boolean {
  let known = schemasWithRules.get(schema);
  if (known === undefined) {
    const children = [...Object.values(schema.properties ?? {}), ...(schema.items === undefined ? [] : [schema.items])];
    known = currentRules(schema).length > 0 || children.some(hasRules);
    schemasWithRules.set(schema, known);
  }
  return known;
}
