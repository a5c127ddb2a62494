/**
 * How do all tests run in the least time on two cores?
 *
 * Two files at a time, and beside them, one after the other, those that mostly wait: for pods, leases and deadlines of the
 * operator. Only here are clusters started, so there is never more than one. Arguments go to `node --test`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";

const WAITING = [
  "test/cluster/whole.test.ts",
  "test/operator/network.test.ts",
  "test/cluster/up.test.ts",
  "test/kube/lease.test.ts",
  "test/failover/soak.test.ts",
  "test/failover/scorecard-none.test.ts",
  "test/failover/scorecard-splice.test.ts",
  "test/operator/shadow.test.ts",
];
const FILES_AT_ONCE = 2;
const FILE_TIMEOUT_MS = 600_000;
/** More than a whole report. */
const REPORT_BYTES = 16 * 1024 * 1024;

const root = resolve(import.meta.dirname, "..");
const all = globSync("test/**/*.test.ts", { cwd: root });
const unknown = WAITING.filter((file) => !all.includes(file));
if (unknown.length > 0) throw new Error(`test/run.ts names tests that are not there: ${unknown.join(", ")}`);

function testsOf(files: readonly string[], atOnce: number): ChildProcess {
  const options = ["--test", `--test-concurrency=${atOnce}`, `--test-timeout=${FILE_TIMEOUT_MS}`];
  const args = [...options, ...process.argv.slice(2), ...files];
  return spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
}

/** Its exit code; not 0 either when a signal ended it. */
async function codeOf(tests: ChildProcess): Promise<number> {
  const [code] = (await once(tests, "close")) as [number | null];
  return code ?? 1;
}

const quick = testsOf(
  all.filter((file) => !WAITING.includes(file)),
  FILES_AT_ONCE,
);
const waiting = testsOf(WAITING, 1);
const codes = [codeOf(quick), codeOf(waiting)];
// One report after the other: line by line nobody could tell whose summary it is.
const held = waiting.stdout?.pipe(new PassThrough({ highWaterMark: REPORT_BYTES }));
quick.stdout?.pipe(process.stdout, { end: false });
await codes[0];
held?.pipe(process.stdout, { end: false });
process.exitCode = Math.max(...(await Promise.all(codes)));
