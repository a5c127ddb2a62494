/**
 * With which keys are the ids of things at providers signed on a laptop?
 *
 * Made once and kept in the state folder, so that an id works after a restart. `tandem run` reads it when it starts:
 * to rotate, move `current` to `previous` and leave `current` out.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parsed } from "../proxy/body/json-values.ts";
import { Redacted } from "../routing/secrets.ts";
import { replaceFile } from "./state-file.ts";

const KEY_BYTES = 32;
const FILE = "id-keys.json";

interface Kept {
  readonly current?: string;
  readonly previous?: string;
}

/** The first signs. Where nothing can be read or written, keys are made for this run only, and that is told. */
export async function readIDKeys(folder: string, onProblem: (message: string) => void): Promise<readonly Redacted[]> {
  const file = join(folder, FILE);
  const kept = await read(file).catch((problem: Error) => problem);
  const made = randomBytes(KEY_BYTES).toString("base64url");
  if (kept instanceof Error) {
    // It is left as it is: the keys may still be in it.
    onProblem(
      `${file} ${kept.message}, so ids made before are not found, and those of this run only until it ends. Mend it, or delete it for new keys, and start again.`,
    );
    return [new Redacted(made)];
  }
  const current = textOf(kept.current) ?? made;
  const previous = textOf(kept.previous);
  if (current !== kept.current) {
    await replaceFile(file, `${JSON.stringify({ current, ...(previous !== undefined && { previous }) })}\n`).catch(
      (error: Error) =>
        onProblem(`ids of files, responses and the like will not work after a restart: ${error.message}`),
    );
  }
  return [current, previous].filter((key) => key !== undefined).map((key) => new Redacted(key));
}

async function read(file: string): Promise<Kept> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return {};
    throw new Error(`cannot be read (${code})`);
  }
  // What the parser says of a text that is no JSON quotes it, and so a key.
  const kept = parsed(text);
  if (typeof kept !== "object" || kept === null) throw new Error("is not a JSON object");
  return kept;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
