/** Under which control group do the pods stand? Under one of the cluster's own, in version 1 and in version 2. */

import { createHash } from "node:crypto";
import { mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = "/sys/fs/cgroup";
const REMOVE_TIMEOUT_MS = 5_000;
const POLL_MS = 50;

/** What the kubelet calls its root. Two clusters side by side have two. */
export function cgroupOf(folder: string): string {
  return `tandem-${createHash("sha256").update(folder).digest("hex").slice(0, 8)}`;
}

export async function createCgroup(folder: string): Promise<void> {
  for (const hierarchy of await hierarchies()) await mkdir(join(hierarchy, cgroupOf(folder)), { recursive: true });
}

/** After the processes in it have been ended: the kernel takes a moment to notice. */
export async function removeCgroup(folder: string): Promise<void> {
  for (const hierarchy of await hierarchies()) {
    const path = join(hierarchy, cgroupOf(folder));
    for (const deadline = Date.now() + REMOVE_TIMEOUT_MS; ; await sleep(POLL_MS)) {
      if (await removeTree(path)) break;
      if (Date.now() > deadline) throw new Error(`the control group ${path} is still in use`);
    }
  }
}

/** Version 2 is one hierarchy; version 1 is one of each controller, of which several may be links to one. */
async function hierarchies(): Promise<string[]> {
  if (await exists(join(ROOT, "cgroup.controllers"))) return [ROOT];
  const names = await readdir(ROOT, { withFileTypes: true });
  return names.filter((entry) => entry.isDirectory()).map((entry) => join(ROOT, entry.name));
}

/** Groups can only be removed one by one, the lowest first. */
async function removeTree(path: string): Promise<boolean> {
  if (!(await exists(path))) return true;
  const below = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const removed = await Promise.all(below.map((entry) => removeTree(join(path, entry.name))));
  if (!removed.every(Boolean)) return false;
  return await rmdir(path).then(
    () => true,
    () => false,
  );
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
