/** How may one and the same value be written as JSON, and is a written text still the same? */
import type { Json } from "./plain-schema.ts";
import type { Random } from "./random.ts";

/** With spaces and escapes that no serializer of ours would choose: who writes it anew is found out. */
export function jsonText(value: Json, random: Random): string {
  const space = () => (random.happens(0.15) ? random.of([" ", "\n\t", "  "]) : "");
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return numberText(value, random);
  if (typeof value === "string") return stringText(value, random);
  if (Array.isArray(value)) {
    return `[${(value as readonly Json[]).map((one) => space() + jsonText(one, random)).join(",")}${space()}]`;
  }
  const entries = Object.entries(value).map(
    ([key, one]) => `${space()}${JSON.stringify(key)}${space()}:${space()}${jsonText(one, random)}`,
  );
  return `{${entries.join(",")}${space()}}`;
}

function numberText(value: number, random: Random): string {
  if (!Number.isInteger(value) || random.happens(0.7)) return String(value);
  return random.happens(0.5) ? `${value}.0` : `${value}e0`;
}

function stringText(value: string, random: Random): string {
  const text = JSON.stringify(value);
  if (/^[\w./ -]*$/.test(value) || random.happens(0.6)) return text;
  return text.replace(/[^\\"\w]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Fields that no document knows, with what a parser would lose. */
export const UNKNOWN_FIELDS =
  '"x_unknown": {"model": "not-me", "deep": [1.50, 12345678901234567890, 1e2, "\\u00e9\\ud83d\\ude00", {}]}, "x_last" :null';

/** An object's text with those fields at its end. */
export function withUnknownFields(text: string): string {
  const end = text.lastIndexOf("}");
  const isEmpty = text.slice(1, end).trim() === "";
  return `${text.slice(0, end)}${isEmpty ? "" : ","}${UNKNOWN_FIELDS}${text.slice(end)}`;
}

/** Every scalar as it is written, by its place; empty objects and arrays too. */
export function writtenScalars(text: string): Map<string, string> {
  const scalars = new Map<string, string>();
  // The reviver's third argument has the source text (https://github.com/tc39/proposal-json-parse-with-source).
  const reviver = (_key: string, value: unknown, { source }: { source?: string } = {}) =>
    source === undefined ? value : { source };
  const walk = (value: unknown, place: string): void => {
    const { source } = value as { source?: unknown };
    if (typeof source === "string") scalars.set(place, source);
    else {
      const entries = Object.entries(value as object);
      if (entries.length === 0) scalars.set(place, Array.isArray(value) ? "[]" : "{}");
      for (const [key, one] of entries) walk(one, `${place}/${key}`);
    }
  };
  walk(JSON.parse(text, reviver as (key: string, value: unknown) => unknown), "");
  return scalars;
}
