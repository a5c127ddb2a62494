/**
 * How is a line of the access log put together?
 *
 * By hand, member by member, straight into the buffered destination: half of what JSON.stringify of an object costs, a
 * quarter of a logger's call. What takes a `member` answers one: its name as JSON writes it, with what stands before it
 * (`,"route":`), then its value; nothing when the value is not known. Texts are cut to a length: a caller chooses some of
 * them.
 */
import { escapeControls } from "./log.ts";

const MICROS_PER_MS = 1000;
const OPEN_BRACE = 0x7b;
/** Characters kept of a text. */
const MAX_TEXT = 256;
/** Anything but printable ASCII without quote and backslash. */
const NEEDS_ESCAPING = /[^ !#-[\]-~]/;

/** A text: cut, and escaped where it has to be. */
export function text(member: string, value: string | undefined): string {
  return value === undefined ? "" : member + quoted(value);
}

const quotedNames = new Map<string, string>();
/** All names of a large table, and Tandem's own words. */
const MOST_NAMES = 20_000;

/** The same for what configuration or Tandem itself calls something: few values, which come again with every request. */
export function name(member: string, value: string | undefined): string {
  return value === undefined ? "" : member + (quotedNames.get(value) ?? quotedName(value));
}

function quotedName(value: string): string {
  if (quotedNames.size >= MOST_NAMES) quotedNames.clear();
  const made = quoted(value);
  quotedNames.set(value, made);
  return made;
}

/** A number as it is. */
export function count(member: string, value: number | undefined): string {
  return value === undefined ? "" : member + value;
}

/** Between two readings of a clock in milliseconds, to the microsecond. */
export function since(member: string, start: number, end: number | undefined): string {
  return end === undefined ? "" : duration(member, end - start);
}

/** `.000` to `.999`: to write a fraction costs as much as to write the rest of a line's member. */
const FRACTIONS = Array.from({ length: MICROS_PER_MS }, (_, micros) => `.${String(micros).padStart(3, "0")}`);

/** Milliseconds, to the microsecond. */
export function duration(member: string, ms: number): string {
  const micros = Math.round(ms * MICROS_PER_MS);
  // A clock that was read in two places may go back by a hair.
  if (!(micros >= 0)) return count(member, Number.isNaN(micros) ? undefined : micros / MICROS_PER_MS);
  const fraction = micros % MICROS_PER_MS;
  return member + (micros - fraction) / MICROS_PER_MS + FRACTIONS[fraction];
}

/** What is seldom there, however it looks. */
export function object(member: string, value: object): string {
  return member + escapeControls(JSON.stringify(value));
}

/** Nearly all texts are names, which nothing of has to be escaped. */
function quoted(value: string): string {
  const kept = cut(value);
  return NEEDS_ESCAPING.test(kept) ? escapeControls(JSON.stringify(kept)) : `"${kept}"`;
}

/** At most the characters that are kept of a text, and a sign where there were more. */
export function cut(value: string): string {
  return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
}

/** Milliseconds to the microsecond: that is enough, and short numbers make short lines. */
export function round(ms: number): number {
  return Math.round(ms * MICROS_PER_MS) / MICROS_PER_MS;
}

/**
 * The line in one piece. V8 keeps a text that was put together as a tree of its parts until somebody looks at a letter of
 * it. Joined later, among many, the parts have left the processor's cache.
 */
export function flat(text: string): string {
  return text.charCodeAt(0) === OPEN_BRACE ? text : `${text}`;
}
