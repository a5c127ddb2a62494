/**
 * How does a schema of OpenAPI look as plain JSON Schema?
 *
 * `nullable` becomes a type, references point at `#/schemas/`, a recursion is a reference to itself; what says nothing about
 * validity is left out.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** What constrains a value. Everything else is for people or generators of code. */
const KEPT = new Set([
  ...["type", "enum", "const", "format", "pattern", "required", "uniqueItems"],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  ...["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"],
]);
/** `oneOf` is read as `anyOf`: a whole answer of the verbose form is one of the short form too, and both are meant. */
const SCHEMA_LISTS: Readonly<Record<string, string>> = { allOf: "allOf", anyOf: "anyOf", oneOf: "anyOf" };
const SCHEMA_MAPS = new Set(["properties", "patternProperties"]);
const SUB_SCHEMAS = new Set(["items", "additionalProperties", "not", "propertyNames"]);

/** `name` is the schema's own among the components. */
export function plainSchema(schema: Json, name = ""): Json {
  if (!isObject(schema)) return schema;
  const plain: Record<string, Json> = {};
  for (const [key, value] of Object.entries(schema)) {
    const kept = plainKeyword(key, value, name);
    if (kept === undefined) continue;
    const plainKey = key === "$recursiveRef" ? "$ref" : (SCHEMA_LISTS[key] ?? key);
    if (plainKey in plain) throw new Error(`${name} has ${plainKey} twice`);
    plain[plainKey] = kept;
  }
  exclusive(plain, "minimum", "exclusiveMinimum");
  exclusive(plain, "maximum", "exclusiveMaximum");
  return schema.nullable === true ? nullable(plain) : plain;
}

function plainKeyword(key: string, value: Json, name: string): Json | undefined {
  if (key === "$ref") return (value as string).replace("#/components/schemas/", "#/schemas/");
  if (key === "$recursiveRef") return `#/schemas/${name}`;
  if (KEPT.has(key)) return value;
  if (key in SCHEMA_LISTS) return (value as readonly Json[]).map((one) => plainSchema(one, name));
  if (SCHEMA_MAPS.has(key)) {
    const entries = Object.entries(value as JsonObject);
    return Object.fromEntries(entries.map(([property, one]) => [property, plainSchema(one, name)]));
  }
  return SUB_SCHEMAS.has(key) ? plainSchema(value, name) : undefined;
}

/** OpenAPI 3.0 says `exclusiveMinimum: true` beside `minimum`, JSON Schema says the number. */
function exclusive(schema: Record<string, Json>, bound: string, keyword: string): void {
  if (typeof schema[keyword] !== "boolean") return;
  if (schema[keyword] && schema[bound] !== undefined) {
    schema[keyword] = schema[bound];
    delete schema[bound];
  } else delete schema[keyword];
}

function nullable(schema: Record<string, Json>): Json {
  const { type, enum: values } = schema;
  if (type === undefined) return { anyOf: [{ type: "null" }, schema] };
  const types = Array.isArray(type) ? type : [type];
  return {
    ...schema,
    type: types.includes("null") ? types : [...types, "null"],
    ...(Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {}),
  };
}

function isObject(value: Json): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
