/** How are fields of a body changed without touching the rest? */
import { type BodyScan, type Field, NONE } from "./scan.ts";

/** Bytes to send, in order. Subarrays of what arrived: nothing is copied. */
export interface Payload {
  readonly chunks: readonly Buffer[];
  readonly length: number;
}

/**
 * One change of one top-level field. Removing and renaming do nothing to a field that the body does not have; setting
 * puts it in at the front. No field is removed and set or renamed in one go.
 */
export type Edit =
  | { readonly field: string; readonly action: "remove" }
  /** `to` is the JSON text of the new key, quotes included. */
  | { readonly field: string; readonly action: "rename"; readonly to: Buffer }
  /** `value` is JSON text. */
  | { readonly field: string; readonly action: "set"; readonly value: Buffer };

/** From `start` to `end` these bytes stand instead. */
interface Cut {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly Buffer[];
}

const OPENING = Buffer.from('"model":');
const COLON = Buffer.from(":");
const COMMA = Buffer.from(",");

/** The body with `model` set to `value`, the JSON text of a string. Put in at the front when the body has none. */
export function withModel(body: BodyScan, value: Buffer): Payload {
  const field = body.fields.get("model");
  if (field) return rewritten(body, [{ start: field.start, end: field.end, parts: [value] }]);
  const parts = body.size === 0 ? [OPENING, value] : [OPENING, value, COMMA];
  return rewritten(body, [{ start: body.firstKeyAt, end: body.firstKeyAt, parts }]);
}

/**
 * The body with all the edits. Only fields that the scan was asked for can be edited; of a body that is still coming,
 * only those that have come.
 */
export function spliced(body: BodyScan, edits: readonly Edit[]): Payload {
  const cuts: Cut[] = [];
  const removed: Field[] = [];
  const added: Buffer[] = [];
  for (const edit of edits) {
    const field = body.fields.get(edit.field);
    if (edit.action === "set") {
      if (field) cuts.push({ start: field.start, end: field.end, parts: [edit.value] });
      else added.push(COMMA, Buffer.from(JSON.stringify(edit.field)), COLON, edit.value);
    } else if (field && edit.action === "rename") {
      cuts.push({ start: field.keyStart, end: field.keyEnd, parts: [edit.to] });
    } else if (field) removed.push(field);
  }
  if (added.length > 0) {
    // The comma stands before the first of them: it belongs behind the last.
    const parts = body.size === removed.length ? added.slice(1) : [...added.slice(1), COMMA];
    cuts.push({ start: body.firstKeyAt, end: body.firstKeyAt, parts });
  }
  cuts.push(...removals(removed));
  return rewritten(body, cuts.sort(byPlace));
}

/**
 * Each removed field takes a comma along: the one before it, but at the front of the object, where there is none, the
 * one behind it. Fields removed side by side at the front are one cut, so that none of them takes another's comma.
 */
function removals(fields: Field[]): Cut[] {
  fields.sort((a, b) => a.keyStart - b.keyStart);
  const cuts: Cut[] = [];
  let front: Field | undefined;
  for (const field of fields) {
    if (field.commaBefore === NONE || field.commaBefore === front?.commaAfter) front = field;
    else cuts.push({ start: field.commaBefore, end: field.end, parts: [] });
  }
  if (front) {
    const end = front.commaAfter === NONE ? front.end : front.commaAfter + 1;
    cuts.push({ start: (fields[0] as Field).keyStart, end, parts: [] });
  }
  return cuts;
}

/** An insertion goes before what is cut away at the same place. */
function byPlace(a: Cut, b: Cut): number {
  return a.start - b.start || a.end - b.end;
}

/** The text or value of a field: a string, number, boolean or null; undefined when absent, nested or too long. */
export function scalarOf(body: BodyScan, field: Field | undefined, longest: number): unknown {
  if (!field || field.kind === "nested" || field.end - field.start > longest) return undefined;
  const raw = body.slice(field.start, field.end);
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** The body with these cuts, which are in order and do not overlap. */
function rewritten(body: BodyScan, cuts: readonly Cut[]): Payload {
  const chunks: Buffer[] = [];
  let length = 0;
  const add = (part: Buffer) => {
    if (part.length === 0) return;
    chunks.push(part);
    length += part.length;
  };
  let next = 0;
  /** Everything before this has been copied or cut away. */
  let done = 0;
  let offset = 0;
  for (const chunk of body.chunks) {
    const end = offset + chunk.length;
    for (let cut = cuts[next]; cut !== undefined && cut.start <= end; cut = cuts[++next]) {
      if (cut.start > done) add(chunk.subarray(done - offset, cut.start - offset));
      for (const part of cut.parts) add(part);
      done = cut.end;
    }
    if (done < end) {
      add(chunk.subarray(done - offset));
      done = end;
    }
    offset = end;
  }
  return { chunks, length };
}
