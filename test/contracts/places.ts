/** What stands at the places of a value that a path names (`output.*.file_id`)? */
import type { Json } from "./plain-schema.ts";

/** A copy in which the strings at the paths are replaced. */
export function replacedAt(value: Json, paths: readonly string[], replace: (text: string) => string): Json {
  const copy = structuredClone(value) as Json;
  for (const path of paths) {
    visit(copy, path.split("."), (parent, key) => {
      const text = (parent as Record<string, Json>)[key];
      if (typeof text === "string") (parent as Record<string, Json>)[key] = replace(text);
    });
  }
  return copy;
}

/** The strings at the paths. */
export function textsAt(value: Json, paths: readonly string[]): string[] {
  const texts: string[] = [];
  replacedAt(value, paths, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}

function visit(value: Json, steps: readonly string[], act: (parent: object, key: string) => void): void {
  if (value === null || typeof value !== "object") return;
  const [step = "", ...rest] = steps;
  const keys = step === "*" ? (Array.isArray(value) ? Object.keys(value) : []) : step in value ? [step] : [];
  for (const key of keys) {
    if (rest.length === 0) act(value, key);
    else visit((value as Record<string, Json>)[key] as Json, rest, act);
  }
}
