/**
 * Is a value shaped as its schema says?
 *
 * The same checks in the same words as the API server's:
 * https://github.com/kubernetes/kube-openapi/tree/master/pkg/validation/validate
 * Every type must be one that the schema allows; bounds apply to values of their own type only.
 */

import { isObject, type JsonObject, jsonType, type Problem, type Schema } from "./types.ts";
import * as say from "./wording.ts";

/** More would help nobody, and a hostile file must not make a million sentences. */
export const MAX_PROBLEMS = 100;

/** Adds to `problems` what is wrong with the value at `path`. */
export function checkShape(schema: Schema, value: unknown, path: string, problems: Problem[]): void {
  if (problems.length >= MAX_PROBLEMS) return;
  const type = jsonType(value);
  if (schema.type !== undefined && schema.type !== type) problems.push(say.wrongType(path, schema.type, type));
  if (schema.not?.enum.includes(value as string | boolean)) problems.push(say.mustNotMatch(path));
  if (typeof value === "string") checkString(schema, value, path, problems);
  if (typeof value === "number") checkNumber(schema, value, path, problems);
  if (Array.isArray(value)) checkList(schema, value, path, problems);
  if (schema.enum !== undefined && !schema.enum.includes(value as string | boolean)) {
    problems.push(say.unsupported(path, value, schema.enum));
  }
  if (isObject(value)) checkObject(schema, value, path, problems);
}

function checkString(schema: Schema, value: string, path: string, problems: Problem[]): void {
  const { maxLength, minLength, pattern } = schema;
  if (maxLength !== undefined && isLongerThan(value, maxLength)) {
    problems.push(say.tooLong(path, maxLength));
  } else if (minLength !== undefined && !isLongerThan(value, minLength - 1)) {
    problems.push(say.shouldBe(path, value, `be at least ${minLength} chars long`));
  } else if (pattern !== undefined && !regExp(pattern).test(value)) {
    problems.push(say.shouldBe(path, value, `match '${pattern}'`));
  }
}

/** Counts Unicode characters, and no more of them than needed. */
function isLongerThan(value: string, max: number): boolean {
  if (value.length <= max) return false;
  return value.length > 2 * max || [...value].length > max;
}

const regExps = new Map<string, RegExp>();

function regExp(pattern: string): RegExp {
  let compiled = regExps.get(pattern);
  if (compiled === undefined) {
    compiled = new RegExp(pattern, "u");
    regExps.set(pattern, compiled);
  }
  return compiled;
}

function checkNumber(schema: Schema, value: number, path: string, problems: Problem[]): void {
  const { minimum, maximum } = schema;
  if (minimum !== undefined && value < minimum) problems.push(say.outOfBounds(path, value, "greater", minimum));
  if (maximum !== undefined && value > maximum) problems.push(say.outOfBounds(path, value, "less", maximum));
}

function checkList(schema: Schema, list: readonly unknown[], path: string, problems: Problem[]): void {
  const { items, minItems, maxItems } = schema;
  if (minItems !== undefined && list.length < minItems) {
    problems.push(say.shouldBe(path, list.length, `have at least ${minItems} items`));
  }
  if (maxItems !== undefined && list.length > maxItems) problems.push(say.tooMany(path, list.length, maxItems));
  if (items === undefined) return;
  for (const [i, item] of list.entries()) checkShape(items, item, `${path}[${i}]`, problems);
}

function checkObject(schema: Schema, object: JsonObject, path: string, problems: Problem[]): void {
  const { properties = {}, required = [], minProperties, maxProperties } = schema;
  const size = Object.keys(object).length;
  if (minProperties !== undefined && size < minProperties) {
    problems.push(say.shouldBe(path, size, `have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && size > maxProperties) problems.push(say.tooMany(path, size, maxProperties));
  for (const [name, property] of Object.entries(properties)) {
    if (Object.hasOwn(object, name)) checkShape(property, object[name], join(path, name), problems);
  }
  for (const name of required) {
    if (!Object.hasOwn(object, name)) problems.push(say.required(join(path, name)));
  }
}

export function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** Adds what is listed twice where the schema makes a list a map or a set. */
export function checkListTypes(schema: Schema, value: unknown, path: string, problems: Problem[]): void {
  if (problems.length >= MAX_PROBLEMS) return;
  if (isObject(value)) {
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      checkListTypes(property, value[name], join(path, name), problems);
    }
  }
  if (!Array.isArray(value) || schema.items === undefined) return;
  const keys = schema["x-kubernetes-list-map-keys"];
  const kind = schema["x-kubernetes-list-type"];
  if (kind === "set") checkUnique(value, path, (item) => item, problems);
  if (kind === "map" && keys !== undefined) checkListMap(value, path, keys, problems);
  for (const [i, item] of value.entries()) checkListTypes(schema.items, item, `${path}[${i}]`, problems);
}

function checkListMap(list: readonly unknown[], path: string, keys: readonly string[], problems: Problem[]): void {
  const stranger = list.findIndex((item) => item !== null && !isObject(item));
  if (stranger === -1) checkUnique(list, path, (item) => keyOf(item, keys), problems);
  else
    problems.push(
      say.invalid(`${path}[${stranger}]`, list[stranger], "must be an object for an array of list-type map"),
    );
}

function keyOf(item: unknown, keys: readonly string[]): JsonObject {
  if (!isObject(item)) return {};
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(item, key)).map((key) => [key, item[key]]));
}

/** The second appearance is told, a third one not again. */
function checkUnique(
  list: readonly unknown[],
  path: string,
  identity: (item: unknown) => unknown,
  problems: Problem[],
): void {
  const seen = new Map<string, number>();
  for (const [i, item] of list.entries()) {
    const value = identity(item);
    const text = say.json(value);
    const times = (seen.get(text) ?? 0) + 1;
    seen.set(text, times);
    if (times === 2 && problems.length < MAX_PROBLEMS) problems.push(say.duplicate(`${path}[${i}]`, value));
  }
}
