/**
 * How does the API server word what is wrong?
 *
 * One function per sentence, after the field errors of Kubernetes and the schema errors behind them, so that a file gets
 * the same answer on a laptop as in a cluster.
 * https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/util/validation/field/errors.go
 */

import { isObject, jsonType, type Problem } from "./types.ts";

/** How much of a value is shown. The API server shows all of it. */
const MAX_SHOWN_CHARACTERS = 512;
const MAX_SHOWN_DEPTH = 8;
const MAX_SHOWN_ITEMS = 64;

export function required(path: string, detail = ""): Problem {
  return sentence(path, `Required value${detail === "" ? "" : `: ${detail}`}`);
}

export function forbidden(path: string, detail: string): Problem {
  return sentence(path, `Forbidden: ${detail}`);
}

export function duplicate(path: string, value: unknown): Problem {
  return sentence(path, `Duplicate value: ${show(value)}`);
}

export function invalid(path: string, value: unknown, detail: string): Problem {
  return sentence(path, `Invalid value: ${show(value)}: ${detail}`);
}

/** For objects and lists, whose value would fill the screen. */
export function invalidWithoutValue(path: string, detail: string): Problem {
  return sentence(path, `Invalid value: ${detail}`);
}

export function wrongType(path: string, expected: string, actual: string): Problem {
  return invalid(path, actual, `${path} in body must be of type ${expected}: ${show(actual)}`);
}

export function unsupported(path: string, value: unknown, supported: readonly unknown[]): Problem {
  const values = supported.map((one) => quote(String(one))).join(", ");
  return sentence(path, `Unsupported value: ${show(value)}: supported values: ${values}`);
}

export function tooLong(path: string, max: number): Problem {
  return sentence(path, `Too long: may not be more than ${max} ${max === 1 ? "byte" : "bytes"}`);
}

export function tooMany(path: string, actual: number, max: number): Problem {
  return sentence(path, `Too many: ${actual}: must have at most ${max} ${max === 1 ? "item" : "items"}`);
}

/** A number beyond a bound: the bound is printed as a number of the same kind. */
export function outOfBounds(path: string, value: number, relation: string, bound: number): Problem {
  const text = jsonType(value) === "integer" ? String(bound) : float(bound);
  return shouldBe(path, value, `be ${relation} than or equal to ${text}`);
}

/** `should` says the rest: "have at least 1 items". */
export function shouldBe(path: string, value: unknown, should: string): Problem {
  return invalid(path, value, `${path} in body should ${should}`);
}

export function mustNotMatch(path: string): Problem {
  const message = `<nil>: Invalid value: "": "${path}" must not validate the schema (not)`;
  return { path, message, kind: "schema" };
}

export function unknownField(path: string): Problem {
  return { path, message: `unknown field "${path}"`, kind: "unknownField" };
}

function sentence(path: string, text: string): Problem {
  return { path, message: `${path === "" ? "<nil>" : path}: ${text}`, kind: "schema" };
}

/** A value as Go prints it in an error: strings quoted, numbers plain, the rest as JSON with sorted keys. */
function show(value: unknown): string {
  if (typeof value === "string") return shorten(quote(value.slice(0, MAX_SHOWN_CHARACTERS)));
  return typeof value === "number" && jsonType(value) === "number" ? float(value) : shorten(json(value));
}

function shorten(text: string): string {
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}...` : text;
}

/** Go's `%v` of a float: with an exponent from a million on, and that with two digits. */
function float(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const [digits, exponent = "0"] = value.toExponential().split("e");
  if (Number(exponent) >= -4 && Number(exponent) < 6) return String(value);
  return `${digits}e${exponent.replace(/^([+-])(\d)$/, "$10$2")}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

/** Go's `%q`: printable characters as they are. */
function quote(text: string): string {
  const escaped = text
    .toWellFormed()
    .replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (char) => ESCAPES[char] ?? codePoint(char));
  return `"${escaped}"`;
}

function codePoint(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
}

/** JSON with sorted keys, abridged where it is deep or long. */
export function json(value: unknown, depth = 0): string {
  if (depth > MAX_SHOWN_DEPTH) return "...";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) {
    return `[${value
      .slice(0, MAX_SHOWN_ITEMS)
      .map((item) => json(item, depth + 1))
      .join(",")}]`;
  }
  if (!isObject(value)) return htmlSafe(JSON.stringify(value === undefined ? null : value) ?? "null");
  const keys = Object.keys(value).sort().slice(0, MAX_SHOWN_ITEMS);
  return `{${keys.map((key) => `${htmlSafe(JSON.stringify(key))}:${json(value[key], depth + 1)}`).join(",")}}`;
}

/** Go's JSON never holds these characters. */
function htmlSafe(text: string): string {
  return text.replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
