/**
 * What does this machine lack to run a cluster, and what is to be typed?
 *
 * Packages are installed only when that is wanted: with `--install`, or in CI, whose machines are nobody's.
 */

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./commands.ts";

/** By Debian package. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  containerd: ["containerd", "ctr"],
  runc: ["runc"],
  nftables: ["nft"],
  iproute2: ["ip"],
  openssl: ["openssl"],
  "util-linux": ["nsenter", "unshare"],
};
const NETWORK_PLUGINS = ["ptp", "host-local", "loopback"];
const NETWORK_PLUGIN_PACKAGE = "containernetworking-plugins";
/** Debian's place, and everybody else's. */
const NETWORK_PLUGIN_FOLDERS = ["/usr/lib/cni", "/opt/cni/bin"];
/** Where an ordinary user's PATH does not lead. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Answers one line, or nothing when all is there. */
export async function missingRequirement(
  mayInstall: boolean,
  progress: (line: string) => void,
): Promise<string | undefined> {
  if (process.platform !== "linux") {
    return "a cluster of our own needs Linux; set KUBECONFIG to run the tests on another cluster";
  }
  if (process.getuid?.() !== 0) {
    return 'a cluster needs root, for its namespaces and containers: sudo env "PATH=$PATH" npm run cluster';
  }
  const missing = await missingPackages();
  if (missing.length === 0) return undefined;
  const command = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
  if (!(await isProgram("apt-get")))
    return `a cluster needs these programs, by their Debian names: ${missing.join(" ")}`;
  if (!mayInstall) return `packages are missing: ${command}    (or npm run cluster -- --install)`;
  progress(`installing ${missing.join(", ")}`);
  return await install(missing).then(
    () => undefined,
    (error: Error) => `${command}: ${error.message}`,
  );
}

/** A program that tests need beside a cluster. Answers one line, or nothing when it is there, or is now. */
export async function missingProgram(name: string, progress: (line: string) => void): Promise<string | undefined> {
  if (await isProgram(name)) return undefined;
  const command = `apt-get install -y --no-install-recommends ${name}`;
  if (process.getuid?.() !== 0 || !(await isProgram("apt-get"))) return `${name} is missing: ${command}`;
  progress(`installing ${name}`);
  return await install([name]).then(
    () => undefined,
    (error: Error) => `${command}: ${error.message}`,
  );
}

/** The folder with the plugins that connect pods. */
export async function networkPluginFolder(): Promise<string | undefined> {
  for (const folder of NETWORK_PLUGIN_FOLDERS) {
    const found = await Promise.all(NETWORK_PLUGINS.map((name) => isExecutable(join(folder, name))));
    if (found.every(Boolean)) return folder;
  }
  return undefined;
}

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const [name, programs] of Object.entries(PROGRAMS)) {
    const found = await Promise.all(programs.map(isProgram));
    if (!found.every(Boolean)) missing.push(name);
  }
  if ((await networkPluginFolder()) === undefined) missing.push(NETWORK_PLUGIN_PACKAGE);
  return missing;
}

async function install(packages: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-q"], { env });
  await run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...packages], { env });
}

async function isProgram(name: string): Promise<boolean> {
  const folders = [...(process.env.PATH ?? "").split(":"), ...SYSTEM_FOLDERS];
  const found = await Promise.all(folders.map((folder) => isExecutable(join(folder, name))));
  return found.some(Boolean);
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
