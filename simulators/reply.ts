/** What does the simulated model say? Always the same to the same request, and who said it can be read in it. */

import type { Call } from "./call.ts";
import { seededRandom } from "./faults.ts";
import type { JsonObject } from "./operations/operation.ts";

const QUOTED_CHARACTERS = 80;
const MOST_WORDS = 20_000;

const WORDS =
  "and then the river turned under old bridges while lamps along its banks drew quiet gold lines over slow water that carried every story to the patient sea".split(
    " ",
  );

/** Who answers, for people who look at a demo. */
export function speaker(call: Call): string {
  const snapshot = call.serving?.snapshot ?? "no model";
  const deployment = call.serving?.deployment;
  return deployment
    ? `the simulated Azure OpenAI (deployment ${deployment.name}, ${snapshot})`
    : `the simulated OpenAI (${snapshot})`;
}

/**
 * The reply to `prompt`. A prompt that asks for "200 words" gets about as many; one for "exactly 200 tokens" gets a text
 * that counts as so many where four characters are a token.
 */
export function replyText(call: Call, prompt: string, seed: number, index: number): string {
  const exactly = Number(/\bexactly (\d{1,5}) tokens\b/.exec(prompt)?.[1] ?? 0);
  if (exactly > 0)
    return story(exactly, seedOf(prompt, seed + index))
      .padEnd(exactly * 4, ".")
      .slice(0, exactly * 4);
  const quoted = prompt.length > QUOTED_CHARACTERS ? `${prompt.slice(0, QUOTED_CHARACTERS)}…` : prompt;
  const variant = index > 0 ? ` (choice ${index + 1})` : "";
  const { says } = call.serving ?? {};
  if (says !== undefined) return `${says}${variant}`;
  const opening = `This is ${speaker(call)}${variant}. You said “${quoted.replaceAll("\n", " ")}”.`;
  const wanted = Math.min(MOST_WORDS, Number(/\b(\d{1,5}) (?:words|tokens)\b/.exec(prompt)?.[1] ?? 0));
  const missing = wanted - opening.split(" ").length;
  return missing > 0 ? `${opening} ${story(missing, seedOf(prompt, seed + index))}.` : opening;
}

/** A value that fits a JSON Schema, for structured outputs and tool arguments. */
export function valueFor(schema: unknown, text: string, depth = 0): unknown {
  if (typeof schema !== "object" || schema === null || depth > 8) return {};
  const { type, properties, items, enum: choices, const: only, anyOf } = schema as JsonObject;
  if (only !== undefined) return only;
  if (Array.isArray(choices)) return choices[0];
  if (Array.isArray(anyOf)) return valueFor(anyOf[0], text, depth + 1);
  switch (Array.isArray(type) ? type[0] : type) {
    case "string":
      return text;
    case "integer":
    case "number":
      return 42;
    case "boolean":
      return true;
    case "null":
      return null;
    case "array":
      return [valueFor(items, text, depth + 1)];
    default: {
      const entries = Object.entries((properties ?? {}) as JsonObject);
      return Object.fromEntries(entries.map(([name, property]) => [name, valueFor(property, text, depth + 1)]));
    }
  }
}

function story(words: number, seed: number): string {
  const random = seededRandom(seed);
  const drawn: string[] = [];
  for (let count = 0; count < words; count += 1) drawn.push(WORDS[Math.floor(random() * WORDS.length)] as string);
  return drawn.join(" ");
}

/** FNV-1a over the text, so that equal prompts with equal seeds get equal stories. */
export function seedOf(text: string, seed: number): number {
  let state = 0x811c9dc5 ^ seed;
  for (let at = 0; at < text.length; at += 1) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  return state >>> 0;
}
