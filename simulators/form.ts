/** Which fields does a multipart form have, read as the JSON body of the same names would be? */

import type { JsonObject } from "./operations/operation.ts";

type Fields = Record<string, unknown>;

/**
 * Files are `File`s, everything else text. `image[]` and names that come twice are lists, `expires_after[anchor]` is an
 * object's field: the official clients write both. Undefined when the bytes are no such form.
 */
export async function fieldsOf(body: Buffer, contentType: string): Promise<JsonObject | undefined> {
  if (!/^multipart\/form-data\b/i.test(contentType)) return undefined;
  try {
    const form = await new Response(new Uint8Array(body), { headers: { "content-type": contentType } }).formData();
    const fields: Fields = {};
    for (const [name, value] of form) put(fields, name, value);
    return fields;
  } catch {
    return undefined;
  }
}

function put(fields: Fields, name: string, value: unknown): void {
  const nested = /^([^[\]]+)\[([^[\]]+)\]$/.exec(name);
  if (nested) {
    const [, outer = "", inner = ""] = nested;
    const held = fields[outer];
    fields[outer] = { ...(isPlain(held) ? held : {}), [inner]: value };
    return;
  }
  const listed = name.endsWith("[]");
  const key = listed ? name.slice(0, -2) : name;
  const held = fields[key];
  if (Array.isArray(held)) held.push(value);
  else if (held !== undefined) fields[key] = [held, value];
  else fields[key] = listed ? [value] : value;
}

function isPlain(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof File);
}

/** A whole number that came as text; undefined when it is none. */
export function wholeNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^\d+$/.test(value) ? Number(value) : undefined;
}
