/**
 * What becomes of objects that use fields without effect yet?
 */
import { type PendingField, type PendingUse, pendingUses } from "../effective.ts";
import type { AnyDraft, World } from "./world.ts";
import { allDrafts } from "./world.ts";

const NOUNS = { AIProvider: "provider", AIRoute: "route", AIClient: "client" } as const;
/** Of the items of a list so many are named, the others counted. */
const MAX_PATHS = 3;

export function judgePending(world: World): void {
  for (const draft of allDrafts(world)) {
    if (draft.spec === undefined) continue;
    const uses = usesOf(draft.kind, draft.spec);
    for (const use of ofEffect(uses, "Tunes"))
      draft.notes.push(`${pathsOf(use)} has no effect yet: ${use.field.instead}`);
    refuse(draft, ofEffect(uses, "Protects"), world.dev);
  }
}

const foundBefore = new WeakMap<object, readonly PendingUse[]>();

/** Once per spec: see `validate`. */
function usesOf(kind: AnyDraft["kind"], spec: object): readonly PendingUse[] {
  const before = foundBefore.get(spec);
  if (before !== undefined) return before;
  const uses = pendingUses(kind, spec);
  foundBefore.set(spec, uses);
  return uses;
}

function ofEffect(uses: readonly PendingUse[], effect: PendingField["effect"]): readonly PendingUse[] {
  return uses.filter((use) => use.field.effect === effect);
}

function refuse(draft: AnyDraft, uses: readonly PendingUse[], servedAnyway: boolean): void {
  if (uses.length === 0) return;
  const fields = uses.map((use) => `${pathsOf(use)} (${use.field.instead})`).join(", ");
  const noun = NOUNS[draft.kind];
  const consequence = servedAnyway
    ? `; the ${noun} is served all the same because of dev mode`
    : `, so the ${noun} is not served; take ${uses.length === 1 ? "it" : "them"} out, or try it without protection in dev mode`;
  const message = `${fields} ${uses.length === 1 ? "has" : "have"} no effect yet${consequence}`;
  draft.rejected.push({ reason: "NotYetEffective", message, servedAnyway });
}

function pathsOf({ paths }: PendingUse): string {
  const rest = paths.length - MAX_PATHS;
  return paths.slice(0, MAX_PATHS).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
