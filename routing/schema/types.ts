/** What can a schema of ours say? The part of a structural OpenAPI schema that the CRDs use. */

export interface Schema {
  readonly type?: "object" | "array" | "string" | "integer" | "boolean";
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly (string | boolean)[];
  readonly not?: { readonly enum: readonly (string | boolean)[] };
  readonly default?: unknown;
  readonly "x-kubernetes-validations"?: readonly Rule[];
  readonly "x-kubernetes-list-type"?: "map" | "set" | "atomic";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** A rule in CEL over `self`. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  /** Where the sentence points, relative to the schema with the rule: `.endpoint`. */
  readonly fieldPath?: string;
  readonly reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired";
}

/** One thing that is wrong with an object. */
export interface Problem {
  /** Such as `spec.backends[0].weight`. Empty when the object as a whole is meant. */
  readonly path: string;
  /** The whole sentence, path included, in the API server's words. */
  readonly message: string;
  /** What refused it: the shape of the schema, one of its rules, or that no such field exists. */
  readonly kind: "schema" | "rule" | "unknownField";
}

export type JsonType = "null" | "boolean" | "integer" | "number" | "string" | "array" | "object";

/** Beyond this the API server reads a JSON number as a float: its integers have 64 bits. */
const FIRST_NUMBER_TOO_LARGE = 2 ** 63;

export function jsonType(value: unknown): JsonType {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  switch (typeof value) {
    case "boolean":
      return "boolean";
    case "number":
      return Number.isInteger(value) && Math.abs(value) < FIRST_NUMBER_TOO_LARGE ? "integer" : "number";
    case "bigint":
      return "integer";
    case "object":
      return "object";
    default:
      return "string";
  }
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return jsonType(value) === "object";
}
