/**
 * Which routes are held at a former table?
 *
 * Asked for by an annotation, so that it outlives every edit of the spec. What cannot be held keeps serving as its spec
 * says, and its owner is told.
 */
import { FEWEST_DIGITS, findTable, pinnedTableOf, shortHash } from "../history.ts";
import type { Condition } from "../verdict.ts";
import type { Finding, RouteDraft, World } from "./world.ts";

/** Named in a message. */
const MOST_NAMED = 10;

export function findPins(world: World): void {
  for (const draft of world.routes.values()) {
    const wanted = pinnedTableOf(draft.object);
    if (wanted === undefined) continue;
    const table = findTable(world.history, wanted);
    const route = table?.route(draft.key);
    if (table !== undefined && route !== undefined && route.backends.length > 0) draft.pin = { table, route };
    else draft.pinProblem = problemOf(world, draft, wanted, table?.hash);
  }
}

function problemOf(world: World, draft: RouteDraft, wanted: string, found: string | undefined): Finding {
  const field = "metadata.annotations[tandem.dev/pinned-table]";
  if (found !== undefined) {
    const message = `${field}: table ${shortHash(found)} holds no form of ${draft.key} that served; name another, or take the annotation away`;
    return { reason: "RouteNotInTable", message };
  }
  const known = world.history.slice(0, MOST_NAMED).map(({ hash }) => shortHash(hash));
  const kept = known.length === 0 ? "none is kept" : `kept are ${known.join(", ")}`;
  const name = wanted.slice(0, 80);
  const message = `${field}: ${name} is not the hash of a table that is kept, nor the only one that begins so (at least ${FEWEST_DIGITS} digits); ${kept}`;
  return { reason: "TableNotFound", message };
}

/** Undefined: nobody asks for it. */
export function pinnedCondition(draft: RouteDraft): Condition | undefined {
  if (draft.form === "Pinned" && draft.pin !== undefined) {
    const { hash, at } = draft.pin.table;
    const from = at === undefined ? "" : ` of ${at}`;
    const message = `Held as in table ${shortHash(hash)}${from}, whatever the spec says now; take the annotation tandem.dev/pinned-table away to release it.`;
    return { type: "Pinned", status: "True", reason: "Held", message };
  }
  if (draft.pinProblem === undefined && draft.pin === undefined) return undefined;
  const { reason, message } = draft.pinProblem ?? {
    reason: "NotServed",
    message: "the route is not served at all: see Accepted",
  };
  return { type: "Pinned", status: "False", reason, message: `${message}.` };
}
