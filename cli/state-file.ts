/** Where does what outlives a restart stand on a laptop, and how is it written? One folder, a file each for one thing. */
import { createHash } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

const ONLY_MINE = 0o600;
const ONLY_MINE_FOLDER = 0o700;
const NAME_DIGITS = 16;

/** Of a thing that belongs to these manifests: others have another one in the same folder. */
export function stateFile(folder: string, thing: string, manifests: readonly string[]): string {
  const paths = manifests.map((path) => resolve(path)).join("\n");
  const name = createHash("sha256").update(paths).digest("hex").slice(0, NAME_DIGITS);
  return join(folder, `${thing}-${name}.json`);
}

/** A file that is there is whole, whenever the process ends. One writer at a time. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await mkdir(dirname(file), { recursive: true, mode: ONLY_MINE_FOLDER });
  try {
    await writeFile(draft, text, { mode: ONLY_MINE, flush: true });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
