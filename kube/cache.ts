/** Which objects of a collection are there, and what does news about them change? */

import { type KubeObject, keyOf } from "./objects.ts";

export type Change<T extends KubeObject> =
  | { readonly type: "added"; readonly key: string; readonly object: T }
  | { readonly type: "modified"; readonly key: string; readonly object: T; readonly previous: T }
  /** `object` is the last that was seen of it. */
  | { readonly type: "deleted"; readonly key: string; readonly object: T };

/** Objects are never changed, only replaced; one that stays the same stays the same reference. */
export class Cache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #onChange: (change: Change<T>) => void;
  #list: readonly T[] | undefined;

  constructor(onChange: (change: Change<T>) => void) {
    this.#onChange = onChange;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** The same array until something changes. */
  list(): readonly T[] {
    this.#list ??= [...this.#objects.values()];
    return this.#list;
  }

  set(object: T): void {
    const key = keyOf(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined && isSame(previous, object)) return;
    this.#objects.set(key, object);
    this.#list = undefined;
    this.#onChange(
      previous === undefined ? { type: "added", key, object } : { type: "modified", key, object, previous },
    );
  }

  delete(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    this.#list = undefined;
    this.#onChange({ type: "deleted", key, object });
  }

  /** Makes the collection what a list says it is. */
  replace(objects: ReadonlyMap<string, T>): void {
    for (const key of this.#objects.keys()) if (!objects.has(key)) this.delete(key);
    for (const object of objects.values()) this.set(object);
  }

  /** In what a list differs from what is known. */
  differences(objects: ReadonlyMap<string, T>): string[] {
    const gone = [...this.#objects.keys()].filter((key) => !objects.has(key));
    const other = [...objects].filter(([key, object]) => {
      const known = this.#objects.get(key);
      return known === undefined || !isSame(known, object);
    });
    return [...gone, ...other.map(([key]) => key)];
  }
}

function isSame({ metadata: a }: KubeObject, { metadata: b }: KubeObject): boolean {
  return a.resourceVersion !== undefined && a.resourceVersion === b.resourceVersion && a.uid === b.uid;
}
