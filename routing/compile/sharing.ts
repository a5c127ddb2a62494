/**
 * Which namespaces does an object let in beside its own?
 */
import { byCodeUnit } from "../canonical.ts";
import type { Sharing } from "../table.ts";

/** Of `allowedRoutes` or `allowedClients`, as it was written. Absent, or not valid, means its own namespace only. */
export function toSharing(spec: unknown): Sharing {
  const { namespaces } = (spec ?? {}) as { readonly namespaces?: unknown };
  if (namespaces === "All") return "All";
  if (!Array.isArray(namespaces)) return "Same";
  const names = namespaces.filter((name): name is string => typeof name === "string");
  return names.length === 0 ? "Same" : [...new Set(names)].sort(byCodeUnit);
}
