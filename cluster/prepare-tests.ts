/**
 * What must be there before the tests begin?
 *
 * Building takes minutes and shows its progress here; inside a test it would only look like a test that hangs. What
 * cannot be had is said, and the tests that need it say it again when they are skipped.
 */
import { findBinaries } from "./binaries.ts";
import { CONTROL_PLANE, WHOLE_CLUSTER } from "./programs.ts";
import { missingProgram, missingRequirement } from "./requirements.ts";

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

const missing = await missingRequirement(process.env.CI === "true", say);
if (missing !== undefined) say(`no cluster of our own in the tests: ${missing}`);
const found = await findBinaries(["helm", "helm4", ...(missing === undefined ? WHOLE_CLUSTER : CONTROL_PLANE)], say);
if ("missing" in found) say(found.missing);
const noRedis = await missingProgram("redis-server", say);
if (noRedis !== undefined) say(`no tests of limits over several proxies: ${noRedis}`);
const noPrometheus = await missingProgram("prometheus", say);
if (noPrometheus !== undefined) say(`no tests of queries to Prometheus: ${noPrometheus}`);
