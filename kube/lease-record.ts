/** What does a Lease say, and how is it written down that we hold it or give it up? */

import type { KubeObject, ObjectMeta } from "./objects.ts";

export interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

export interface LeaseSpec {
  /** Nobody when empty. */
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface Holder {
  readonly identity: string;
  readonly durationMs: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** The Lease with us as its holder; the version that was seen stays in it, so that a write over another's is refused. */
export function heldBy({ identity, durationMs, labels }: Holder, seen: Lease, at: Date): Lease {
  const { spec = {} } = seen;
  const isOurs = spec.holderIdentity === identity;
  const isFirst = seen.spec === undefined;
  return {
    ...seen,
    metadata: withLabels(seen.metadata, labels),
    spec: {
      ...spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(durationMs / 1000),
      acquireTime: (isOurs && spec.acquireTime) || microTime(at),
      renewTime: microTime(at),
      leaseTransitions: (spec.leaseTransitions ?? 0) + (isOurs || isFirst ? 0 : 1),
    },
  };
}

/** The Lease that anybody may take at once. */
export function heldByNobody(seen: Lease, at: Date): Lease {
  // The API server insists on a duration above 0.
  return {
    ...seen,
    spec: { ...seen.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime(at) },
  };
}

export function newLease(namespace: string, name: string): Lease {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { namespace, name } };
}

function withLabels(metadata: ObjectMeta, labels: Readonly<Record<string, string>>): ObjectMeta {
  return { ...metadata, labels: { ...metadata.labels, ...labels } };
}

/** metav1.MicroTime takes exactly six digits. */
function microTime(at: Date): string {
  return at.toISOString().replace("Z", "000Z");
}
