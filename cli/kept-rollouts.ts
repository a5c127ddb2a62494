/** What do rollouts on a laptop remember from one start to the next? */
import { readFile } from "node:fs/promises";
import { type Memory, readMemory } from "../routing/rollout/memory.ts";
import type { ObjectKey } from "../routing/table.ts";
import { replaceFile, stateFile } from "./state-file.ts";

export class KeptRollouts {
  readonly #file: string;
  readonly #onProblem: (message: string) => void;

  /** Other manifests have another memory in the same folder. */
  constructor(folder: string, manifests: readonly string[], onProblem: (message: string) => void) {
    this.#file = stateFile(folder, "rollouts", manifests);
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

  async write(memories: ReadonlyMap<ObjectKey, Memory>): Promise<void> {
    await replaceFile(this.#file, `${JSON.stringify(Object.fromEntries(memories))}\n`);
  }
}
