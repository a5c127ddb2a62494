/**
 * Which former tables may routes be held at?
 *
 * A table is read when a route asks for it, and kept as long as one does: it never changes.
 */

import { type KubeObject, keyOf } from "../kube/objects.ts";
import { type FormerTable, findTable, formerTable, pinnedTableOf } from "../routing/history.ts";
import type { StoredTables } from "../routing/stored-tables.ts";

export interface Kept {
  readonly history: readonly FormerTable[];
  /** Hashes of the tables that some route is to be held at. */
  readonly pinned: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export class KeptTables {
  /** Those that some route is to be held at. */
  #pinned: ReadonlyMap<string, FormerTable> = new Map();

  /** For a compile of these objects. */
  for(objects: readonly object[], stored: StoredTables): Kept {
    const tables = stored.list();
    const wanted = new Set(objects.flatMap((object) => pinnedTableOf(object) ?? []));
    const pinned = new Set([...wanted].flatMap((digits) => findTable(tables, digits)?.hash ?? []));
    const history = tables.map((table) => {
      return this.#pinned.get(table.hash) ?? formerTable(table, () => stored.read(table)?.table.routes ?? []);
    });
    this.#pinned = new Map(history.filter(({ hash }) => pinned.has(hash)).map((table) => [table.hash, table]));
    return { history, pinned };
  }

  /** Keys of the routes that an annotation holds at a table which is kept. */
  held(objects: readonly KubeObject[], stored: StoredTables): ReadonlySet<string> {
    const asking = objects.filter((object) => object.kind === "AIRoute" && pinnedTableOf(object) !== undefined);
    if (asking.length === 0) return NONE;
    const { history } = this.for(objects, stored);
    const isHeld = (object: KubeObject) =>
      (findTable(history, pinnedTableOf(object) ?? "")?.route(keyOf(object))?.backends.length ?? 0) > 0;
    return new Set(asking.filter(isHeld).map(keyOf));
  }
}
