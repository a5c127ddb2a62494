/**
 * How are the programs of a Kubernetes built from source, when nobody hands them out?
 *
 * `go build` of the released modules. Go wants one module file per project: that of Kubernetes names its own parts as
 * v0.0.0 and replaces them by folders of its repository, so the released parts are put in their place; etcd's has
 * replacements too, which `go install` refuses.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GoModule, Program } from "./programs.ts";

const GO_VERSION = "1.26.0";
const WORK_PREFIX = "build-";
const PROGRESS_INTERVAL_MS = 10_000;
/** A build must not take the machine from whoever works on it. */
const NICENESS = 10;

export async function hasGo(): Promise<boolean> {
  return await go(["version"], ".").then(
    () => true,
    () => false,
  );
}

/** Minutes of work at first, seconds when Go's own cache knows the sources. */
export async function buildFromSource(
  folder: string,
  programs: readonly Program[],
  progress: (line: string) => void,
): Promise<void> {
  // What is there was left by a build that was ended.
  for (const name of await readdir(folder)) {
    if (name.startsWith(WORK_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
  }
  const work = await mkdtemp(join(folder, WORK_PREFIX));
  try {
    for (const [module, ofModule] of Map.groupBy(programs, (program) => program.module)) {
      await build(module, ofModule, join(work, module.name.replace(" ", "-")), progress);
      for (const { executable, file } of ofModule) {
        const built = join(work, module.name.replace(" ", "-"), "out", executable);
        await chmod(built, 0o755);
        await rename(built, join(folder, file));
      }
    }
  } finally {
    // Go may leave files that are read-only, which stops nobody who may write the folder.
    await rm(work, { recursive: true, force: true });
  }
}

async function build(
  module: GoModule,
  programs: readonly Program[],
  work: string,
  progress: (line: string) => void,
): Promise<void> {
  await mkdir(join(work, "out"), { recursive: true });
  await writeFile(join(work, "go.mod"), await goMod(module, work));
  if (module.path === "") {
    for (const { packagePath } of programs) {
      await copyFile(fileURLToPath(new URL(packagePath, import.meta.url)), join(work, packagePath));
    }
  }
  const names = programs.map(({ file }) => file).join(", ");
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let packages = 0;
  const timer = setInterval(
    () => progress(`building ${names}: ${packages} packages, ${seconds()} s`),
    PROGRESS_INTERVAL_MS,
  );
  progress(`building ${names} from source; this happens once`);
  try {
    const texts = Object.entries(module.texts ?? {}).map(([name, value]) => ` -X ${name}=${value}`);
    const flags = ["-v", "-mod=mod", "-trimpath", "-ldflags", `-s -w${texts.join("")}`, "-o", `${join(work, "out")}/`];
    await go(["build", ...flags, ...programs.map(({ packagePath }) => packagePath)], work, (lines) => {
      packages += lines;
    });
  } finally {
    clearInterval(timer);
  }
  progress(`built ${names} in ${seconds()} s`);
}

async function goMod(module: GoModule, work: string): Promise<string> {
  const require = module.path === "" ? "" : `\nrequire ${module.path}\n`;
  const replace = module.hasParts ? await replacements(module, work) : "";
  return `module tandem.dev/build\n\ngo ${GO_VERSION}\n${require}${replace}`;
}

/** Kubernetes v1.2.3 is made of parts that are released as v0.2.3. */
async function replacements(module: GoModule, work: string): Promise<string> {
  const answer = await go(["mod", "download", "-json", module.path.replace(" ", "@")], work);
  const { GoMod } = JSON.parse(answer) as { GoMod: string };
  const partVersion = `v${module.version.replace(/^1\./, "0.")}`;
  const parts = (await readFile(GoMod, "utf8")).matchAll(/^\s*(k8s\.io\/[a-z0-9-]+) v0\.0\.0(?: |$)/gm);
  return Array.from(parts, ([, part]) => `replace ${part} => ${part} ${partVersion}\n`).join("");
}

/** Runs go, answers what it printed, and counts the lines of its log. */
function go(args: readonly string[], cwd: string, onLog: (lines: number) => void = () => {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("go", args, { cwd, env: { ...process.env, CGO_ENABLED: "0", GOWORK: "off" } });
    const stayAlone = stopWithUs(child);
    bePolite(child);
    let output = "";
    let log = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk: Buffer) => {
      log = `${log}${chunk}`.slice(-4_000);
      onLog(String(chunk).split("\n").length - 1);
    });
    child.once("error", reject);
    child.once("close", (code) => {
      stayAlone();
      if (code === 0) resolve(output);
      else reject(new Error(`go ${args[0]} failed:\n${log}`));
    });
  });
}

const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A build that nobody waits for any more must not go on. Answers how to take that back. */
function stopWithUs(child: ChildProcess): () => void {
  const stop = (signal: NodeJS.Signals) => {
    child.kill();
    takeBack();
    process.kill(process.pid, signal);
  };
  const takeBack = () => {
    for (const signal of ENDINGS) process.removeListener(signal, stop);
  };
  for (const signal of ENDINGS) process.once(signal, stop);
  return takeBack;
}

function bePolite(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    setPriority(child.pid, NICENESS);
  } catch {
    // The process has ended already, or the system has no priorities.
  }
}
