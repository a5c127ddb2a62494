/** How does a program run in the machine for as long as the machine does, and how is it told that it does not? */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Machine } from "./machine.ts";

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const SHOWN_LOG_CHARS = 2_000;
/** Programs that Debian puts where an ordinary user's PATH does not lead. */
const PATH = [process.env.PATH, "/usr/local/sbin", "/usr/sbin", "/sbin"].join(":");

export interface Daemon {
  readonly name: string;
  readonly process: ChildProcess;
  readonly log: string;
}

/** It logs to `log/NAME.log`. It outlives this process; the machine's end is its end. */
export function startDaemon(machine: Machine, name: string, command: readonly string[]): Daemon {
  const log = logOf(machine.folder, name);
  const output = openSync(log, "a");
  const [program = "", ...args] = [...machine.enter, ...command];
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", output, output],
    env: { ...process.env, PATH },
  });
  closeSync(output);
  // Not found, not allowed: the wait tells.
  child.once("error", () => {});
  child.unref();
  return { name, process: child, log };
}

/** Waits until the daemon does what it is there for; throws with the end of its log when it ends or takes too long. */
export async function waitForDaemon(daemon: Daemon, isReady: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (daemon.process.pid === undefined || daemon.process.exitCode !== null) {
      throw new Error(`${daemon.name} has ended; ${await endOfLog(daemon.log)}`);
    }
    if (await isReady().catch(() => false)) return;
    await sleep(POLL_MS);
  }
  throw new Error(`${daemon.name} is not ready after ${READY_TIMEOUT_MS / 1000} s; ${await endOfLog(daemon.log)}`);
}

export function logOf(folder: string, name: string): string {
  return join(folder, "log", `${name}.log`);
}

async function endOfLog(log: string): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  return `the end of its log:\n${text.slice(-SHOWN_LOG_CHARS)}`;
}
