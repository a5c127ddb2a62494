/**
 * Which former tables may routes be held at?
 *
 * A table is read when a route asks for it, and kept as long as one does: it never changes.
 */

import { type KubeObject, keyOf } from "../kube/objects.ts";
import { type FormerTable, findTable, pinnedTableOf } from "../routing/history.ts";
import type { StoredTables, TableInHistory } from "../routing/stored-tables.ts";
import type { Route } from "../routing/table.ts";

export interface Kept {
  readonly history: readonly FormerTable[];
  /** Hashes of the tables that some route is to be held at. */
  readonly pinned: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export class KeptTables {
  #routes = new Map<string, ReadonlyMap<string, Route>>();

  /** For a compile of these objects. */
  for(objects: readonly object[], stored: StoredTables): Kept {
    const tables = stored.list();
    const wanted = new Set(objects.flatMap((object) => pinnedTableOf(object) ?? []));
    const pinned = new Set([...wanted].flatMap((digits) => findTable(tables, digits)?.hash ?? []));
    this.#routes = new Map([...this.#routes].filter(([hash]) => pinned.has(hash)));
    const history = tables.map((table): FormerTable => {
      return { hash: table.hash, at: table.at, route: (key) => this.#routesOf(table, stored).get(key) };
    });
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

  #routesOf(table: TableInHistory, stored: StoredTables): ReadonlyMap<string, Route> {
    const known = this.#routes.get(table.hash);
    if (known !== undefined) return known;
    const routes = new Map((stored.read(table)?.table.routes ?? []).map((route) => [route.key, route]));
    this.#routes.set(table.hash, routes);
    return routes;
  }
}
