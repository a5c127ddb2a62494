/**
 * Where in a JSON text does a nested value stand, and how is it changed without touching the rest?
 *
 * Works level by level with the body's byte scan. A name that stands twice on the way is refused: the provider might
 * read the other one.
 */
import { type Edit, edited } from "../body/edits.ts";
import type { FieldKind } from "../body/field.ts";
import { BodyScan } from "../body/scan.ts";

/** In bytes from the start of the text. */
export interface Place {
  readonly kind: FieldKind;
  readonly start: number;
  readonly end: number;
}

/** The text cannot be judged. `code` and `message` are for the caller. */
export class JsonProblem extends Error {
  override readonly name = "JsonProblem";
  readonly code: "invalid_json" | "duplicate_field";
  readonly field: string | undefined;

  constructor(code: JsonProblem["code"], message: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

const WHOLE = { kind: "nested", start: 0, end: Number.POSITIVE_INFINITY } as const satisfies Place;
const OPEN_BRACE = 0x7b;
/** Longest name that is read, in bytes of JSON text. */
const LONGEST_TEXT_BYTES = 512;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** Call first, and then use only what it returns: places count from behind a byte order mark. */
export function withoutMark(text: Buffer): Buffer {
  return text.subarray(0, BOM.length).equals(BOM) ? text.subarray(BOM.length) : text;
}

/** Places of these fields of the object at `where` (default: the whole text). Throws JsonProblem. */
export function fieldsAt(json: Buffer, names: readonly string[], where: Place = WHOLE): Map<string, Place> {
  const places = new Map<string, Place>();
  // Anything but an object has no fields; whether the whole text is one is told below.
  if (where !== WHOLE && json[where.start] !== OPEN_BRACE) return places;
  const scan = new BodyScan(new Set(names));
  scan.push(json.subarray(where.start, Math.min(where.end, json.length)));
  const { problem } = scan;
  if (problem?.code === "duplicate_field") {
    const message = `The field '${problem.field}' stands more than once. Send it once.`;
    throw new JsonProblem("duplicate_field", message, problem.field);
  }
  if (problem || !scan.complete) throw new JsonProblem("invalid_json", "This is not one JSON object.");
  for (const [name, { kind, start, end }] of scan.fields) {
    places.set(name, { kind, start: where.start + start, end: where.start + end });
  }
  return places;
}

/** The value's place at the end of a path of names; undefined when it is not there. Throws JsonProblem. */
export function placeAt(json: Buffer, path: readonly string[]): Place | undefined {
  let place: Place | undefined = WHOLE;
  for (const name of path) {
    if (place === undefined) return undefined;
    place = fieldsAt(json, [name], place).get(name);
  }
  return place;
}

/** The string at a place; undefined for anything else, and for one that is too long to be a name. */
export function textAt(json: Buffer, place: Place | undefined): string | undefined {
  if (place?.kind !== "string" || place.end - place.start > LONGEST_TEXT_BYTES) return undefined;
  const value = valueAt(json, place);
  return typeof value === "string" ? value : undefined;
}

/** The parsed value; undefined where it is no JSON. */
export function valueAt(json: Buffer, { start, end }: Place): unknown {
  try {
    return JSON.parse(json.toString("utf8", start, end));
  } catch {
    return undefined;
  }
}

/** Another string in this place. */
export function setting({ start, end }: Place, value: string): Edit {
  return { start, end, replacement: Buffer.from(JSON.stringify(value)) };
}

/** The text with the edits done. */
export function withEdits(json: Buffer, edits: readonly Edit[]): Buffer {
  return edits.length === 0 ? json : Buffer.concat(edited([json], edits).chunks);
}
