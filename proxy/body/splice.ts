/** How are fields of a body changed without touching the rest? */
import { type Edit, edited } from "./edits.ts";
import { type Field, NONE } from "./field.ts";
import type { BodyScan } from "./scan.ts";

/** Bytes to send, in order. Subarrays of what arrived: nothing is copied. */
export interface Payload {
  readonly chunks: readonly Buffer[];
  readonly length: number;
}

/**
 * One change of one top-level field. Removing and renaming do nothing to a field that the body does not have; setting
 * puts it in at the front. No field is removed and set or renamed in one go.
 */
export type FieldEdit =
  | { readonly field: string; readonly action: "remove" }
  /** `to` is the JSON text of the new key, quotes included. */
  | { readonly field: string; readonly action: "rename"; readonly to: Buffer }
  /** `value` is JSON text. */
  | { readonly field: string; readonly action: "set"; readonly value: Buffer };

const OPENING = Buffer.from('"model":');
const COMMA = Buffer.from(",");
const NOTHING = Buffer.alloc(0);

/** The body with `model` set to `value`, the JSON text of a string. Put in at the front when the body has none. */
export function withModel(body: BodyScan, value: Buffer): Payload {
  const field = body.fields.get("model");
  if (field) return edited(body.chunks, [{ start: field.start, end: field.end, replacement: value }]);
  const replacement = Buffer.concat(body.size === 0 ? [OPENING, value] : [OPENING, value, COMMA]);
  return edited(body.chunks, [{ start: body.firstKeyAt, end: body.firstKeyAt, replacement }]);
}

/**
 * Where in the body the edits are. Only fields that the scan was asked for can be edited; of a body that is still
 * coming, only those that have come.
 */
export function placed(body: BodyScan, edits: readonly FieldEdit[]): Edit[] {
  const places: Edit[] = [];
  const removed: Field[] = [];
  const added: string[] = [];
  for (const edit of edits) {
    const field = body.fields.get(edit.field);
    if (edit.action === "set") {
      if (field) places.push({ start: field.start, end: field.end, replacement: edit.value });
      else added.push(`${JSON.stringify(edit.field)}:${edit.value}`);
    } else if (field && edit.action === "rename") {
      places.push({ start: field.keyStart, end: field.keyEnd, replacement: edit.to });
    } else if (field) removed.push(field);
  }
  if (added.length > 0) {
    const text = added.join(",") + (body.size === removed.length ? "" : ",");
    places.push({ start: body.firstKeyAt, end: body.firstKeyAt, replacement: Buffer.from(text) });
  }
  places.push(...removals(removed));
  return places;
}

/**
 * Each removed field takes a comma along: the one before it, but at the front of the object, where there is none, the
 * one behind it. Fields removed side by side at the front are one cut, so that none of them takes another's comma.
 */
function removals(fields: Field[]): Edit[] {
  fields.sort((a, b) => a.keyStart - b.keyStart);
  const cuts: Edit[] = [];
  let front: Field | undefined;
  for (const field of fields) {
    if (field.commaBefore === NONE || field.commaBefore === front?.commaAfter) front = field;
    else cuts.push({ start: field.commaBefore, end: field.end, replacement: NOTHING });
  }
  if (front) {
    const end = front.commaAfter === NONE ? front.end : front.commaAfter + 1;
    cuts.push({ start: (fields[0] as Field).keyStart, end, replacement: NOTHING });
  }
  return cuts;
}

/** A string of nothing but printable ASCII, and no escape: as nearly every name of a model. */
const PLAIN_STRING = /^"[ !#-[\]-~]*"$/;

/** The text or value of a field: a string, number, boolean or null; undefined when absent, nested or too long. */
export function scalarOf(body: BodyScan, field: Field | undefined, longest: number): unknown {
  if (!field || field.kind === "nested" || field.end - field.start > longest) return undefined;
  const raw = body.slice(field.start, field.end);
  const bytes = raw.toString("latin1");
  if (PLAIN_STRING.test(bytes)) return bytes.slice(1, -1);
  try {
    return JSON.parse(raw.toString("utf8"));
  } catch {
    return undefined;
  }
}
