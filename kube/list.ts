/** Which objects does a collection hold now? Page by page, all at one version. */

import type { KubeClient, Query } from "./client.ts";
import { type KubeList, type KubeObject, keyOf } from "./objects.ts";

const PAGE_OBJECTS = 500;
const PAGE_TIMEOUT_MS = 30_000;

export interface Listed<T extends KubeObject> {
  readonly objects: ReadonlyMap<string, T>;
  readonly resourceVersion: string;
}

export async function listAll<T extends KubeObject>(
  client: KubeClient,
  path: string,
  selectors: Query,
  signal: AbortSignal,
): Promise<Listed<T>> {
  const objects = new Map<string, T>();
  let from = "";
  for (;;) {
    const query = { ...selectors, limit: String(PAGE_OBJECTS), ...(from !== "" && { continue: from }) };
    const page = await client.request<KubeList<T>>("GET", path, { query, signal, timeoutMs: PAGE_TIMEOUT_MS });
    const type = typeOfItems(page);
    for (const item of page.items ?? []) {
      const object = intake({ ...type, ...item });
      objects.set(keyOf(object), object);
    }
    from = page.metadata.continue ?? "";
    if (from === "") return { objects, resourceVersion: page.metadata.resourceVersion ?? "" };
  }
}

/** Without what only the API server reads, which is often the larger part. The object must be our own. */
export function intake<T extends KubeObject>(object: T): T {
  delete (object.metadata as { managedFields?: unknown }).managedFields;
  return object;
}

/** Items of built-in lists do not say what they are; those of a watch do. */
function typeOfItems({ apiVersion, kind }: KubeList): Pick<KubeObject, "apiVersion" | "kind"> {
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind?.endsWith("List") && { kind: kind.slice(0, -"List".length) }),
  };
}
