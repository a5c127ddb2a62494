/**
 * With which keys are the ids of things at providers signed on a laptop?
 *
 * Made once and kept in the state folder, so that an id works after a restart. `tandem run` reads it when it starts:
 * to rotate, move `current` to `previous` and leave `current` out.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Redacted } from "../routing/secrets.ts";
import { replaceFile } from "./state-file.ts";

const KEY_BYTES = 32;
const FILE = "id-keys.json";

interface Kept {
  readonly current?: string;
  readonly previous?: string;
}

/** The first signs. A folder that cannot be written makes keys for this run only, and is told. */
export async function readIDKeys(folder: string, onProblem: (message: string) => void): Promise<readonly Redacted[]> {
  const file = join(folder, FILE);
  const kept = await read(file, onProblem);
  const current = textOf(kept.current) ?? randomBytes(KEY_BYTES).toString("base64url");
  const previous = textOf(kept.previous);
  if (current !== kept.current) {
    await replaceFile(file, `${JSON.stringify({ current, ...(previous !== undefined && { previous }) })}\n`).catch(
      (error: Error) =>
        onProblem(`ids of files, responses and the like will not work after a restart: ${error.message}`),
    );
  }
  return [current, previous].filter((key) => key !== undefined).map((key) => new Redacted(key));
}

async function read(file: string, onProblem: (message: string) => void): Promise<Kept> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, "utf8"));
    return typeof kept === "object" && kept !== null ? kept : {};
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    onProblem(`${file} cannot be read, so ids made before will not be found: ${(error as Error).message}`);
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
