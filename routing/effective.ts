/**
 * Which fields of the contract have no effect yet, and what becomes of an object that uses one?
 *
 * A field that protects refuses its object: `Accepted=False, NotYetEffective`, not served (except in dev mode), because
 * an owner who asks for a limit must not be given none. The other fields only say so. A field at its default counts as
 * not used. A row goes away when its field takes effect.
 */
import type { Kind } from "./verdict.ts";

export interface PendingField {
  readonly kind: Kind;
  /** Below `spec`; `[]` stands for every item of a list. */
  readonly path: string;
  readonly effect: "Protects" | "Tunes";
  /** When given, only these values count. */
  readonly values?: readonly string[];
  /** What happens instead, to stand behind the path. */
  readonly instead: string;
}

export const PENDING_FIELDS: readonly PendingField[] = [
  { kind: "AIRoute", path: "contentPolicy", effect: "Protects", instead: "no content is checked" },

  { kind: "AIProvider", path: "models[].limits", effect: "Tunes", instead: "the provider's own 429 is what counts" },
];

/** A pending field that an object uses, with the paths where. */
export interface PendingUse {
  readonly field: PendingField;
  /** Concrete, such as `spec.models[0].price`. */
  readonly paths: readonly string[];
}

/** The pending fields that a validated spec uses. */
export function pendingUses(kind: Kind, spec: unknown): readonly PendingUse[] {
  const uses: PendingUse[] = [];
  for (const field of PENDING_FIELDS) {
    if (field.kind !== kind) continue;
    const paths = findPaths(spec, field.path.split("."), "spec", field);
    if (paths.length > 0) uses.push({ field, paths });
  }
  return uses;
}

function findPaths(value: unknown, rest: readonly string[], path: string, field: PendingField): readonly string[] {
  const [step, ...deeper] = rest;
  if (step === undefined) return isUsed(value, field) ? [path] : [];
  const name = step.replace("[]", "");
  const member =
    typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
  if (!step.endsWith("[]")) return findPaths(member, deeper, `${path}.${name}`, field);
  if (!Array.isArray(member)) return [];
  return member.flatMap((item: unknown, i) => findPaths(item, deeper, `${path}.${name}[${i}]`, field));
}

function isUsed(value: unknown, field: PendingField): boolean {
  if (value === undefined || value === null) return false;
  if (field.values !== undefined) return field.values.includes(String(value));
  return typeof value !== "object" || Object.keys(value).length > 0;
}
