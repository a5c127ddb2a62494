/**
 * Which namespaces does an object let in beside its own?
 */
import { byCodeUnit } from "../canonical.ts";
import { isShared } from "../lookup.ts";
import type { ObjectKey, Sharing } from "../table.ts";
import type { World } from "./world.ts";

/** Of `allowedRoutes` or `allowedClients`, as it was written. Absent, or not valid, means its own namespace only. */
export function toSharing(spec: unknown): Sharing {
  const { namespaces } = (spec ?? {}) as { readonly namespaces?: unknown };
  if (namespaces === "All") return "All";
  if (!Array.isArray(namespaces)) return "Same";
  const names = namespaces.filter((name): name is string => typeof name === "string");
  return names.length === 0 ? "Same" : [...new Set(names)].sort(byCodeUnit);
}

/** Whether routes of a namespace may use a provider. One that is not there, or not valid, forbids nothing. */
export function mayUseProvider(world: World, namespace: string, key: ObjectKey): boolean {
  const provider = world.providers.get(key);
  if (provider?.spec === undefined) return true;
  return isShared(toSharing(provider.spec.allowedRoutes), provider.namespace, namespace);
}
