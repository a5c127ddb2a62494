/**
 * What may a value of this schema be?
 *
 * Chance by a seed: optional fields or not, one branch or another, texts that are hard to carry. Deep down only what is
 * required, so that recursion ends. What `not` forbids and bounds of joined parts are left to the validator: `validValue` asks
 * again with another seed.
 */
import type { Document } from "./documents.ts";
import type { Json, JsonObject } from "./plain-schema.ts";
import { Random } from "./random.ts";

type Schemas = Readonly<Record<string, JsonObject>>;

/** Below it nothing optional. */
const DEEP = 4;
/** Below it arrays are as short, and branches as small, as they may be. */
const DEEPEST = 8;
/** A schema that needs itself. */
const GIVE_UP = 40;
const MOST_ITEMS = 3;
/** How likely an optional property stands there. */
const OPTIONAL = 0.4;

/** What breaks who looks at bytes without care: quotes, escapes, letters of four bytes, words of the protocol. */
const TEXTS = [
  ...["", "a", "Hello, world", "gpt-4o", '"quoted" \\ and / so on', "line\nline\r\n\ttab"],
  ...[
    "größer als 𝔘nicode 👩‍🚀",
    "\u0000\u001f",
    "\u2028\u2029",
    "data: [DONE]\n\n",
    '{"model":"other"}',
    "_tdm",
    "x".repeat(300),
  ],
];
/** Of the few patterns in the documents: a text that fits. */
const FITTING: Readonly<Record<string, string>> = {
  "^[a-zA-Z0-9_-]+$": "a_Name-1",
  "^tunnel_[a-z0-9]{32}$": `tunnel_${"a1".repeat(16)}`,
};

/** Tries before a schema counts as one that no value fits. */
const TRIES = 50;

/** A value that the document's schema allows, always the same for a seed. */
export function validValue(document: Document, schema: JsonObject, seed: string): Json {
  let fault: string | undefined;
  for (let i = 0; i < TRIES; i++) {
    const value = new Generator(document.schemas, new Random(`${seed} ${i}`)).value(schema, "", 0);
    fault = document.faultOf(schema, value);
    if (fault === undefined) return value;
  }
  throw new Error(`no value was found for ${seed}: ${fault}`);
}

class Generator {
  readonly #schemas: Schemas;
  readonly #random: Random;

  constructor(schemas: Schemas, random: Random) {
    this.#schemas = schemas;
    this.#random = random;
  }

  value(given: JsonObject, key: string, depth: number): Json {
    if (depth > GIVE_UP) throw new Error(`the schema at ${key} has no end`);
    const schema = this.#plain(given, depth);
    if (schema.const !== undefined) return schema.const;
    if (Array.isArray(schema.enum)) return this.#random.of(schema.enum as readonly Json[]);
    const type = this.#typeOf(schema);
    switch (type) {
      case "object":
        return this.#object(schema, depth);
      case "array":
        return this.#array(schema, key, depth);
      case "string":
        return this.#text(schema);
      case "integer":
      case "number":
        return this.#number(schema, type === "integer");
      case "boolean":
        return this.#random.happens(0.5);
      default:
        return null;
    }
  }

  /** Without references and combinations: one of the branches chosen, all of the parts joined. */
  #plain(schema: JsonObject, depth: number): JsonObject {
    let plain = schema;
    while (plain.$ref !== undefined) {
      const { $ref, ...rest } = plain;
      plain = joined(this.#schemas[($ref as string).slice("#/schemas/".length)] ?? {}, rest);
    }
    const { allOf, anyOf, ...rest } = plain;
    if (allOf === undefined && anyOf === undefined) return plain;
    const parts = [...((allOf ?? []) as readonly JsonObject[])];
    if (anyOf !== undefined) parts.push(this.#branch(anyOf as readonly JsonObject[], depth));
    return parts.map((part) => this.#plain(part, depth + 1)).reduce(joined, rest);
  }

  #branch(branches: readonly JsonObject[], depth: number): JsonObject {
    if (depth <= DEEPEST) return this.#random.of(branches);
    const sizes = branches.map((branch) => JSON.stringify(branch).length + (branch.$ref === undefined ? 0 : 1000));
    return branches[sizes.indexOf(Math.min(...sizes))] as JsonObject;
  }

  #typeOf(schema: JsonObject): Json {
    const { type } = schema;
    if (Array.isArray(type)) return this.#random.of(type as readonly Json[]);
    if (type !== undefined) return type;
    if (schema.properties !== undefined || schema.additionalProperties !== undefined) return "object";
    if (schema.items !== undefined) return "array";
    return this.#random.of(["string", "boolean", "null"]);
  }

