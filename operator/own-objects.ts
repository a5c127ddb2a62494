/**
 * What has the operator published, as the API server has it?
 *
 * The watch tells, some milliseconds late; until it does, what the last own write answered counts.
 */
import type { KubeObject } from "../kube/objects.ts";
import type { Reflector } from "../kube/reflector.ts";

export class OwnObjects<T extends KubeObject> {
  readonly #seen: Reflector<T>;
  readonly #written = new Map<string, T | "deleted">();

  constructor(seen: Reflector<T>) {
    this.#seen = seen;
  }

  get(key: string): T | undefined {
    const written = this.#written.get(key);
    const seen = this.#seen.get(key);
    if (written === undefined) return seen;
    if (written === "deleted") return undefined;
    return seen !== undefined && isNewer(seen, written) ? seen : written;
  }

  list(): T[] {
    const keys = new Set([...this.#seen.list().map(keyOf), ...this.#written.keys()]);
    return [...keys].map((key) => this.get(key)).filter((object) => object !== undefined);
  }

  wrote(object: T): void {
    this.#written.set(keyOf(object), object);
  }

  deleted(key: string): void {
    this.#written.set(key, "deleted");
  }

  /** The watch has told of it: whether that is news. */
  observe(change: { readonly type: "added" | "modified" | "deleted"; readonly object: T }): boolean {
    const key = keyOf(change.object);
    const written = this.#written.get(key);
    if (written === undefined) return true;
    if (written === "deleted") {
      if (change.type === "deleted") this.#written.delete(key);
      return change.type !== "deleted";
    }
    if (change.type !== "deleted" && isNewer(written, change.object)) return false;
    const isOwn = change.type !== "deleted" && versionOf(change.object) === versionOf(written);
    // A deletion of what was written before is told late; a later one carries a newer version.
    if (change.type === "deleted" && isNewer(written, change.object)) return false;
    this.#written.delete(key);
    return !isOwn;
  }
}

export function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function versionOf({ metadata }: KubeObject): bigint {
  return BigInt(metadata.resourceVersion ?? "0");
}

/** Resource versions of one kind can be compared since Kubernetes 1.35, and could in etcd all along. */
export function isNewer(one: KubeObject, other: KubeObject): boolean {
  return versionOf(one) > versionOf(other);
}
