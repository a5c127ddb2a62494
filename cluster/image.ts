/**
 * What is in Tandem's container image?
 *
 * Node with the libraries that it is linked to, the compiled program, the packages that it needs in production, the CRDs
 * and the examples; no shell, no package manager. Two layers: what seldom changes, and Tandem itself. Run as a program
 * (`npm run image`) it writes the archive for `docker load` and its like.
 */

import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type ImageConfig, packLayer, writeArchive } from "./archive.ts";
import { run } from "./commands.ts";
import { cacheFolder } from "./folders.ts";
import { withLock } from "./lock.ts";

const ROOT = resolve(import.meta.dirname, "..");
const USER_ID = 65532;
/** Raise it when the lower layer is put together in another way. */
const LOWER_LAYER_VERSION = "1";
const CONFIG: ImageConfig = {
  Entrypoint: ["/usr/local/bin/node", "/app/cli/bin.js"],
  Env: ["PATH=/usr/local/bin", "NODE_ENV=production"],
  User: `${USER_ID}:${USER_ID}`,
  WorkingDir: "/app",
};
/** Nobody reads them in a container. */
const LEFT_OUT = /\.(?:map|d\.[mc]?ts)$/;

export interface Image {
  readonly file: string;
  /** REPOSITORY:TAG in the archive. */
  readonly name: string;
  readonly digest: string;
}

/** Builds the checkout's image. `nameOf` makes a name of the digest. */
export async function buildImage(file: string, nameOf: (digest: string) => string): Promise<Image> {
  const work = await mkdtemp(join(tmpdir(), "tandem-image-"));
  try {
    const [lower, upper] = await Promise.all([lowerLayer(), upperLayer(work)]);
    const written = await writeArchive(file, [lower, upper], CONFIG, nameOf);
    return { file, ...written };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>;
}

/** Node and the packages; kept in the cache, because it is large and seldom changes. */
async function lowerLayer(): Promise<string> {
  const lock = await readFile(join(ROOT, "package-lock.json"), "utf8");
  const node = await nodeProgram();
  const libraries = await librariesOf(node);
  const identity = [LOWER_LAYER_VERSION, lock, ...(await Promise.all([node, ...libraries].map(markOf)))].join("\n");
  const key = createHash("sha256").update(identity).digest("hex").slice(0, 16);
  const file = join(cacheFolder(), `image-${key}.tar`);
  // One replaced by another's would be a file that changes while it is read.
  await withLock(`${file}.lock`, async () => {
    if (!(await stat(file).catch(() => undefined))) await packLowerLayer(file, node, libraries, lock);
  });
  return file;
}

async function packLowerLayer(file: string, node: string, libraries: readonly string[], lock: string): Promise<void> {
  const work = await mkdtemp(join(cacheFolder(), "image-"));
  try {
    const tree = join(work, "tree");
    await copyInto(tree, "/usr/local/bin/node", node);
    for (const library of libraries) await copyInto(tree, library, library);
    await writeInto(tree, "/etc/passwd", `root:x:0:0::/:\ntandem:x:${USER_ID}:${USER_ID}::/tmp:\n`);
    await writeInto(tree, "/etc/group", `root:x:0:\ntandem:x:${USER_ID}:\n`);
    await writeInto(tree, "/etc/nsswitch.conf", "hosts: files dns\n");
    await mkdir(join(tree, "tmp"));
    for (const path of packagesOf(JSON.parse(lock) as Lock)) await copyPackage(path, join(tree, "app", path));
    await packLayer(tree, join(work, "layer.tar"), ["tmp"]);
    await rename(join(work, "layer.tar"), file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function upperLayer(work: string): Promise<string> {
  const app = join(work, "tree", "app");
  const compiler = join(ROOT, "node_modules", ".bin", "tsc");
  await run(compiler, ["-p", join(ROOT, "tsconfig.build.json"), "--outDir", app], { cwd: ROOT });
  for (const name of ["crds", "examples"]) {
    await cp(join(ROOT, name), join(app, name), { recursive: true, filter: (source) => !source.endsWith(".ts") });
  }
  for (const name of ["package.json", "LICENSE"]) await cp(join(ROOT, name), join(app, name));
  const file = join(work, "upper.tar");
  await packLayer(join(work, "tree"), file);
  return file;
}

/** Of the npm package `node`: the same Node that the tests run on. */
async function nodeProgram(): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve("node/package.json");
  return await realpath(join(dirname(manifest), "bin", "node"));
}

/** The shared libraries, the loader among them, by the paths under which Node looks for them. */
async function librariesOf(program: string): Promise<string[]> {
  const answer = await run("ldd", [program]);
  const paths = answer.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm);
  return Array.from(paths, ([, path = ""]) => path).toSorted();
}

/** Everything of the lock file that is not for development alone; whether it is there shows when it is copied. */
function packagesOf(lock: Lock): string[] {
  return Object.entries(lock.packages).flatMap(([path, { dev }]) => (path === "" || dev ? [] : [path]));
}

async function copyPackage(path: string, to: string): Promise<void> {
  const from = join(ROOT, path);
  // An optional package for another system.
  if (!(await stat(from).catch(() => undefined))) return;
  const nested = join(from, "node_modules");
  await cp(from, to, { recursive: true, filter: (source) => source !== nested && !LEFT_OUT.test(source) });
}

/** Tells when a file is another one, without reading 150 MB. */
async function markOf(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  return `${file} ${size} ${mtimeMs}`;
}

async function copyInto(tree: string, path: string, from: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await cp(from, join(tree, path), { dereference: true });
}

async function writeInto(tree: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), text);
}

if (import.meta.main) {
  const { version } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { version: string };
  const file = resolve(process.argv[2] ?? join(ROOT, "dist", "tandem-image.tar"));
  const started = performance.now();
  const image = await buildImage(file, () => `tandem:${version}`);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const megabytes = Math.round((await stat(file)).size / 1e6);
  process.stdout.write(`${file}: ${image.name}, ${image.digest}, ${megabytes} MB, built in ${seconds} s\n`);
  process.stdout.write(`docker load -i ${file}    # or podman load, or ctr -n k8s.io images import\n`);
}
