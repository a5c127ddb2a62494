/**
 * Where do the programs of a Kubernetes come from?
 *
 * From KUBEBUILDER_ASSETS, else from the cache outside the repository, else they are put there: from envtest's archive,
 * or, where that cannot be reached or does not hold them, built from source. Run as a program it does the same for the
 * names given (etcd and kube-apiserver by default) and prints the folders.
 */

import { constants } from "node:fs";
import { access, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { downloadEnvtest } from "./envtest-archive.ts";
import { cacheFolder } from "./folders.ts";
import { buildFromSource, hasGo } from "./go-build.ts";
import { withLock } from "./lock.ts";
import { CONTROL_PLANE, KUBERNETES_VERSION, PROGRAMS, type ProgramName } from "./programs.ts";

/** Paths by name. */
export type Binaries<N extends ProgramName> = Readonly<Record<N, string>>;

/** The programs, or a line that says what is missing and what to type. */
export type Found<N extends ProgramName> = { readonly binaries: Binaries<N> } | { readonly missing: string };

type Progress = (line: string) => void;

/** Looks, and fetches or builds when needed, which takes minutes. Where `CI` is `true`, nothing may be missing: it throws. */
export async function findBinaries<N extends ProgramName>(
  names: readonly N[],
  progress: Progress = printLine,
): Promise<Found<N>> {
  const found = await find(names, progress);
  if ("missing" in found && process.env.CI === "true") throw new Error(found.missing);
  return found;
}

async function find<N extends ProgramName>(names: readonly N[], progress: Progress): Promise<Found<N>> {
  const assets = process.env.KUBEBUILDER_ASSETS || undefined;
  const given = assets === undefined ? new Map<N, string>() : await inAssets(assets, names);
  const owed = names.filter((name) => isIn(CONTROL_PLANE, name) && !given.has(name));
  if (assets !== undefined && owed.length > 0) {
    return {
      missing: `KUBEBUILDER_ASSETS=${assets} holds no ${listOf(names.filter((name) => isIn(CONTROL_PLANE, name)))}; unset it or correct it`,
    };
  }
  const others = names.filter((name) => !given.has(name));
  for (const [folder, wanted] of Map.groupBy(others, folderOf)) {
    const missing = await bring(folder, wanted, progress);
    if (missing !== undefined) return { missing };
  }
  const paths = names.map((name) => [name, given.get(name) ?? pathOf(name)] as const);
  return { binaries: Object.fromEntries(paths) as Binaries<N> };
}

/** Answers what keeps the programs from being there. */
async function bring(folder: string, names: readonly ProgramName[], progress: Progress): Promise<string | undefined> {
  if ((await missingOf(names)).length === 0) return undefined;
  if (process.platform === "win32") {
    return `${listOf(names)} cannot run on Windows; run these tests on Linux, or in WSL`;
  }
  return await withLock(`${folder}.lock`, async () => {
    const missing = await missingOf(names);
    return missing.length === 0 ? undefined : await fill(folder, missing, progress);
  });
}

async function fill(folder: string, names: readonly ProgramName[], progress: Progress): Promise<string | undefined> {
  await mkdir(folder, { recursive: true });
  const published = names.filter((name) => PROGRAMS[name].isInEnvtest);
  if (published.length > 0) await downloadEnvtest(folder, KUBERNETES_VERSION, published, progress);
  const toBuild = await missingOf(names);
  if (toBuild.length === 0) return undefined;
  const hint = toBuild.every((name) => isIn(CONTROL_PLANE, name))
    ? "set KUBEBUILDER_ASSETS to a folder that holds both"
    : undefined;
  if (!(await hasGo())) {
    const reason = published.length > 0 ? "envtest's archive cannot be reached and " : "";
    const advice = ["install Go (https://go.dev/dl)", hint].filter((one) => one !== undefined).join(", or ");
    return `${listOf(toBuild)} ${toBuild.length > 1 ? "are" : "is"} missing: ${reason}there is no Go to build from source; ${advice}`;
  }
  try {
    await buildFromSource(
      folder,
      toBuild.map((name) => PROGRAMS[name]),
      progress,
    );
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `${listOf(toBuild)} could not be built${hint === undefined ? "" : `; ${hint}`}. ${reason}`;
  }
  const absent = await missingOf(names);
  return absent.length === 0 ? undefined : `${listOf(absent)} did not come to ${folder}`;
}

async function inAssets<N extends ProgramName>(assets: string, names: readonly N[]): Promise<Map<N, string>> {
  const found = new Map<N, string>();
  for (const name of names.filter((one) => PROGRAMS[one].isInEnvtest)) {
    const path = join(assets, PROGRAMS[name].file);
    if (await isExecutable(path)) found.set(name, path);
  }
  return found;
}

/** Versioned, so that another version is another folder. */
function folderOf(name: ProgramName): string {
  const { cacheName, version } = PROGRAMS[name].module;
  return join(cacheFolder(), `${cacheName}-${version}-${process.platform}-${process.arch}`);
}

function pathOf(name: ProgramName): string {
  return join(folderOf(name), PROGRAMS[name].file);
}

async function missingOf(names: readonly ProgramName[]): Promise<ProgramName[]> {
  const areThere = await Promise.all(names.map((name) => isExecutable(pathOf(name))));
  return names.filter((_, i) => areThere[i] === false);
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function isIn(names: readonly ProgramName[], name: ProgramName): boolean {
  return names.includes(name);
}

function listOf(names: readonly string[]): string {
  return new Intl.ListFormat("en").format(names.toSorted().toReversed());
}

function printLine(line: string): void {
  process.stderr.write(`${line}\n`);
}

function isProgramName(name: string): name is ProgramName {
  return Object.hasOwn(PROGRAMS, name);
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  const found = await findBinaries(names.length > 0 ? names.filter(isProgramName) : CONTROL_PLANE);
  const folders = "binaries" in found ? new Set(Object.values(found.binaries).map((path) => dirname(path))) : [];
  process.stdout.write("binaries" in found ? `${[...folders].join("\n")}\n` : `${found.missing}\n`);
  process.exitCode = "binaries" in found ? 0 : 1;
}
