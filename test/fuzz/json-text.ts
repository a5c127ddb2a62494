/**
 * JSON as no serializer writes it: white space anywhere, escapes where none are needed, numbers of every form.
 *
 * Made as text, not as values: fast, and the places of the fields are known without reading them.
 *
 * No key ends in an escape: V8 14.6's JSON.parse, which judges here, reads `"x\n"` as the key `"xn"` that it saw in that
 * place before.
 */
import type { Random } from "./random.ts";

const PIECES = [
  "a",
  "model",
  '\\"',
  "\\\\",
  "\\u0061",
  "\\n",
  "\\/",
  "é",
  "😀",
  "\\ud83d\\ude00",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  " ",
  "data:",
  "null",
  "\\t",
  "例",
  "usage",
  "0",
] as const;
const SCALARS = ["0", "-1", "1.5e3", "12345678901234567890", "-0.0", "1E+5", "true", "false", "null", "7", '""', "-0"];
const KEYS = [
  "a",
  "b",
  "c",
  "model",
  "stream",
  "user",
  "messages",
  "m\\u006fdel",
  "\\u0073tream",
  "mode",
  "models",
  "é",
  "x\\\\y",
  "{",
  'q\\"q',
  "stream_options",
  "",
];
const SPACES = ["", "", "", "", " ", "\n", "\r\n", "\t ", "  "];

export function stringText(random: Random): string {
  let text = '"';
  for (let n = random.below(random.once(40) ? 200 : 6); n > 0; n--) text += random.pick(PIECES);
  return `${text}"`;
}

export function valueText(random: Random, depth = 0): string {
  const dice = random.below(depth > 3 ? 6 : 10);
  if (dice < 3) return random.pick(SCALARS);
  if (dice < 6) return stringText(random);
  if (dice < 8) return arrayText(random, depth);
  return objectText(random, depth).text;
}

function arrayText(random: Random, depth: number): string {
  let text = `[${random.pick(SPACES)}`;
  for (let n = random.below(3); n > 0; n--) {
    text += random.pick(SPACES) + valueText(random, depth + 1) + random.pick(SPACES) + (n > 1 ? "," : "");
  }
  return `${text}]`;
}

export interface ObjectText {
  readonly text: string;
  /** As written, in order, without the quotes. */
  readonly keys: readonly string[];
}

export function objectText(random: Random, depth = 0, keys: readonly string[] = KEYS): ObjectText {
  const written: string[] = [];
  let text = `{${random.pick(SPACES)}`;
  for (let n = random.below(depth === 0 ? 7 : 3); n > 0; n--) {
    const key = random.pick(keys);
    written.push(key);
    text += `${random.pick(SPACES)}"${key}"${random.pick(SPACES)}:${random.pick(SPACES)}`;
    text += valueText(random, depth + 1) + random.pick(SPACES) + (n > 1 ? "," : "");
  }
  return { text: `${text}}`, keys: written };
}

const DEBRIS = [
  '"',
  "\\",
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "\n",
  "\u0001",
  "0",
  "-",
  ".",
  "e",
  "u",
  "null",
  " ",
  "é",
  "\r",
  "x",
  "",
];
const KEY_ENDS_IN_ESCAPE = /\\["\\/bfnrt]"[ \t\r\n]*:/;

/** The text with a piece put in, put over, taken out or cut off. */
export function spoiled(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  if (random.once(8)) return text.slice(0, at);
  const result = text.slice(0, at) + random.pick(DEBRIS) + text.slice(at + random.below(3));
  return KEY_ENDS_IN_ESCAPE.test(result) ? text : result;
}

export function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
