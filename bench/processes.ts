/**
 * How are the processes of a run started, pinned to a core, told what to do, and ended?
 */

import { type ChildProcess, execFileSync, type StdioOptions, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

/** Everything measured runs on this core… */
export const TARGET_CORE = 0;
/** …and everything that measures on this one. */
export const LOAD_CORE = 1;
/** Enough for both sides of 10,000 streams in one process. */
const OPEN_FILES = 65_536;
const STOP_MS = 10_000;

/** Raises the limit of open files as far as it may go, then becomes the program. */
const RAISE_LIMIT = `ulimit -n ${OPEN_FILES} 2>/dev/null || ulimit -n "$(ulimit -H -n)" 2>/dev/null; exec "$@"`;

const running = new Set<ChildProcess>();
export const canPin = availableParallelism() > 1 && tryPinning();

function tryPinning(): boolean {
  try {
    execFileSync("taskset", ["-c", String(LOAD_CORE), "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The limit of open files that child processes get. */
export function openFiles(): number {
  return Number(execFileSync("sh", ["-c", RAISE_LIMIT, "sh", "sh", "-c", "ulimit -n"]).toString());
}

export interface StartOptions {
  readonly core: number;
  readonly stdio?: StdioOptions;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** The child's own pid is the program's: every step before it is an `exec`. */
export function start(argv: readonly string[], options: StartOptions): ChildProcess {
  const pinned = canPin ? ["taskset", "-c", String(options.core), ...argv] : argv;
  const child = spawn("sh", ["-c", RAISE_LIMIT, "sh", ...pinned], {
    stdio: options.stdio ?? ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...options.env },
    // JSON would turn "no figure" (NaN) into null.
    serialization: "advanced",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  return child;
}

/** Asks nicely, then not. Resolves when it is gone. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  await gone;
  clearTimeout(timer);
}

export function stopAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** A helper process of this folder that takes one message and answers with one. */
export class Peer {
  readonly #child: ChildProcess;

  constructor(file: string, args: readonly string[] = []) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    this.#child = start([process.execPath, path, ...args], {
      core: LOAD_CORE,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** The next message from it. @throws Error when it ends instead. */
  next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error("a helper process of the benchmark ended unexpectedly"));
      this.#child.once("exit", ended);
      this.#child.once("message", (message) => {
        this.#child.off("exit", ended);
        resolve(message as T);
      });
    });
  }

  ask<T>(message: object): Promise<T> {
    const answer = this.next<T>();
    this.#child.send(message);
    return answer;
  }

  stop(): Promise<void> {
    return stop(this.#child);
  }
}
