/** How is one field of a body changed without touching the rest? */
import type { BodyScan, Field } from "./scan.ts";

/** Bytes to send, in order. Subarrays of what arrived: nothing is copied. */
export interface Payload {
  readonly chunks: readonly Buffer[];
  readonly length: number;
}

const OPENING = Buffer.from('"model":');
const COMMA = Buffer.from(",");

/** The body with `model` set to `value`, the JSON text of a string. Put in at the front when the body has none. */
export function withModel(body: BodyScan, value: Buffer): Payload {
  const field = body.fields.get("model");
  if (field) return replaced(body, field.start, field.end, [value]);
  const insertion = body.empty ? [OPENING, value] : [OPENING, value, COMMA];
  return replaced(body, body.firstKeyAt, body.firstKeyAt, insertion);
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

function replaced(body: BodyScan, start: number, end: number, insertion: readonly Buffer[]): Payload {
  const chunks: Buffer[] = [];
  let offset = 0;
  let length = 0;
  const add = (chunk: Buffer) => {
    if (chunk.length === 0) return;
    chunks.push(chunk);
    length += chunk.length;
  };
  let inserted = false;
  for (const chunk of body.chunks) {
    add(chunk.subarray(0, clamp(start - offset, chunk.length)));
    if (!inserted && start - offset <= chunk.length) {
      for (const part of insertion) add(part);
      inserted = true;
    }
    add(chunk.subarray(clamp(end - offset, chunk.length)));
    offset += chunk.length;
  }
  return { chunks, length };
}

function clamp(value: number, max: number): number {
  return Math.min(Math.max(value, 0), max);
}
