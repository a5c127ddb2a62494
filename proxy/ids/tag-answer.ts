/** How do the ids of an answer become the caller's? */
import { type Edit, edited } from "../body/edits.ts";
import { type JsonPaths, stringsAt } from "../body/json-strings.ts";
import type { RequestContext } from "../context.ts";
import { homeOf, lookedThrough, type Owner, ownerOf } from "./affinity.ts";

/** The JSON text of `target` with its ids at `paths` tagged; the very buffer where there are none or it cannot be read. */
export function tagIDs(context: RequestContext, json: Buffer, paths: JsonPaths, target = context.target): Buffer {
  const { snapshot, ids } = context;
  if (!target) return json;
  const home = homeOf(target.provider);
  const owner = ownerIn(context);
  const edits: Edit[] = [];
  for (const { start, end } of stringsAt(json, paths) ?? []) {
    const id = json.toString("utf8", start, end);
    if (id === "" || id.includes("\\")) continue;
    edits.push({
      start,
      end,
      replacement: Buffer.from(snapshot.affinity.tagged(id, home, ids?.vouched?.get(id) ?? owner)),
    });
  }
  if (edits.length === 0) return json;
  const { chunks, length } = edited([json], edits);
  return Buffer.concat(chunks, length);
}

/**
 * A batch's file says for which residency it was looked through where it is made. Later only the very id is told again so:
 * over any other, a file that was not looked through could get the word.
 */
function ownerIn({ batch, caller, client, namespace }: RequestContext): Owner {
  const owner = ownerOf(client, namespace);
  return batch && caller.residency !== undefined ? lookedThrough(owner, caller.residency) : owner;
}
