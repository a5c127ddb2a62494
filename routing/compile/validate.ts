/**
 * Is each object what its schema wants?
 */
import type { Checked, ValidatedSpec } from "./schema-adapter.ts";
import { checkObject } from "./schema-adapter.ts";
import { type AnyDraft, allDrafts, type World } from "./world.ts";

const checkedBefore = new WeakMap<object, Checked>();

export function validate(world: World): void {
  for (const draft of allDrafts(world)) {
    if (draft.rejected.length > 0) continue;
    const { spec, problems } = checkOnce(draft.object);
    for (const message of problems) draft.rejected.push({ reason: "Invalid", message });
    if (spec !== undefined && problems.length === 0) accept(draft, spec);
  }
}

/** The schema has just been checked against the kind, so the spec is the one of the draft's kind. */
function accept(draft: AnyDraft, spec: ValidatedSpec): void {
  draft.spec = spec as never;
}

/** Once per object: objects are never changed in place, and an informer's cache hands out the same ones again. */
function checkOnce(object: object): Checked {
  const before = checkedBefore.get(object);
  if (before !== undefined) return before;
  const checked = checkObject(object);
  checkedBefore.set(object, checked);
  return checked;
}