  #object(schema: JsonObject, depth: number): Json {
    const properties = (schema.properties ?? {}) as Schemas;
    const required = new Set((schema.required ?? []) as readonly string[]);
    const found: Record<string, Json> = {};
    for (const [name, property] of Object.entries(properties)) {
      const isThere = required.has(name) || (depth < DEEP && this.#random.happens(OPTIONAL));
      if (isThere) found[name] = this.value(property, name, depth + 1);
    }
    for (const name of required) if (!(name in properties)) found[name] = this.value({}, name, depth + 1);
    const more = schema.additionalProperties;
    const least = (schema.minProperties as number | undefined) ?? 0;
    if (more !== null && typeof more === "object" && (depth < DEEP || least > 0)) {
      for (let i = this.#random.between(least, 2); i > 0; i--)
        found[`key ${i}`] = this.value(more as JsonObject, "", depth + 1);
    }
    return found;
  }

  #array(schema: JsonObject, key: string, depth: number): Json {
    const least = (schema.minItems as number | undefined) ?? 0;
    const most = Math.max(least, Math.min(MOST_ITEMS, (schema.maxItems as number | undefined) ?? MOST_ITEMS));
    const count = depth > DEEPEST ? least : this.#random.between(least, most);
    return Array.from({ length: count }, () => this.value((schema.items ?? {}) as JsonObject, key, depth + 1));
  }

  #text(schema: JsonObject): string {
    if (typeof schema.pattern === "string") {
      const fitting = FITTING[schema.pattern];
      if (fitting === undefined) throw new Error(`no text is known that fits ${schema.pattern}`);
      return fitting;
    }
    const least = (schema.minLength as number | undefined) ?? 0;
    const most = (schema.maxLength as number | undefined) ?? Number.POSITIVE_INFINITY;
    // Lengths are those of code points.
    const letters = [...this.#random.of(TEXTS)].slice(0, most).join("");
    return letters.padEnd(least, "a");
  }

  #number(schema: JsonObject, isWhole: boolean): number {
    const bound = (name: string, fallback: number) => (schema[name] as number | undefined) ?? fallback;
    const low = Math.max(bound("minimum", -1e6), bound("exclusiveMinimum", -1e6));
    const high = Math.min(bound("maximum", Math.max(1e6, low)), bound("exclusiveMaximum", Math.max(1e6, low + 1)));
    if (isWhole) return this.#random.between(Math.ceil(low), Math.floor(high));
    const value = low + this.#random.next() * (high - low);
    return value > low ? value : (low + high) / 2;
  }
}

/** What both ask for. */
function joined(a: JsonObject, b: JsonObject): JsonObject {
  const both: Record<string, Json> = { ...a, ...b };
  if (a.properties !== undefined && b.properties !== undefined) {
    const properties: Record<string, Json> = { ...(a.properties as JsonObject) };
    for (const [name, schema] of Object.entries(b.properties as Schemas)) {
      properties[name] = name in properties ? joined(properties[name] as JsonObject, schema) : schema;
    }
    both.properties = properties;
  }
  if (a.required !== undefined && b.required !== undefined) {
    both.required = [...new Set([...(a.required as string[]), ...(b.required as string[])])];
  }
  if (Array.isArray(a.enum) && Array.isArray(b.enum))
    both.enum = a.enum.filter((one) => (b.enum as Json[]).includes(one));
  if (a.type !== undefined && b.type !== undefined) both.type = bothTypes(a.type, b.type);
  const all = [...((a.allOf ?? []) as Json[]), ...((b.allOf ?? []) as Json[])];
  if (a.anyOf !== undefined && b.anyOf !== undefined) {
    both.anyOf = a.anyOf;
    all.push({ anyOf: b.anyOf });
  }
  return all.length === 0 ? both : { ...both, allOf: all };
}

function bothTypes(a: Json, b: Json): Json {
  const inA = Array.isArray(a) ? a : [a];
  const inB = Array.isArray(b) ? b : [b];
  const common = inA.filter((one) => inB.includes(one) || (one === "integer" && inB.includes("number")));
  if (common.length === 0 && inA.includes("number") && inB.includes("integer")) return "integer";
  return common.length === 1 ? (common[0] as Json) : common;
}
