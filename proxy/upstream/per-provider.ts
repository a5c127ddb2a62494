/**
 * What is worked out once for a provider?
 *
 * A provider that did not change is the same object in the next table, so adopting one with thousands of providers
 * costs look-ups only.
 */
import type { Provider } from "../../routing/table.ts";

export function perProvider<T, P extends object = Provider>(of: (provider: P) => T): (provider: P) => T {
  const known = new WeakMap<P, T>();
  return (provider) => {
    const before = known.get(provider);
    if (before !== undefined) return before;
    const made = of(provider);
    known.set(provider, made);
    return made;
  };
}
