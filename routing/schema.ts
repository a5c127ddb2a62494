/**
 * Would the API server take this object, and what would it say?
 *
 * The CRDs' own schemas and rules, interpreted without a cluster: the same verdict in the same words. Pure, and total:
 * any value gets an answer.
 */

import type { TandemObject } from "./objects.generated.ts";
import { checkMetadata, keptMetadata } from "./schema/metadata.ts";
import { prepare } from "./schema/prepare.ts";
import { checkRules } from "./schema/rules.ts";
import { checkListTypes, checkShape } from "./schema/structural.ts";
import { isObject, type JsonObject, type Problem, type Schema } from "./schema/types.ts";
import * as say from "./schema/wording.ts";
import { SCHEMA_TEXTS } from "./schemas.generated.ts";
import type { Kind } from "./verdict.ts";

export type { Problem } from "./schema/types.ts";

export interface Validated {
  /**
   * With defaults filled in and unknown fields gone. Absent when something is wrong with it beside unknown fields, which
   * the API server refuses or drops as the client asks.
   */
  readonly object?: TandemObject;
  readonly problems: readonly Problem[];
}

const API_VERSION = "tandem.dev/v1alpha1";

/**
 * Judges an object of one of the three kinds as a creation would be. Where the API server stops at the first group of
 * mistakes (unknown fields, shape, rules), all are told here.
 */
export function validateObject(object: unknown): Validated {
  if (!isObject(object)) return { problems: [say.wrongType("", "object", Array.isArray(object) ? "array" : "scalar")] };
  const kind = kindOf(object);
  if (kind === undefined) return { problems: [say.unsupported("kind", object.kind, Object.keys(SCHEMA_TEXTS))] };
  if (object.apiVersion !== API_VERSION) {
    return { problems: [say.unsupported("apiVersion", object.apiVersion, [API_VERSION])] };
  }
  return validateKind(schemaOf(kind), object);
}

function validateKind(schema: Schema, object: JsonObject): Validated {
  const unknownFields: Problem[] = [];
  const shape: Problem[] = [];
  const rules: Problem[] = [];
  const { metadata, status, ...rest } = object;
  const prepared = prepare(schema, rest, "", unknownFields) as JsonObject;
  checkMetadata(metadata, unknownFields, shape);
  checkShape(schema, { ...prepared, metadata: isObject(metadata) ? metadata : {} }, "", shape);
  checkListTypes(schema, prepared, "", shape);
  if (!shape.some(isTooLarge)) checkRules(schema, prepared, "", rules);
  const problems = [...unknownFields, ...shape, ...rules];
  if (shape.length + rules.length > 0) return { problems };
  const whole = { ...prepared, metadata: keptMetadata(metadata), ...keptStatus(schema, status) };
  return { object: whole as unknown as TandemObject, problems };
}

/** Values beyond their bounds are not handed to the rules, whose cost rests on these bounds. */
function isTooLarge({ message }: Problem): boolean {
  return message.includes(": Too long: ") || message.includes(": Too many: ");
}

/** Status is not judged: a creation drops it, and what the API server hands out fits. What does not fit is left out. */
function keptStatus(schema: Schema, status: unknown): { readonly status?: unknown } {
  const statusSchema = schema.properties?.status;
  if (statusSchema === undefined || !isObject(status)) return {};
  const problems: Problem[] = [];
  const prepared = prepare(statusSchema, status, "status", []);
  checkShape(statusSchema, prepared, "status", problems);
  return problems.length === 0 ? { status: prepared } : {};
}

function kindOf(object: JsonObject): Kind | undefined {
  const { kind } = object;
  return typeof kind === "string" && Object.hasOwn(SCHEMA_TEXTS, kind) ? (kind as Kind) : undefined;
}

const schemas = new Map<Kind, Schema>();

function schemaOf(kind: Kind): Schema {
  let schema = schemas.get(kind);
  if (schema === undefined) {
    schema = JSON.parse(SCHEMA_TEXTS[kind]) as Schema;
    schemas.set(kind, schema);
  }
  return schema;
}
