/**
 * What is remembered of the last run?
 *
 * The routes that were in force, so that one whose spec was broken while nothing ran keeps its last accepted form.
 * Neither providers nor clients: what they hold of keys was hashed under a pepper that is gone.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { decodeTable, encodeTable, type Published, TableError } from "../routing/codec.ts";
import type { RoutingTable } from "../routing/table.ts";

const ONLY_MINE = 0o600;
const ONLY_MINE_FOLDER = 0o700;
const NAME_DIGITS = 16;

/** One writer at a time; the last table wins. */
export class LastTable {
  readonly #file: string;
  readonly #onProblem: (message: string) => void;
  #next: RoutingTable | undefined;
  #writing: Promise<void> | undefined;

  /** Other manifests have another memory in the same folder. */
  constructor(folder: string, manifests: readonly string[], onProblem: (message: string) => void) {
    const paths = manifests.map((path) => resolve(path)).join("\n");
    const name = createHash("sha256").update(paths).digest("hex").slice(0, NAME_DIGITS);
    this.#file = join(folder, `last-table-${name}.json`);
    this.#onProblem = onProblem;
  }

  /** Undefined when there is none that can be used. */
  async read(): Promise<RoutingTable | undefined> {
    try {
      return decodeTable(JSON.parse(await readFile(this.#file, "utf8")) as Published);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      const why = error instanceof TableError ? error.message : (error as Error).message;
      this.#onProblem(`${this.#file} is of no use and not used: ${why}`);
      return undefined;
    }
  }

  keep(table: RoutingTable): void {
    this.#next = table;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async close(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#next) {
      const routes = { ...this.#next, providers: {}, clients: [] };
      this.#next = undefined;
      await this.#replace(JSON.stringify(encodeTable(routes))).catch((error: Error) => {
        this.#onProblem(`the table in force is not remembered for the next start: ${error.message}`);
      });
    }
  }

  /** A file that is there is whole. */
  async #replace(text: string): Promise<void> {
    const draft = `${this.#file}.${process.pid}`;
    await mkdir(dirname(this.#file), { recursive: true, mode: ONLY_MINE_FOLDER });
    try {
      await writeFile(draft, text, { mode: ONLY_MINE, flush: true });
      await rename(draft, this.#file);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }
}
