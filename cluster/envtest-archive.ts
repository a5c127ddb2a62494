/**
 * Can kube-apiserver, etcd and kubectl be downloaded?
 *
 * The archives that the Kubernetes project publishes for tests like these, from their index, with their checksum.
 * https://book.kubebuilder.io/reference/envtest
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";

/** `TANDEM_ENVTEST_INDEX` names a mirror. */
const INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml";
/** A machine without this way out must not wait for it. */
const FIRST_ANSWER_TIMEOUT_MS = 3_000;
const DOWNLOAD_TIMEOUT_MS = 300_000;

interface Archive {
  readonly version: string;
  readonly url: string;
  readonly sha512: string;
}

interface Index {
  readonly releases?: Readonly<
    Record<string, Readonly<Record<string, { readonly hash: string; readonly selfLink: string }>>>
  >;
}

/** Puts those of the named programs into the folder that the archive holds; none when it cannot be had. */
export async function downloadEnvtest(
  folder: string,
  version: string,
  names: readonly string[],
  progress: (line: string) => void,
): Promise<void> {
  try {
    const archive = await newestArchive(version);
    if (archive === undefined) return;
    progress(`downloading envtest ${archive.version} (${names.join(", ")})`);
    const body = await download(archive.url, DOWNLOAD_TIMEOUT_MS);
    const sum = createHash("sha512").update(body).digest("hex");
    if (sum !== archive.sha512) throw new Error(`checksum of ${archive.url} differs from the index`);
    await unpack(body, folder, names);
  } catch (error) {
    progress(`envtest's archive cannot be had (${reasonOf(error)})`);
  }
}

/** The newest patch release of the same minor version for this machine. */
async function newestArchive(version: string): Promise<Archive | undefined> {
  const index = parse(
    (await download(process.env.TANDEM_ENVTEST_INDEX || INDEX, FIRST_ANSWER_TIMEOUT_MS)).toString("utf8"),
  ) as Index;
  const minor = version.split(".").slice(0, 2).join(".");
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const candidates = Object.entries(index.releases ?? {}).flatMap(([release, files]) => {
    const file = files[`envtest-${release}-${process.platform}-${arch}.tar.gz`];
    const matches = file !== undefined && release.startsWith(`v${minor}.`) && !release.includes("-");
    return matches ? [{ version: release, url: file.selfLink, sha512: file.hash }] : [];
  });
  return candidates.toSorted((a, b) => patchOf(b.version) - patchOf(a.version))[0];
}

function patchOf(version: string): number {
  return Number(version.split(".")[2]);
}

async function download(url: string, timeoutMs: number): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new Error(`${response.status} from ${new URL(url).host}`);
  return Buffer.from(await response.arrayBuffer());
}

async function unpack(archive: Buffer, folder: string, names: readonly string[]): Promise<void> {
  const temporary = await mkdtemp(join(folder, "unpack-"));
  try {
    const file = join(temporary, "envtest.tar.gz");
    await writeFile(file, archive);
    await run("tar", ["-xzf", file, "-C", temporary]);
    const unpacked = join(temporary, "controller-tools", "envtest");
    const held = await readdir(unpacked);
    for (const name of names.filter((one) => held.includes(one)))
      await rename(join(unpacked, name), join(folder, name));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "ignore" });
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
