/** What are the objects called that the operator writes, and whose are they? */
import type { ObjectMeta } from "../kube/objects.ts";

export interface Release {
  /** Names everything that the operator writes. */
  readonly name: string;
  readonly namespace: string;
}

export const FIELD_MANAGER = "tandem-operator";
/** A leader that has lost its Lease since must not have a write on its way when another takes over: hence the timeout (ms). */
export const APPLY = { fieldManager: FIELD_MANAGER, force: true, timeoutMs: 5_000 } as const;
const APP = "app.kubernetes.io";

export function leaseName({ name }: Release): string {
  return `${name}-operator`;
}

/** Of everything that the operator writes in the release's namespace. */
export function ownLabels({ name }: Release): Record<string, string> {
  return { [`${APP}/name`]: "tandem", [`${APP}/instance`]: name, [`${APP}/managed-by`]: FIELD_MANAGER };
}

export function ownMeta(release: Release, name: string, labels: Readonly<Record<string, string>> = {}): ObjectMeta {
  return { name, namespace: release.namespace, labels: { ...ownLabels(release), ...labels } };
}

/** Of the ConfigMaps that the operator wrote. */
export function ownSelector(release: Release): string {
  return selectorOf(ownLabels(release));
}

/** Of the release's proxies. */
export function proxySelector({ name }: Release): string {
  return selectorOf({ [`${APP}/name`]: "tandem", [`${APP}/instance`]: name, [`${APP}/component`]: "proxy" });
}

function selectorOf(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
