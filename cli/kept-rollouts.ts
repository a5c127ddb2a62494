/** What do rollouts on a laptop remember from one start to the next? */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Memory, readMemory } from "../routing/rollout/memory.ts";
import type { ObjectKey } from "../routing/table.ts";

const ONLY_MINE = 0o600;
const ONLY_MINE_FOLDER = 0o700;
const NAME_DIGITS = 16;

export class KeptRollouts {
  readonly #file: string;
  readonly #onProblem: (message: string) => void;

  /** Other manifests have another memory in the same folder. */
  constructor(folder: string, manifests: readonly string[], onProblem: (message: string) => void) {
    const paths = manifests.map((path) => resolve(path)).join("\n");
    const name = createHash("sha256").update(paths).digest("hex").slice(0, NAME_DIGITS);
    this.#file = join(folder, `rollouts-${name}.json`);
    this.#onProblem = onProblem;
  }

  async read(): Promise<ReadonlyMap<ObjectKey, Memory>> {
    try {
      const kept = JSON.parse(await readFile(this.#file, "utf8")) as Readonly<Record<string, unknown>>;
      return new Map(
        Object.entries(kept).flatMap(([key, value]) => {
          const memory = readMemory(value);
          return memory === undefined ? [] : [[key, memory] as const];
        }),
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        this.#onProblem(`${this.#file} cannot be read, so rollouts begin anew: ${(error as Error).message}`);
      }
      return new Map();
    }
  }

  /** A file that is there is whole. */
  async write(memories: ReadonlyMap<ObjectKey, Memory>): Promise<void> {
    const draft = `${this.#file}.${process.pid}`;
    await mkdir(dirname(this.#file), { recursive: true, mode: ONLY_MINE_FOLDER });
    try {
      await writeFile(draft, `${JSON.stringify(Object.fromEntries(memories))}\n`, { mode: ONLY_MINE, flush: true });
      await rename(draft, this.#file);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }
}
