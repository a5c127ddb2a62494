/**
 * Is each object what its schema wants?
 *
 * A field that the schema does not know is a reason to refuse too: `kubectl apply` refuses it, and a misspelt or newer
 * field may be one that protects.
 */
import { type Validated, validateObject } from "../schema.ts";
import { allDrafts, type World } from "./world.ts";

const validatedBefore = new WeakMap<object, Validated>();

export function validate(world: World): void {
  for (const draft of allDrafts(world)) {
    if (draft.rejected.length > 0) continue;
    const { object, problems } = validateOnce(draft.object);
    for (const { message } of problems) draft.rejected.push({ reason: "Invalid", message });
    // The schema has just been chosen by the kind, so the spec is of the draft's kind.
    if (object !== undefined && problems.length === 0) draft.spec = object.spec as never;
  }
}

/** With defaults; undefined where it is not valid. The same object for the same one. */
export function validSpec(object: object): unknown {
  const { object: valid, problems } = validateOnce(object);
  return problems.length === 0 ? valid?.spec : undefined;
}

/** Once per object: objects are never changed in place, and an informer's cache hands out the same ones again. */
function validateOnce(object: object): Validated {
  const before = validatedBefore.get(object);
  if (before !== undefined) return before;
  const validated = validateObject(object);
  validatedBefore.set(object, validated);
  return validated;
}
