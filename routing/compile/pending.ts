/**
 * What becomes of objects that use fields without effect yet?
 */
import { type PendingUse, pendingUses } from "../effective.ts";
import type { AnyDraft, World } from "./world.ts";
import { allDrafts } from "./world.ts";

const NOUNS = { AIProvider: "provider", AIRoute: "route", AIClient: "client" } as const;

export function judgePending(world: World): void {
  for (const draft of allDrafts(world)) {
    if (draft.spec === undefined) continue;
    for (const use of pendingUses(draft.kind, draft.spec)) judge(draft, use, world.dev);
  }
}

function judge(draft: AnyDraft, use: PendingUse, dev: boolean): void {
  const { effect, instead } = use.field;
  const fields = use.paths.join(", ");
  if (effect === "Tunes") {
    draft.notes.push(`${fields}: has no effect yet, ${instead}`);
    return;
  }
  const servedAnyway = effect === "Protects" && dev;
  const noun = NOUNS[draft.kind];
  const consequence = servedAnyway
    ? `the ${noun} is served all the same because of dev mode`
    : `so the ${noun} is not served; take the field out${effect === "Protects" ? ", or try it without protection in dev mode" : " and use auth.apiKey"}`;
  const message = `${fields}: has no effect yet (${instead}), ${consequence}`;
  draft.rejected.push({ reason: "NotYetEffective", message, servedAnyway });
}
