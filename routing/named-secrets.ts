/** Which Secrets does an object name? Every `…secretRef` of its spec, whatever the kind: new fields need no list here. */

export interface NamedKey {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

interface Named {
  readonly metadata: { readonly namespace?: string | undefined };
  readonly spec?: unknown;
}

const REFERENCE = /secretRef$/i;

/** Always in the namespace of the object that names it. */
export function namedSecretKeys({ metadata, spec }: Named): readonly NamedKey[] {
  const found: NamedKey[] = [];
  const walk = (value: unknown, field: string): void => {
    if (typeof value !== "object" || value === null) return;
    if (REFERENCE.test(field) && !Array.isArray(value)) {
      const { name, key = "" } = value as { name?: unknown; key?: unknown };
      if (typeof name !== "string" || name === "" || typeof key !== "string") return;
      found.push({ namespace: metadata.namespace ?? "default", name, key });
      return;
    }
    for (const [member, inner] of Object.entries(value)) walk(inner, Array.isArray(value) ? field : member);
  };
  walk(spec, "");
  return found;
}
