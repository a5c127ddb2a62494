/**
 * How are kube-apiserver and etcd built from source, when nobody hands them out?
 *
 * `go build` of the released modules. Go wants one module file per program: that of Kubernetes names its own parts as
 * v0.0.0 and replaces them by folders of its repository, so the released parts are put in their place; etcd's has
 * replacements too, which `go install` refuses.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";

const ETCD_VERSION = "3.6.16";
const GO_VERSION = "1.26.0";
const WORK_PREFIX = "build-";
const PROGRESS_INTERVAL_MS = 10_000;
/** A build must not take the machine from whoever works on it. */
const NICENESS = 10;

interface Program {
  readonly name: string;
  readonly packagePath: string;
  readonly goMod: string;
}

export async function hasGo(): Promise<boolean> {
  return await go(["version"], ".").then(
    () => true,
    () => false,
  );
}

/** Minutes of work at first, seconds when Go's own cache knows the sources. */
export async function buildFromSource(
  folder: string,
  version: string,
  progress: (line: string) => void,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  // What is there was left by a build that was ended.
  for (const name of await readdir(folder)) {
    if (name.startsWith(WORK_PREFIX)) await rm(join(folder, name), { recursive: true, force: true });
  }
  const work = await mkdtemp(join(folder, WORK_PREFIX));
  try {
    for (const program of await programs(work, version)) await build(program, work, folder, progress);
  } finally {
    // Go may leave files that are read-only, which stops nobody who may write the folder.
    await rm(work, { recursive: true, force: true });
  }
}

async function programs(work: string, version: string): Promise<Program[]> {
  const kubernetes = `require k8s.io/kubernetes v${version}\n${await replacements(work, version)}`;
  return [
    {
      name: "etcd",
      packagePath: "go.etcd.io/etcd/server/v3",
      goMod: `require go.etcd.io/etcd/server/v3 v${ETCD_VERSION}\n`,
    },
    { name: "kube-apiserver", packagePath: "k8s.io/kubernetes/cmd/kube-apiserver", goMod: kubernetes },
  ];
}

/** Kubernetes v1.2.3 is made of parts that are released as v0.2.3. */
async function replacements(work: string, version: string): Promise<string> {
  const answer = await go(["mod", "download", "-json", `k8s.io/kubernetes@v${version}`], work);
  const { GoMod } = JSON.parse(answer) as { GoMod: string };
  const partVersion = `v${version.replace(/^1\./, "0.")}`;
  const parts = (await readFile(GoMod, "utf8")).matchAll(/^\s*(k8s\.io\/[a-z0-9-]+) v0\.0\.0(?: |$)/gm);
  return Array.from(parts, ([, part]) => `replace ${part} => ${part} ${partVersion}\n`).join("");
}

async function build(program: Program, work: string, folder: string, progress: (line: string) => void): Promise<void> {
  const { name, packagePath, goMod } = program;
  const module = join(work, name);
  await mkdir(module);
  await writeFile(join(module, "go.mod"), `module tandem.dev/test/${name}\n\ngo ${GO_VERSION}\n\n${goMod}`);
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let packages = 0;
  const timer = setInterval(
    () => progress(`building ${name}: ${packages} packages, ${seconds()} s`),
    PROGRESS_INTERVAL_MS,
  );
  progress(`building ${name} from source; this happens once`);
  try {
    const output = join(module, "out");
    const flags = ["-v", "-mod=mod", "-trimpath", "-ldflags", "-s -w", "-o", output];
    await go(["build", ...flags, packagePath], module, (lines) => {
      packages += lines;
    });
    await chmod(output, 0o755);
    await rename(output, join(folder, name));
  } finally {
    clearInterval(timer);
  }
  progress(`built ${name} in ${seconds()} s`);
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
