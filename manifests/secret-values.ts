/** What are the values of a Secret in a file? */
import { Redacted } from "../routing/secrets.ts";
import { type Fields, isFields } from "./fields.ts";
import type { Fail } from "./manifest-error.ts";

/** Of a Secret in Kubernetes; a misspelt one would leave a value out without a word. */
const KNOWN_FIELDS: readonly string[] = ["apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData"];
/** As Kubernetes wants the keys of a Secret. */
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** `stringData` wins over `data`, as in Kubernetes. No value, nor what stands in place of one, is told in an error. */
export function secretValues(secret: Fields, env: NodeJS.ProcessEnv, fail: Fail): Readonly<Record<string, Redacted>> {
  const unknown = Object.keys(secret).find((field) => !KNOWN_FIELDS.includes(field));
  if (unknown !== undefined) {
    throw fail([], `a Secret has a field that Kubernetes does not know; it may have ${KNOWN_FIELDS.join(", ")}`);
  }
  const data = entriesOf(secret, "data", fail).map(([key, text]) => [key, decoded(text, key, fail)] as const);
  const plain = entriesOf(secret, "stringData", fail).map(([key, text]) => [key, expanded(text, env)] as const);
  return Object.fromEntries([...data, ...plain].map(([key, value]) => [key, new Redacted(value)]));
}

function entriesOf(secret: Fields, field: "data" | "stringData", fail: Fail): (readonly [string, string])[] {
  const map = secret[field] ?? {};
  if (!isFields(map)) throw fail([field], `${field} must hold keys with their values`);
  return Object.entries(map).map(([key, value]) => {
    if (!KEY.test(key))
      throw fail([field], `a key of ${field} has a character that Kubernetes refuses; use letters, digits, -, _ and .`);
    if (value === null) throw fail([field], `a key of ${field} has no value; write one in quotes`);
    if (typeof value !== "string") throw fail([field, key], `${field}.${key} must be a text; put the value in quotes`);
    return [key, value] as const;
  });
}

function decoded(text: string, key: string, fail: Fail): string {
  const compact = text.replace(/\s/g, "");
  if (!BASE64.test(compact))
    throw fail(["data", key], `data.${key} is not base64; encode it, or write it as it is under stringData`);
  return Buffer.from(compact, "base64").toString("utf8");
}

/** As in a shell: `:-` stands in for what is unset or empty. Unset without a default stays, and the compiler refuses it. */
function expanded(text: string, env: NodeJS.ProcessEnv): string {
  return text.replace(VARIABLE, (whole, name: string, standIn: string | undefined) => {
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    return standIn === undefined ? (value ?? whole) : value || standIn;
  });
}
