/**
 * What does a plain answer say, and is it whole?
 *
 * Told from how it begins and ends, a letter for each byte (latin1): no byte of a longer character looks like JSON.
 */
import type { Usage } from "../exchange.ts";
import { isSpace } from "../json-bytes.ts";
import { usageOf } from "../sse/usage.ts";

const OPENING = /^\s*[{[]/;
/** Azure says so when it finds no capacity after it has begun to answer. */
const ERROR_OPENING = /^\s*\{\s*"error"\s*:\s*\{/;
const USAGE_KEY = '"usage"';
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Usage of a plain answer, from its end: the last `"usage"` whose value is an object that counts tokens. What follows it in
 * Responses (`user`, `metadata`) may well say "usage" too, as a text.
 */
export function plainUsage(ending: string): Usage | undefined {
  for (let at = ending.lastIndexOf(USAGE_KEY); at >= 0; at = at === 0 ? -1 : ending.lastIndexOf(USAGE_KEY, at - 1)) {
    const colon = spaceEnd(ending, at + USAGE_KEY.length);
    const start = ending.charCodeAt(colon) === COLON ? spaceEnd(ending, colon + 1) : -1;
    if (start < 0 || ending.charCodeAt(start) !== OPEN_BRACE) continue;
    const usage = usageOf(ending.slice(start, objectEnd(ending, start)));
    if (usage) return usage;
  }
  return undefined;
}

/** Whether an answer is one JSON object or array, by how it begins and ends. */
export function isWholeJson(opening: string, ending: string): boolean {
  return OPENING.test(opening) && closes(ending);
}

/** Whether an answer that began well is an error. */
export function isErrorInside(opening: string): boolean {
  return ERROR_OPENING.test(opening);
}

/** Whether the last thing is the end of a JSON object or array. */
function closes(ending: string): boolean {
  let last = ending.length - 1;
  while (last >= 0 && isSpace(ending.charCodeAt(last))) last--;
  return ending[last] === "}" || ending[last] === "]";
}

function spaceEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return at;
}

function objectEnd(text: string, start: number): number {
  let depth = 0;
  let inString = false;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === QUOTE) inString = !inString;
    else if (inString) continue;
    else if (code === OPEN_BRACE) depth++;
    else if (code === CLOSE_BRACE && --depth === 0) return i + 1;
  }
  return text.length;
}
