/**
 * What has the operator published, as the API server has it?
 *
 * The watch tells, some milliseconds late; until it does, what the last own write answered counts.
 */
import { type KubeObject, keyOf } from "../kube/objects.ts";
import type { Change, Reflector } from "../kube/reflector.ts";

interface Written<T> {
  /** Undefined: deleted. */
  readonly object: T | undefined;
  /** On the monotonic clock. */
  readonly at: number;
}

/** Milliseconds: a watch that has not told by then has missed it, and what it says counts. */
const TOLD_BY_THEN = 30_000;

export class OwnObjects<T extends KubeObject> {
  readonly #seen: Reflector<T>;
  readonly #written = new Map<string, Written<T>>();

  constructor(seen: Reflector<T>) {
    this.#seen = seen;
  }

  get(key: string): T | undefined {
    const written = this.#written.get(key);
    const seen = this.#seen.get(key);
    if (written === undefined || performance.now() - written.at > TOLD_BY_THEN) return seen;
    if (written.object === undefined) return undefined;
    return seen !== undefined && isNewer(seen, written.object) ? seen : written.object;
  }

  list(): T[] {
    const keys = new Set([...this.#seen.list().map(keyOf), ...this.#written.keys()]);
    return [...keys].map((key) => this.get(key)).filter((object) => object !== undefined);
  }

  wrote(object: T): void {
    this.#written.set(keyOf(object), { object, at: performance.now() });
  }

  deleted(key: string): void {
    this.#written.set(key, { object: undefined, at: performance.now() });
  }

  /** The watch has told of it: whether that is news. */
  observe({ type, key, object }: Change<T>): boolean {
    const written = this.#written.get(key);
    if (written === undefined) return true;
    if (type === "deleted") {
      this.#written.delete(key);
      return written.object !== undefined;
    }
    if (written.object === undefined) return true;
    if (isNewer(written.object, object)) return false;
    this.#written.delete(key);
    return isNewer(object, written.object);
  }
}

function versionOf({ metadata }: KubeObject): bigint {
  return BigInt(metadata.resourceVersion ?? "0");
}

/** Resource versions of one kind can be compared since Kubernetes 1.35, and could in etcd all along. */
export function isNewer(one: KubeObject, other: KubeObject): boolean {
  return versionOf(one) > versionOf(other);
}
