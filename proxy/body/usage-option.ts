/** How does a body's `stream_options` come to ask for usage? */
import type { Edit } from "./edits.ts";
import type { Field } from "./field.ts";
import { BodyScan } from "./scan.ts";

const WANTED = new Set(["include_usage"]);
const OPTIONS = Buffer.from('{"include_usage":true}');
const OPTIONS_FIELD = Buffer.from('"stream_options":{"include_usage":true},');
const FIELD = '"include_usage":true';
const TRUE = Buffer.from("true");

/**
 * Puts `include_usage: true` into a body that has some other field, all else as the caller wrote it. Undefined when the
 * caller asked already, or wrote something that is for the provider to refuse.
 */
export function askingForUsage(body: BodyScan): Edit | undefined {
  const field = body.fields.get("stream_options");
  if (!field) return { start: body.firstKeyAt, end: body.firstKeyAt, replacement: OPTIONS_FIELD };
  const written = body.slice(field.start, field.end);
  if (field.kind === "literal") {
    return written.toString("latin1") === "null" ? { ...placeOf(field), replacement: OPTIONS } : undefined;
  }
  const options = new BodyScan(WANTED);
  options.push(written);
  if (!options.complete || options.problem) return undefined;
  return inOptions(options, written, field.start);
}

/** `offset`: where the options begin in the body. */
function inOptions(options: BodyScan, written: Buffer, offset: number): Edit | undefined {
  const asked = options.fields.get("include_usage");
  if (!asked) {
    const at = offset + options.firstKeyAt;
    return { start: at, end: at, replacement: Buffer.from(options.size === 0 ? FIELD : `${FIELD},`) };
  }
  const value = written.toString("latin1", asked.start, asked.end);
  if (value !== "false" && value !== "null") return undefined;
  return { ...placeOf(asked, offset), replacement: TRUE };
}

function placeOf({ start, end }: Field, offset = 0): { start: number; end: number } {
  return { start: start + offset, end: end + offset };
}
