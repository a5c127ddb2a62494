/**
 * What becomes of an object before it is judged? Fields that the schema does not know are told and dropped, nulls count
 * as absent, defaults are filled in: the same as in the API server, in this order.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning
 */

import { join, MAX_PROBLEMS } from "./structural.ts";
import { isObject, type JsonObject, type Problem, type Schema } from "./types.ts";
import * as say from "./wording.ts";

/** A copy of what the schema knows; its depth is the schema's, whatever stands in the value. */
export function prepare(schema: Schema, value: unknown, path: string, problems: Problem[]): unknown {
  if (Array.isArray(value) && schema.items !== undefined) {
    const { items } = schema;
    return value.map((item, i) => prepare(items, item, `${path}[${i}]`, problems));
  }
  if (!isObject(value) || schema["x-kubernetes-preserve-unknown-fields"]) return value;
  return prepareObject(schema, value, path, problems);
}

function prepareObject(schema: Schema, object: JsonObject, path: string, problems: Problem[]): JsonObject {
  const { properties = {} } = schema;
  const prepared: Record<string, unknown> = {};
  for (const name of Object.keys(object)) {
    if (Object.hasOwn(properties, name) || problems.length >= MAX_PROBLEMS) continue;
    problems.push(say.unknownField(join(path, name)));
  }
  for (const [name, property] of Object.entries(properties)) {
    const given = Object.hasOwn(object, name) ? object[name] : undefined;
    const value = given ?? property.default;
    if (value !== undefined) prepared[name] = prepare(property, value, join(path, name), problems);
  }
  return prepared;
}
