/**
 * What is remembered of the last run, and of the tables before?
 *
 * The routes that were in force, so that one whose spec was broken while nothing ran keeps its last accepted form, and
 * those of the tables before, so that one can be held at them. Neither providers nor clients: what they hold of keys was
 * hashed under a pepper that is gone.
 */
import { readFile } from "node:fs/promises";
import { decodeTable, encodeTable, type Published, TableError } from "../routing/codec.ts";
import { type FormerTable, findTable, formerTable, pinnedTableOf } from "../routing/history.ts";
import type { RoutingTable } from "../routing/table.ts";
import { replaceFile, stateFile } from "./state-file.ts";

/** Before the one in force, to go back to. */
const KEPT_TABLES = 10;

/** A table's routes, under the hash that the whole table was published with. */
interface Remembered {
  readonly hash: string;
  readonly at: string;
  readonly routes: Published;
}

/** One writer at a time; the last table wins. */
export class LastTable {
  readonly #file: string;
  readonly #onProblem: (message: string) => void;
  /** The newest first. */
  #tables: readonly Remembered[] = [];
  #isWritten = true;
  #writing: Promise<void> | undefined;

  /** Other manifests have another memory in the same folder. */
  constructor(folder: string, manifests: readonly string[], onProblem: (message: string) => void) {
    this.#file = stateFile(folder, "last-table", manifests);
    this.#onProblem = onProblem;
  }

  /** The table that was in force last; undefined when there is none that can be used. */
  async read(): Promise<RoutingTable | undefined> {
    try {
      const { tables } = JSON.parse(await readFile(this.#file, "utf8")) as { readonly tables: readonly Remembered[] };
      const [last] = tables;
      const table = last && decodeTable(last.routes);
      this.#tables = tables;
      return table;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      const why = error instanceof TableError ? error.message : (error as Error).message;
      this.#onProblem(`${this.#file} is of no use and not used: ${why}`);
      return undefined;
    }
  }

  /** What routes may be held at. */
  history(): readonly FormerTable[] {
    return this.#tables.map((one) => formerTable(one, () => decodeTable(one.routes).routes));
  }

  /** `objects` are those that the table was made of: where they hold routes at a former table, that one stays. */
  keep(table: RoutingTable, hash: string, objects: readonly object[]): void {
    if (this.#tables[0]?.hash === hash) return;
    const routes = encodeTable({ ...table, providers: {}, clients: [] });
    const pinned = new Set(objects.map((object) => findTable(this.#tables, pinnedTableOf(object) ?? "")?.hash));
    const former = this.#tables.filter((one) => one.hash !== hash);
    const kept = former.filter((one, i) => i < KEPT_TABLES || pinned.has(one.hash));
    this.#tables = [{ hash, at: new Date().toISOString(), routes }, ...kept];
    this.#isWritten = false;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async close(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (!this.#isWritten) {
      this.#isWritten = true;
      await replaceFile(this.#file, JSON.stringify({ tables: this.#tables })).catch((error: Error) => {
        this.#onProblem(`the table in force is not remembered for the next start: ${error.message}`);
      });
    }
  }
}
