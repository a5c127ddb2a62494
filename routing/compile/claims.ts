/**
 * Which route holds which model names, and in which form does it stand?
 *
 * Within one namespace a name has one holder, the older route. A route whose spec is not accepted keeps its last
 * accepted form; one that is held at a former table has the form it had there; one that has none, or that must not serve, still holds its names without backends, so that its
 * callers do not fall to another tenant's route.
 */
import { shortHash } from "../history.ts";
import type { Route } from "../table.ts";
import { mayUseProvider } from "./sharing.ts";
import { byAge, type Finding, mayServe, type RouteDraft, type World, writtenSpec } from "./world.ts";

const MAX_MODELS = 64;

export function claimModels(world: World): void {
  const holders = new Map<string, RouteDraft>();
  for (const draft of [...world.routes.values()].sort(byAge)) {
    const settled = settle(world, draft, holders);
    Object.assign(draft, heldForm(draft, settled, holders) ?? settled);
    for (const model of draft.claims) holders.set(`${draft.namespace}/${model}`, draft);
  }
}

type Holders = ReadonlyMap<string, RouteDraft>;
type Settled = Pick<RouteDraft, "form" | "claims">;

const NOTHING: Settled = { form: "None", claims: [] };

/** As in the table that the route is held at. What may not serve is not served in a former form either. */
function heldForm(draft: RouteDraft, { form }: Settled, holders: Holders): Settled | undefined {
  if (draft.pin === undefined || (form !== "Spec" && form !== "Last")) return undefined;
  const names = free(draft, draft.pin.route.models, holders);
  if (names.length > 0) {
    draft.pin = { ...draft.pin, protection: form };
    return { form: "Pinned", claims: names };
  }
  const message = `all models that the route had in table ${shortHash(draft.pin.table.hash)} belong to other routes now`;
  draft.pinProblem = { reason: "ModelsTaken", message };
  return undefined;
}

/** A conflict is told on the draft. */
function settle(world: World, draft: RouteDraft, holders: Holders): Settled {
  if (draft.spec === undefined) return lastForm(world, draft, holders) ?? namesOnly(world, draft, holders);
  const conflict = firstConflict(draft, draft.spec.models, holders);
  if (conflict === undefined) return { form: mayServe(draft) ? "Spec" : "NamesOnly", claims: draft.spec.models };
  const asksForProtection = draft.rejected.length > 0;
  draft.rejected.unshift(conflict);
  if (!asksForProtection) return lastForm(world, draft, holders) ?? NOTHING;
  // The form without the protection must not come back; its callers must not fall to others either.
  return holding(free(draft, lastOf(world, draft)?.models ?? [], holders));
}

/** The last accepted form, for the names that have not gone to others. `undefined`: there is none. */
function lastForm(world: World, draft: RouteDraft, holders: Holders): Settled | undefined {
  const last = lastOf(world, draft);
  // Without backends it only held its names, or could serve nobody: that is nothing to keep.
  if (!last?.backends.some((backend) => mayUseProvider(world, last.namespace, backend.provider))) return undefined;
  const names = free(draft, last.models, holders);
  return names.length > 0 ? { form: "Last", claims: names } : NOTHING;
}

function namesOnly(world: World, draft: RouteDraft, holders: Holders): Settled {
  const readable = namesOfBroken(draft);
  return holding(free(draft, readable.length > 0 ? readable : (lastOf(world, draft)?.models ?? []), holders));
}

function holding(names: readonly string[]): Settled {
  return names.length > 0 ? { form: "NamesOnly", claims: names } : NOTHING;
}

/** Only of the same uid: one of another was a route of the same name, perhaps of another owner. */
function lastOf(world: World, draft: RouteDraft): Route | undefined {
  const last = world.lastRoutes.get(draft.key);
  return last?.uid === draft.uid ? last : undefined;
}

function free(draft: RouteDraft, models: readonly string[], holders: Holders): readonly string[] {
  return models.filter((model) => !holders.has(`${draft.namespace}/${model}`));
}

function firstConflict(draft: RouteDraft, models: readonly string[], holders: Holders): Finding | undefined {
  for (const model of models) {
    const holder = holders.get(`${draft.namespace}/${model}`);
    if (holder === undefined) continue;
    const why = holder.created === draft.created ? "which comes first by name" : "which is older";
    const message = `spec.models: ${model} belongs to AIRoute ${holder.key}, ${why}; take the name out of one of the two`;
    return { reason: "Conflicted", message };
  }
  return undefined;
}

/** What can be read of the names that a broken spec asks for. */
function namesOfBroken(draft: RouteDraft): readonly string[] {
  const { models } = writtenSpec(draft);
  if (!Array.isArray(models)) return [];
  const names = models.filter((model): model is string => typeof model === "string" && model !== "");
  return [...new Set(names)].slice(0, MAX_MODELS);
}
