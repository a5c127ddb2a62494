/**
 * Where do kube-apiserver and etcd come from?
 *
 * From KUBEBUILDER_ASSETS, else from the cache outside the repository, else they are put there: from envtest's archive,
 * or, where that cannot be reached, built from source. Run as a program it does the same and prints the folder.
 */

import { constants } from "node:fs";
import { access, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { downloadEnvtest } from "./envtest-archive.ts";
import { buildFromSource, hasGo } from "./go-build.ts";

export const KUBERNETES_VERSION = "1.36.3";

export interface Binaries {
  readonly kubeApiserver: string;
  readonly etcd: string;
}

/** The programs, or a line that says what is missing and what to type. */
export type Found = { readonly binaries: Binaries } | { readonly missing: string };

const LOCK_POLL_MS = 500;
const LOCK_WRITE_TIMEOUT_MS = 10_000;

/** Looks, and fetches or builds when needed, which takes minutes. Where `CI` is `true`, nothing may be missing: it throws. */
export async function findBinaries(): Promise<Found> {
  const found = await find();
  if ("missing" in found && process.env.CI === "true") throw new Error(found.missing);
  return found;
}

async function find(): Promise<Found> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets !== undefined && assets !== "") {
    const binaries = await binariesIn(assets);
    return binaries !== undefined
      ? { binaries }
      : { missing: `KUBEBUILDER_ASSETS=${assets} holds no kube-apiserver and etcd; unset it or correct it` };
  }
  const folder = cacheFolder();
  const cached = await binariesIn(folder);
  if (cached !== undefined) return { binaries: cached };
  if (process.platform === "win32") {
    return { missing: "kube-apiserver does not run on Windows; run these tests on Linux, or in WSL" };
  }
  return await withLock(`${folder}.lock`, async () => {
    const meanwhile = await binariesIn(folder);
    return meanwhile !== undefined ? { binaries: meanwhile } : await fill(folder);
  });
}

async function fill(folder: string): Promise<Found> {
  await mkdir(folder, { recursive: true });
  if (!(await downloadEnvtest(folder, KUBERNETES_VERSION, progress))) {
    if (!(await hasGo())) {
      return {
        missing:
          "kube-apiserver and etcd are missing: envtest's archive cannot be reached and there is no Go to build them; " +
          "install Go (https://go.dev/dl), or set KUBEBUILDER_ASSETS to a folder that holds both",
      };
    }
    try {
      await buildFromSource(folder, KUBERNETES_VERSION, progress);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return {
        missing: `kube-apiserver and etcd could not be built; set KUBEBUILDER_ASSETS to a folder that holds both. ${reason}`,
      };
    }
  }
  const binaries = await binariesIn(folder);
  return binaries !== undefined ? { binaries } : { missing: `kube-apiserver and etcd did not come to ${folder}` };
}

/** Versioned, so that another version is another folder. */
function cacheFolder(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "tandem", `control-plane-${KUBERNETES_VERSION}-${process.platform}-${process.arch}`);
}

async function binariesIn(folder: string): Promise<Binaries | undefined> {
  const binaries = { kubeApiserver: join(folder, "kube-apiserver"), etcd: join(folder, "etcd") };
  try {
    await Promise.all(Object.values(binaries).map((file) => access(file, constants.X_OK)));
    return binaries;
  } catch {
    return undefined;
  }
}

/** Test files run side by side; one of them fills the cache and the others wait. */
async function withLock<T>(lock: string, action: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lock), { recursive: true });
  while (!(await isTaken(lock))) {
    if (await isAbandoned(lock)) await rm(lock, { force: true });
    else await sleep(LOCK_POLL_MS);
  }
  try {
    return await action();
  } finally {
    await rm(lock, { force: true });
  }
}

async function isTaken(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Its process is gone, or never came to write its number. */
async function isAbandoned(lock: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(lock, "utf8"));
    if (pid > 0) return !isAlive(pid);
    return Date.now() - (await stat(lock)).mtimeMs > LOCK_WRITE_TIMEOUT_MS;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

if (import.meta.main) {
  const found = await findBinaries();
  process.stdout.write("binaries" in found ? `${dirname(found.binaries.etcd)}\n` : `${found.missing}\n`);
  process.exitCode = "binaries" in found ? 0 : 1;
}
