/** Which files does a PATH mean, and what text do they hold? */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ManifestError } from "./manifest-error.ts";

const MANIFEST_NAME = /^[^.].*\.(?:yaml|yml|json)$/;
/** What etcd and the API server take at most of one object, bytes. */
const MAX_FILE_BYTES = 3 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder; check the path",
  EACCES: "it may not be read by this user; allow reading",
  ELOOP: "its symbolic links lead in a circle; mend them",
  ENOTDIR: "a part of the path is a file; check the path",
};

/** In a folder hidden files do not count: editors and Kubernetes keep their own there. */
export function isManifestName(name: string): boolean {
  return MANIFEST_NAME.test(name);
}

/** The file itself, or those of a folder that count, sorted by name. Throws ManifestError. */
export async function listFiles(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = (await readdir(path)).filter(isManifestName).sort();
    const files = names.map((name) => join(path, name));
    const folders = await Promise.all(files.map(async (file) => (await stat(file)).isDirectory()));
    return files.filter((_, i) => !folders[i]);
  } catch (error) {
    throw unreadable((error as NodeJS.ErrnoException).path ?? path, error);
  }
}

/** Throws ManifestError. */
export async function readText(file: string): Promise<string> {
  const bytes = await readBytes(file).catch((error: unknown) => {
    throw error instanceof ManifestError ? error : unreadable(file, error);
  });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ManifestError({ file, message: "it is not UTF-8 text; save it as UTF-8" }, { cause });
  }
}

async function readBytes(file: string): Promise<Buffer> {
  // A pipe without a writer would hold the open forever: ask before.
  const stats = await stat(file);
  if (!stats.isFile())
    throw new ManifestError({ file, message: "it is neither a file nor a folder; give one of them" });
  if (stats.size > MAX_FILE_BYTES) throw tooLarge(file);
  const bytes = await readFile(file);
  if (bytes.length > MAX_FILE_BYTES) throw tooLarge(file);
  return bytes;
}

function tooLarge(file: string): ManifestError {
  return new ManifestError({ file, message: `it is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB; split it` });
}

function unreadable(file: string, cause: unknown): ManifestError {
  const { code = "" } = cause as NodeJS.ErrnoException;
  return new ManifestError(
    { file, message: REASONS[code] ?? `it cannot be read (${code || "unknown error"})` },
    { cause },
  );
}
