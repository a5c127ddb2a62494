/** How do processes side by side do a thing one after the other? By a file with the number of the one that does it. */

import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 500;
const WRITE_TIMEOUT_MS = 10_000;

/** Waits for its turn. A process that ended without giving its turn away holds nobody up. */
export async function withLock<T>(lock: string, action: () => Promise<T>): Promise<T> {
  const release = await takeLock(lock);
  try {
    return await action();
  } finally {
    await release();
  }
}

/** Waits for its turn, and answers how to give it away. */
export async function takeLock(lock: string): Promise<() => Promise<void>> {
  await mkdir(dirname(lock), { recursive: true });
  while (!(await isTaken(lock))) {
    if (await isAbandoned(lock)) await rm(lock, { force: true });
    else await sleep(POLL_MS);
  }
  return () => rm(lock, { force: true });
}

/** Whether a process that runs has it. */
export async function isLocked(lock: string): Promise<boolean> {
  const pid = Number(await readFile(lock, "utf8").catch(() => ""));
  return pid > 0 && isAlive(pid);
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
    return Date.now() - (await stat(lock)).mtimeMs > WRITE_TIMEOUT_MS;
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
