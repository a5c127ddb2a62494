/**
 * How do all tests run in the least time on two cores?
 *
 * Two files at a time, and beside them, one after the other, those that mostly wait: for pods, leases and deadlines of the
 * operator. Only here are clusters started, so there is never more than one. Arguments go to `node --test`.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { resolve } from "node:path";

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

const root = resolve(import.meta.dirname, "..");
const all = globSync("test/**/*.test.ts", { cwd: root });
const unknown = WAITING.filter((file) => !all.includes(file));
if (unknown.length > 0) throw new Error(`test/run.ts names tests that are not there: ${unknown.join(", ")}`);

/** Its exit code; not 0 either when a signal ended it. */
async function testsOf(files: readonly string[], atOnce: number): Promise<number> {
  const options = ["--test", `--test-concurrency=${atOnce}`, `--test-timeout=${FILE_TIMEOUT_MS}`];
  const args = [...options, ...process.argv.slice(2), ...files];
  const [code] = await once(spawn(process.execPath, args, { cwd: root, stdio: "inherit" }), "exit");
  return code ?? 1;
}

const codes = await Promise.all([
  testsOf(WAITING, 1),
  testsOf(
    all.filter((file) => !WAITING.includes(file)),
    FILES_AT_ONCE,
  ),
]);
process.exitCode = Math.max(...codes);
