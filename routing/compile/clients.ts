/**
 * Who may call, and with which keys?
 */
import { isShared } from "../lookup.ts";
import type { ClientKey, ObjectKey } from "../table.ts";
import { resolveSecret } from "./secret-refs.ts";
import { toSharing } from "./sharing.ts";
import type { ClientSpec, SecretKeyRef } from "./spec.ts";
import { byAge, type ClientDraft, mayServe, type World, writtenSpec } from "./world.ts";

/** Below this a key is worth a warning. Characters. */
const SHORT_KEY_LENGTH = 16;

export function makeClients(world: World): void {
  const owners = new Map<string, ClientDraft>();
  for (const draft of [...world.clients.values()].sort(byAge)) {
    const keys = draft.spec === undefined ? keysOfBroken(world, draft) : keysOf(world, draft, draft.spec);
    refuseSharedKeys(draft, keys, owners);
    for (const key of keys) if (!owners.has(key.hmac)) owners.set(key.hmac, draft);
    if (draft.spec === undefined) continue;
    draft.columns.models = draft.spec.models?.join(", ") ?? "all";
    if (mayServe(draft) && keys.length > 0) makeClient(world, draft, draft.spec, keys);
  }
}

/** The keys whose values are there. What is missing or weak is noted on the draft. */
function keysOf(world: World, draft: ClientDraft, spec: ClientSpec): readonly ClientKey[] {
  const keys: ClientKey[] = [];
  for (const [i, { name, secretRef }] of spec.keys.entries()) {
    const resolved = resolveSecret(world, draft.namespace, secretRef, `spec.keys[${i}].secretRef`);
    if ("problem" in resolved) {
      draft.unresolved.push(resolved.problem);
      continue;
    }
    if (resolved.facts.length < SHORT_KEY_LENGTH) {
      draft.notes.push(
        `spec.keys[${i}]: key ${name} has fewer than ${SHORT_KEY_LENGTH} characters and can be guessed; use a longer random one`,
      );
    }
    const { hmac } = resolved.facts;
    if (!keys.some((key) => key.hmac === hmac)) keys.push({ name, hmac });
  }
  return keys;
}

/** A client that is refused still owns its keys: nobody else's client may answer to them meanwhile. */
function keysOfBroken(world: World, draft: ClientDraft): readonly ClientKey[] {
  const { keys } = writtenSpec(draft);
  const found: ClientKey[] = [];
  for (const item of Array.isArray(keys) ? keys : []) {
    const { secretRef } = (item ?? {}) as { secretRef?: Partial<SecretKeyRef> | null };
    if (typeof secretRef?.name !== "string" || typeof secretRef.key !== "string") continue;
    const ref = { name: secretRef.name, key: secretRef.key };
    const resolved = resolveSecret(world, draft.namespace, ref, "spec.keys");
    if ("facts" in resolved) found.push({ name: ref.key, hmac: resolved.facts.hmac });
  }
  return found;
}

/** One key value is one caller. The older client keeps it; what it is called is only told inside its namespace. */
function refuseSharedKeys(draft: ClientDraft, keys: readonly ClientKey[], owners: ReadonlyMap<ObjectKey, ClientDraft>) {
  for (const key of keys) {
    const owner = owners.get(key.hmac);
    if (owner === undefined) continue;
    const who = owner.namespace === draft.namespace ? `AIClient ${owner.key}` : "an AIClient of another namespace";
    draft.rejected.push({
      reason: "Conflicted",
      message: `spec.keys: the value of key ${key.name} is already the key of ${who}; give each client a value of its own`,
    });
  }
}

function makeClient(world: World, draft: ClientDraft, spec: ClientSpec, keys: readonly ClientKey[]): void {
  const defaultRoute = defaultRouteOf(world, draft, spec);
  draft.made = {
    key: draft.key,
    namespace: draft.namespace,
    name: draft.name,
    keys,
    ...(spec.models !== undefined && { models: spec.models }),
    ...(defaultRoute !== undefined && { defaultRoute }),
    ...(spec.residency !== undefined && { residency: spec.residency }),
    ...(spec.location !== undefined && { location: spec.location }),
    ...(spec.statefulListing === "Allow" && { statefulListing: "Allow" as const }),
  };
}

function defaultRouteOf(world: World, draft: ClientDraft, spec: ClientSpec): string | undefined {
  const name = spec.defaultRoute;
  if (name === undefined) return undefined;
  const route = world.routes.get(name.includes("/") ? name : `${draft.namespace}/${name}`);
  const sharing = toSharing(route && writtenSpec(route).allowedClients);
  if (route !== undefined && isShared(sharing, route.namespace, draft.namespace)) return name;
  draft.unresolved.push({
    reason: "RouteNotFound",
    message: `spec.defaultRoute: AIRoute ${name} does not exist or is not shared with namespace ${draft.namespace}; create it, or name another`,
  });
  return undefined;
}
