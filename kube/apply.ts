/** How does Tandem write an object whose fields it owns? By server-side apply: what is left out is given up. */

import type { KubeClient } from "./client.ts";
import { type KubeObject, pathOf, pluralOf } from "./objects.ts";

export interface ApplySettings {
  readonly fieldManager: string;
  /** Take fields that another manager owns; without it they are a conflict (409). */
  readonly force: boolean;
  readonly subresource?: "status";
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The object as the API server keeps it now. `apiVersion` and `kind` must be there. */
export function apply<T extends KubeObject>(client: KubeClient, object: T, settings: ApplySettings): Promise<T> {
  const { fieldManager, force, subresource, ...options } = settings;
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined || kind === undefined) {
    return Promise.reject(new Error(`${metadata.name} cannot be applied without its apiVersion and kind`));
  }
  const path = pathOf(apiVersion, pluralOf(kind), metadata.namespace, metadata.name);
  return client.request<T>("PATCH", subresource === undefined ? path : `${path}/${subresource}`, {
    ...options,
    query: { fieldManager, force: String(force) },
    body: object,
    contentType: "application/apply-patch+yaml",
  });
}
