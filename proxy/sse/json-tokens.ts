/**
 * Where does a JSON string, a number or a literal end (RFC 8259)?
 *
 * Over bytes, without making a string of them: what a scan of an event stream is made of.
 */
import { stands } from "../json-bytes.ts";

/** The bytes end before the value does. */
export const INCOMPLETE = -1;
export const MALFORMED = -2;

export const SPACE = 0x20;
export const QUOTE = 0x22;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
const BACKSLASH = 0x5c;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const NULL = Buffer.from("null");

/** 1 for bytes that a number or a literal is made of. */
const SCALAR = new Uint8Array(256);
for (const char of "0123456789+-.eEtrufalsn") SCALAR[char.charCodeAt(0)] = 1;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** Behind the closing quote. A raw control character, a line end among them, cannot stand in a JSON string. */
export function stringEnd(data: Buffer, from: number): number {
  const length = data.length;
  let i = from;
  while (i < length) {
    const byte = data[i++] as number;
    // Small letters, and what is not ASCII: most of what there is, told by one comparison.
    if (byte > BACKSLASH) continue;
    if (byte === QUOTE) return i;
    if (byte === BACKSLASH) {
      i = escapeEnd(data, i);
      if (i < 0) return i;
    } else if (byte < SPACE) return MALFORMED;
  }
  return INCOMPLETE;
}

function escapeEnd(data: Buffer, from: number): number {
  const byte = data[from];
  if (byte === undefined) return INCOMPLETE;
  if (byte !== 0x75) return '"\\/bfnrt'.includes(String.fromCharCode(byte)) ? from + 1 : MALFORMED;
  for (let i = from + 1; i <= from + 4; i++) {
    const hex = data[i];
    if (hex === undefined) return INCOMPLETE;
    if (!/[0-9a-fA-F]/.test(String.fromCharCode(hex))) return MALFORMED;
  }
  return from + 5;
}

export function scalarEnd(data: Buffer, from: number): number {
  let i = from;
  while (i < data.length && SCALAR[data[i] as number] === 1) i++;
  if (i === from) return MALFORMED;
  if (i === data.length) return INCOMPLETE;
  const size = i - from;
  const byte = data[from] as number;
  // Most scalars are a whole number or null.
  if (byte > DIGIT_0 && byte <= DIGIT_9 && digitsEnd(data, from) === i) return i;
  if (size === 1 && byte === DIGIT_0) return i;
  if (size === NULL.length && stands(data, from, NULL)) return i;
  const text = data.toString("latin1", from, i);
  return text === "null" || text === "true" || text === "false" || NUMBER.test(text) ? i : MALFORMED;
}

function digitsEnd(data: Buffer, from: number): number {
  let i = from;
  while ((data[i] as number) >= DIGIT_0 && (data[i] as number) <= DIGIT_9) i++;
  return i;
}

/** Behind the whole number, not negative, at `from`, or MALFORMED. What follows it is not looked at. */
export function wholeNumberEnd(data: Buffer, from: number): number {
  const byte = data[from] as number;
  if (byte === DIGIT_0) return from + 1;
  return byte > DIGIT_0 && byte <= DIGIT_9 ? digitsEnd(data, from) : MALFORMED;
}

/** Of the digits from `start` to `end`. */
export function wholeNumber(data: Buffer, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + (data[i] as number) - DIGIT_0;
  return value;
}
