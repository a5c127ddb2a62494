/** How do the ids of an answer become the caller's? */
import { type Edit, edited } from "../body/edits.ts";
import { type JsonPaths, stringsAt } from "../body/json-strings.ts";
import type { RequestContext } from "../context.ts";
import { homeOf, ownerOf } from "./affinity.ts";

/** The JSON text with its provider's ids at `paths` tagged; as it is where it cannot be read. */
export function tagIDs(context: RequestContext, json: Buffer, paths: JsonPaths): Buffer {
  const { target, client, namespace, snapshot } = context;
  if (!target) return json;
  const home = homeOf(target.provider);
  const owner = ownerOf(client, namespace);
  const edits: Edit[] = [];
  for (const { start, end } of stringsAt(json, paths) ?? []) {
    const id = json.toString("utf8", start, end);
    if (id === "" || id.includes("\\")) continue;
    edits.push({ start, end, replacement: Buffer.from(snapshot.affinity.tagged(id, home, owner)) });
  }
  if (edits.length === 0) return json;
  const { chunks, length } = edited([json], edits);
  return Buffer.concat(chunks, length);
}
