/**
 * Is a text the JSON that the request asked for?
 *
 * Not a validator: types, required members, allowed values and forbidden members, which is what structured outputs can
 * say. What a schema says beside that is taken to hold, and so is what lies deeper than providers allow.
 */

type Json = Readonly<Record<string, unknown>>;

/** What `response_format` (chat) or `text.format` (responses) asks for. */
export type Format = { readonly type: "json_object" } | { readonly type: "json_schema"; readonly schema: unknown };

/** Structured outputs take ten levels (OpenAI); references may add some. */
const DEEPEST = 24;

/** Undefined: text as it comes. */
export function formatIn(value: unknown): Format | undefined {
  if (!isObject(value)) return undefined;
  if (value.type === "json_object") return { type: "json_object" };
  if (value.type !== "json_schema") return undefined;
  const holder = isObject(value.json_schema) ? value.json_schema : value;
  return { type: "json_schema", schema: holder.schema };
}

export function fitsFormat(text: string, format: Format): boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  return format.type === "json_object" ? isObject(value) : fits(value, format.schema, format.schema, 0);
}

function fits(value: unknown, schema: unknown, root: unknown, depth: number): boolean {
  if (!isObject(schema) || depth > DEEPEST) return true;
  if (typeof schema.$ref === "string") return fits(value, referred(root, schema.$ref), root, depth + 1);
  if (Array.isArray(schema.anyOf) && !schema.anyOf.some((one) => fits(value, one, root, depth + 1))) return false;
  if (Array.isArray(schema.enum) && !schema.enum.some((one) => isSame(one, value))) return false;
  if (schema.const !== undefined && !isSame(schema.const, value)) return false;
  if (schema.type !== undefined && !hasType(value, schema.type)) return false;
  if (Array.isArray(value)) return value.every((item) => fits(item, schema.items, root, depth + 1));
  return !isObject(value) || membersFit(value, schema, root, depth);
}

function membersFit(value: Json, schema: Json, root: unknown, depth: number): boolean {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  if (!required.every((name) => typeof name === "string" && Object.hasOwn(value, name))) return false;
  return Object.entries(value).every(([name, member]) => {
    if (Object.hasOwn(properties, name)) return fits(member, properties[name], root, depth + 1);
    return schema.additionalProperties !== false;
  });
}

/** `#/$defs/step`; what cannot be found allows everything. */
function referred(root: unknown, reference: string): unknown {
  if (!reference.startsWith("#")) return undefined;
  let found = root;
  for (const name of reference.slice(1).split("/").filter(Boolean)) {
    found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  }
  return found;
}

function hasType(value: unknown, type: unknown): boolean {
  return Array.isArray(type) ? type.some((one) => isOfType(value, one)) : isOfType(value, type);
}

function isOfType(value: unknown, type: unknown): boolean {
  if (type === "array") return Array.isArray(value);
  if (type === "null") return value === null;
  if (type === "object") return isObject(value);
  if (type === "integer") return Number.isInteger(value);
  return type === "string" || type === "number" || type === "boolean" ? typeof value === type : true;
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
