/** How does a server that a test starts never outlive the test? */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";

/**
 * Runs a program for as long as its standard input stands open, and then kills it and removes the folder. So nothing
 * outlives this process, however it ends. There is no gentle end: the state is thrown away, and on SIGTERM the API server
 * lingers.
 */
const LEASH =
  'folder=$1; shift; exec 3<&0; "$@" 3<&- </dev/null & child=$!; ' +
  '(cat <&3 >/dev/null; kill -9 $child; rm -rf "$folder") & exec 3<&-; wait $child';

/** Go's, in percent: a start takes a fifth less of the processor for 100 MiB more, as it throws away much. */
const GOGC = "400";

/** The program logs to `NAME.log` in the folder. */
export function launch(program: string, flags: readonly string[], folder: string, name: string): ChildProcess {
  const child = spawn("/bin/sh", ["-c", LEASH, "sh", folder, program, ...flags], {
    env: { ...process.env, GOGC },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const log = createWriteStream(join(folder, `${name}.log`));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  child.once("error", (error) => log.write(`${error.message}\n`));
  // A program that ended by itself may have closed the pipe first.
  child.stdin.on("error", () => {});
  return child;
}

/** Ends what was launched and waits until it is gone. */
export async function end(child: ChildProcess): Promise<void> {
  const isOver = child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  const ended = isOver ? Promise.resolve() : once(child, "exit");
  child.stdin?.end();
  await ended;
}
