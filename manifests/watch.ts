/**
 * When may the files under these paths have changed?
 *
 * The folders are watched, because editors and Kubernetes replace files rather than write them; a slow look at sizes,
 * times and inodes finds what no event told (network and overlay file systems, exhausted watches, targets of symbolic
 * links). https://nodejs.org/api/fs.html#caveats
 */
import { type FSWatcher, watch } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { isManifestName, listFiles } from "./read-files.ts";

/** Files are read when nothing happened for so long, milliseconds: a save is often several events. */
const QUIET = 50;
/** Whoever writes all the time is not waited for longer, milliseconds. */
const LONGEST_WAIT = 400;
/** Milliseconds between two looks. */
const POLL = 500;
/** With very many files a look takes longer: at most this share of the time is spent on looking. */
const POLL_SHARE = 0.05;
const BATCH = 64;

interface Watched {
  readonly inode: bigint;
  readonly watcher: FSWatcher;
}

export class ManifestWatch {
  readonly #paths: readonly string[];
  readonly #onChange: () => void;
  readonly #folders = new Map<string, Watched>();
  #signature = "";
  #quiet: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #firstEvent: number | undefined;
  #closed = false;

  /** `onChange` may be called although nothing changed, never the other way round. */
  constructor(paths: readonly string[], onChange: () => void) {
    this.#paths = paths;
    this.#onChange = onChange;
  }

  /** When it resolves, every change from now on will be told. */
  async start(): Promise<void> {
    await this.#watchFolders();
    this.#signature = await signatureOf(this.#paths);
    this.#schedulePoll(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#quiet);
    clearTimeout(this.#poll);
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  /** Told when it has been quiet for a moment. */
  #onEvent(): void {
    if (this.#closed) return;
    const now = performance.now();
    this.#firstEvent ??= now;
    const wait = Math.max(0, Math.min(QUIET, this.#firstEvent + LONGEST_WAIT - now));
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#firstEvent = undefined;
      this.#onChange();
    }, wait);
  }

  #schedulePoll(took: number): void {
    if (this.#closed) return;
    this.#poll = setTimeout(() => void this.#look(), Math.max(POLL, took / POLL_SHARE));
  }

  async #look(): Promise<void> {
    const begun = performance.now();
    await this.#watchFolders();
    const signature = await signatureOf(this.#paths);
    if (signature !== this.#signature) this.#onEvent();
    this.#signature = signature;
    this.#schedulePoll(performance.now() - begun);
  }

  /** A folder that was removed and made anew has another inode, and its old watch is dead. */
  async #watchFolders(): Promise<void> {
    const wanted = await foldersOf(this.#paths);
    if (this.#closed) return;
    for (const [folder, { inode, watcher }] of this.#folders) {
      if (wanted.get(folder)?.inode === inode) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const [folder, { inode, names }] of wanted) {
      if (!this.#folders.has(folder)) this.#watchFolder(folder, inode, names);
    }
  }

  #watchFolder(folder: string, inode: bigint, names: NamesOf): void {
    try {
      const watcher = watch(folder, (_, name) => {
        if (name === null || names(name)) this.#onEvent();
      });
      // The look goes on without it, and tries to watch again.
      watcher.on("error", () => {
        watcher.close();
        this.#folders.delete(folder);
      });
      this.#folders.set(folder, { inode, watcher });
    } catch {
      // No watch left (ENOSPC, EMFILE) or the folder is gone: the look finds changes all the same.
    }
  }
}

type NamesOf = (name: string) => boolean;

/** The folders to watch, each with the names in it that matter. */
async function foldersOf(paths: readonly string[]): Promise<Map<string, { inode: bigint; names: NamesOf }>> {
  const folders = new Map<string, { inode: bigint; names: NamesOf }>();
  for (const path of await withTargets(paths)) {
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    if (stats?.isDirectory())
      folders.set(path, { inode: stats.ino, names: either(folders.get(path)?.names, countsInFolder) });
    const parent = dirname(path);
    const inode = (await stat(parent, { bigint: true }).catch(() => undefined))?.ino;
    const own = basename(path);
    // Kubernetes swaps a link called ..data, through which the file is reached.
    const names = either(folders.get(parent)?.names, (name) => name === own || name.startsWith(".."));
    if (inode !== undefined) folders.set(parent, { inode, names });
  }
  return folders;
}

/** The paths, and what they are when every symbolic link is followed. */
async function withTargets(paths: readonly string[]): Promise<Set<string>> {
  const targets = await Promise.all(paths.map((path) => realpath(path).catch(() => path)));
  return new Set([...paths, ...targets]);
}

function countsInFolder(name: string): boolean {
  return isManifestName(name) || name.startsWith("..");
}

function either(first: NamesOf | undefined, second: NamesOf): NamesOf {
  return first ? (name) => first(name) || second(name) : second;
}

/** Two equal signatures: the same files with the same inodes, sizes and times. */
async function signatureOf(paths: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const path of paths) {
    const files = await listFiles(path).catch(() => []);
    lines.push(path);
    for (let i = 0; i < files.length; i += BATCH) {
      lines.push(...(await Promise.all(files.slice(i, i + BATCH).map(fingerprint))));
    }
  }
  return lines.join("\n");
}

async function fingerprint(file: string): Promise<string> {
  const stats = await stat(file, { bigint: true }).catch(() => undefined);
  return stats
    ? `${file} ${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
    : `${file} unreadable`;
}
