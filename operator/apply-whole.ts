/** How does an object of ours hold nothing but what we wrote? Server-side apply leaves what others put beside it. */
import { apply } from "../kube/apply.ts";
import type { KubeClient } from "../kube/client.ts";
import { type KubeObject, pathOf, pluralOf } from "../kube/objects.ts";
import { APPLY } from "./release.ts";

interface WithData extends KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** `mayWrite` is asked before each write, and throws when there must be none. */
export async function applyWhole<T extends WithData>(client: KubeClient, object: T, mayWrite: () => void): Promise<T> {
  mayWrite();
  const stored = await apply<T>(client, object, APPLY);
  const foreign = Object.keys(stored.data ?? {}).filter((key) => object.data?.[key] === undefined);
  if (foreign.length === 0) return stored;
  mayWrite();
  const { apiVersion = "", kind = "", metadata } = object;
  return client.request<T>("PATCH", pathOf(apiVersion, pluralOf(kind), metadata.namespace, metadata.name), {
    query: { fieldManager: APPLY.fieldManager },
    contentType: "application/merge-patch+json",
    timeoutMs: APPLY.timeoutMs,
    // Guarded by the version that was seen, as what it takes away is.
    body: {
      metadata: { resourceVersion: stored.metadata.resourceVersion },
      data: Object.fromEntries(foreign.map((key) => [key, null])),
    },
  });
}
