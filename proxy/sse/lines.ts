/** Of which lines is an event made, when it has not the common form? */
import { INCOMPLETE } from "./json-tokens.ts";

const LF = 0x0a;
const CR = 0x0d;

export interface EventLines {
  readonly name: string | undefined;
  /** All data lines, joined by LF; undefined: there is none, as in a comment. */
  readonly data: string | undefined;
  readonly lines: readonly string[];
  readonly lineEnd: string;
}

/** `event`: its bytes with the blank line. */
export function linesOf(event: Buffer): EventLines {
  // Before the first event a byte order mark may stand.
  const text = event.toString("utf8").replace(/^\uFEFF/, "");
  const lineEnd = /\r\n|\n|\r/.exec(text)?.[0] ?? "\n";
  const lines = text.split(/\r\n|\n|\r/);
  const data = lines.filter((line) => isField(line, "data")).map((line) => textAfter(line, "data"));
  const name = lines.findLast((line) => isField(line, "event"));
  return {
    name: name === undefined ? undefined : textAfter(name, "event").trim(),
    data: data.length === 0 ? undefined : data.join("\n"),
    lines,
    lineEnd,
  };
}

/** The event with other data in the place of its own; its other lines stay. */
export function withData(event: EventLines, data: Buffer): Buffer {
  const others = event.lines.filter((line) => line !== "" && !isField(line, "data"));
  const own = data.toString("utf8").split("\n");
  const lines = [...others, ...own.map((line) => `data: ${line}`), "", ""];
  return Buffer.from(lines.join(event.lineEnd));
}

/** Behind the blank line that ends the event at `from`, or INCOMPLETE. `last`: a CR at the end waits for no LF. */
export function eventEnd(data: Buffer, from: number, last: boolean): number {
  let emptyLine = false;
  for (let i = from; i < data.length; i++) {
    const byte = data[i];
    if (byte !== LF && byte !== CR) {
      emptyLine = false;
      continue;
    }
    if (byte === CR && data[i + 1] === LF) i++;
    else if (byte === CR && i + 1 === data.length && !last) return INCOMPLETE;
    if (emptyLine) return i + 1;
    emptyLine = true;
  }
  return INCOMPLETE;
}

/**
 * Whether an event may end in these bytes, `before` being the byte before them. Without it, an event of many lines would be
 * read from its beginning again with each chunk.
 */
export function hasBlankLine(data: Buffer, before: number | undefined): boolean {
  // What ends on CR waits to be told whether LF follows.
  if (before === CR || (before === LF && (data[0] === LF || data[0] === CR))) return true;
  if (data.includes("\n\n")) return true;
  for (let at = data.indexOf(CR); at !== -1; at = data.indexOf(CR, at + 1)) {
    const next = data[at + 1] === LF ? at + 2 : at + 1;
    if (data[next] === CR || data[next] === LF || data[at - 1] === LF) return true;
  }
  return false;
}

/** Behind the line that goes on at `from`, if LF or CRLF ends it; INCOMPLETE otherwise. */
export function lineEnd(data: Buffer, from: number): number {
  for (let i = from; i < data.length; i++) {
    if (data[i] === LF) return i + 1;
    if (data[i] === CR) return data[i + 1] === LF ? i + 2 : INCOMPLETE;
  }
  return INCOMPLETE;
}

/** Behind the line end at `at` and the blank line after it, both LF or both CRLF; 0 when there is no such thing. */
export function blankLineEnd(data: Buffer, at: number): number {
  if (data[at] === LF) return data[at + 1] === LF ? at + 2 : 0;
  const crlf = data[at] === CR && data[at + 1] === LF && data[at + 2] === CR && data[at + 3] === LF;
  return crlf ? at + 4 : 0;
}

function isField(line: string, field: string): boolean {
  return line === field || line.startsWith(`${field}:`);
}

function textAfter(line: string, field: string): string {
  return line.slice(field.length + 1).replace(/^ /, "");
}
