/**
 * Which namespaces does an object let in beside its own?
 */
import { byCodeUnit } from "../canonical.ts";
import type { Sharing } from "../table.ts";
import type { SharingSpec } from "./spec.ts";

/** Absent means its own namespace only. */
export function toSharing(spec: SharingSpec | undefined): Sharing {
  const namespaces: unknown = spec?.namespaces;
  if (namespaces === "All") return "All";
  if (!Array.isArray(namespaces)) return "Same";
  const names = namespaces.filter((name): name is string => typeof name === "string");
  return names.length === 0 ? "Same" : [...new Set(names)].sort(byCodeUnit);
}
