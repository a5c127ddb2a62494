/**
 * In which box does the cluster run?
 *
 * In namespaces of its own, for network, mounts and processes, which one sleeping process holds open. Whoever ends that
 * process ends all others, and with them go the mounts, the interfaces and the packet filter's rules: whatever has
 * happened, nothing is left to search for. The host's network and its kernel settings are not touched.
 */

import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createCgroup, removeCgroup } from "./cgroups.ts";

/** The node's address. The kubelet takes none of the loopback network. */
export const NODE_IP = "10.99.0.1";
export const SERVICE_CIDR = "10.96.0.0/16";

const START_TIMEOUT_MS = 10_000;
const END_TIMEOUT_MS = 20_000;
const POLL_MS = 20;
/** Fixed paths of kubelet and containerd, below which they find folders of ours. */
const COVERED = ["/var/lib/kubelet", "/var/lib/cni"];

/**
 * What the kubelet sets for the whole kernel; it must find it done. Here it finds files, the kernel keeps its values.
 * https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/cm/container_manager_linux.go
 */
const KERNEL_SETTINGS = {
  "vm/overcommit_memory": 1,
  "vm/panic_on_oom": 0,
  "kernel/panic": 10,
  "kernel/panic_on_oops": 1,
  "kernel/keys/root_maxkeys": 1_000_000,
  "kernel/keys/root_maxbytes": 25_000_000,
};

const SET_UP = [
  "set -e",
  "folder=$1; shift",
  "mount -n -t tmpfs -o mode=755 tmpfs /run",
  'mount -n --bind "$folder/log" /var/log',
  // A copy of /var/lib where every folder leads to the real one: those that are missing can be added to it alone.
  "mkdir /run/lib",
  "mount -n --rbind /var/lib /run/lib",
  "mount -n -t tmpfs -o mode=755 tmpfs /var/lib",
  "for real in /run/lib/*; do",
  '  copy="/var/lib/$(basename "$real")"',
  '  if [ -L "$real" ]; then cp -P "$real" "$copy"',
  '  elif [ -d "$real" ]; then mkdir "$copy"; mount -n --rbind "$real" "$copy"',
  "  fi",
  "done",
  ...COVERED.map((path) => `mkdir -p ${path}; mount -n --bind "$folder${path}" ${path}`),
  "mkdir /run/kernel",
  ...Object.entries(KERNEL_SETTINGS).flatMap(([path, value]) => {
    const file = `/run/kernel/${path.replaceAll("/", ".")}`;
    return [`echo ${value} > ${file}`, `mount -n --bind ${file} /proc/sys/${path}`];
  }),
  "ip link set lo up",
  // Not every kernel has the type that is meant for this.
  "ip link add node0 type dummy 2>/dev/null || ip link add node0 type bridge",
  `ip addr add ${NODE_IP}/24 dev node0`,
  "ip link set node0 up",
  // The node's own requests to a Service need a way before the packet filter turns them. There is none to the outside.
  `ip route add ${SERVICE_CIDR} dev node0`,
  "echo 1 > /proc/sys/net/ipv4/ip_forward",
  'exec "$@"',
].join("\n");

export interface Machine {
  readonly folder: string;
  /** Put before a command, it runs inside. */
  readonly enter: readonly string[];
}

/** `pause` is the program that sleeps. */
export async function startMachine(folder: string, pause: string): Promise<Machine> {
  for (const path of ["log", ...COVERED]) await mkdir(join(folder, path), { recursive: true });
  await createCgroup(folder);
  await copyFile(pause, holderOf(folder));
  const log = join(folder, "log", "machine.log");
  const output = openSync(log, "a");
  const isolate = ["--mount", "--net", "--pid", "--fork", "--mount-proc"];
  const child = spawn("unshare", [...isolate, "sh", "-c", SET_UP, "sh", folder, holderOf(folder)], {
    detached: true,
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  child.unref();
  const failure = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", async () => {
      reject(new Error(`the cluster's namespaces could not be made: ${(await readFile(log, "utf8")).trim()}`));
    });
  });
  return await Promise.race([failure, waitForMachine(folder)]);
}

async function waitForMachine(folder: string): Promise<Machine> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    const machine = await findMachine(folder);
    if (machine !== undefined) return machine;
    await sleep(POLL_MS);
  }
  throw new Error(`the cluster's namespaces were not ready after ${START_TIMEOUT_MS / 1000} s`);
}

/** The machine whose files lie in this folder, if it runs. */
export async function findMachine(folder: string): Promise<Machine | undefined> {
  for (const { pid, words } of await processesOf(folder)) {
    if (words[0] === holderOf(folder)) {
      return { folder, enter: ["nsenter", `--target=${pid}`, "--mount", "--net", "--pid", "--"] };
    }
  }
  return undefined;
}

/** Ends all that runs there; the files stay. */
export async function stopMachine(folder: string): Promise<void> {
  const deadline = Date.now() + END_TIMEOUT_MS;
  for (let found = await processesOf(folder); found.length > 0; found = await processesOf(folder)) {
    if (Date.now() > deadline) throw new Error(`process ${found[0]?.pid} of the cluster does not end`);
    // Its parent buries it; only where it has not yet come up it is that one's turn.
    const holder = found.find(({ words }) => words[0] === holderOf(folder));
    for (const { pid } of holder === undefined ? found : [holder]) killNow(pid);
    await sleep(POLL_MS);
  }
  await removeCgroup(folder);
}

/** Removes also all that was made, the folder included. Does nothing where nothing is. */
export async function destroyMachine(folder: string): Promise<void> {
  await stopMachine(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

function holderOf(folder: string): string {
  return join(folder, "machine");
}

/** Those that have the machine's name on their command line: the one that sleeps, and what starts it. */
async function processesOf(folder: string): Promise<{ readonly pid: number; readonly words: string[] }[]> {
  const found: { pid: number; words: string[] }[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0");
    if (words.includes(holderOf(folder))) found.push({ pid: Number(name), words });
  }
  return found;
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
