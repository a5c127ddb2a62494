/**
 * Where does a scalar of a JSON text end, and what does a string of it mean?
 *
 * What the walks over a whole text share. Where a string ends is for each to find: keys are short, and looked through
 * byte by byte; what is long in a request is found by native search.
 */
import { isSpace } from "../json-bytes.ts";

const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;

/** Behind the number or literal at `from`; -1 when there is none. */
export function scalarEnd(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || byte <= 0x20) break;
    at++;
  }
  return at === from ? -1 : at;
}

/** Behind the white space at `from`. */
export function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at] as number)) at++;
  return at;
}

/** Undefined for what is no JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the inside of a string means that stands from `start` to `end`: escaped spellings are the same text. */
export function textBetween(bytes: Buffer, start: number, end: number): string {
  const written = bytes.toString("utf8", start, end);
  return written.includes("\\") ? textOf(written) : written;
}

/** What a string's inside means; the inside itself when it is not well-formed. */
export function textOf(inside: string): string {
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    return inside;
  }
}
