/** How is an object made to be as it should, whatever it was before? Server-side apply. */
import type { KubeClient } from "./client.ts";
import { type KubeObject, pathOf } from "./objects.ts";

export interface ApplyOptions {
  readonly fieldManager: string;
  readonly subresource?: "status";
}

/** Milliseconds. A leader that has lost its Lease since must not have a write on its way when another takes over. */
const TIMEOUT = 5_000;

/** The stored object. Fields of this manager that are left out go; other managers' conflicting values are taken over. */
export function apply<T extends KubeObject>(client: KubeClient, object: KubeObject, options: ApplyOptions): Promise<T> {
  const { fieldManager, subresource } = options;
  return client.request<T>("PATCH", `${pathOf(object)}${subresource === undefined ? "" : `/${subresource}`}`, {
    query: { fieldManager, force: "true" },
    contentType: "application/apply-patch+yaml",
    body: object,
    timeoutMs: TIMEOUT,
  });
}
