/**
 * `npm run bench`: what do Tandem and its peers cost for each request, measured in one interleaved run?
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { stopAll } from "./processes.ts";
import { profileReport } from "./profile.ts";
import { report } from "./report.ts";
import { measure, type Plan } from "./run.ts";
import { IDLE_STREAMS, SCENARIOS } from "./scenarios.ts";
import { DIRECT, externalTarget, TARGETS } from "./targets.ts";

const HELP = `Usage: npm run bench -- [options]

  --quick                 2 short rounds instead of 5: for a look, not for a claim
  --rounds N              rounds (default 5)
  --seconds S             length of one sample (default 3)
  --only A,B              scenarios: ${[...SCENARIOS.map(({ name }) => name), IDLE_STREAMS].join(", ")}
  --targets A,B           targets: ${[DIRECT, ...Object.keys(TARGETS)].join(", ")}
  --target NAME=URL[#PID] a rival that is already running; with its process id its CPU time is measured too (repeatable)
  --header 'NAME: VALUE'  one more request header for every target (repeatable)
  --upstream-port PORT    fixed port of the provider stand-in, for rivals that must know it
  --idle-streams N        how many idle streams to hold (default 10000)
  --profile               Tandem alone, with a CPU profile, and where its time goes
  --json FILE             every sample as JSON
`;

const LONG = { rounds: 5, seconds: 3, warmUpSeconds: 2 };
const QUICK = { rounds: 2, seconds: 1, warmUpSeconds: 0.5 };
const PROFILE = { rounds: 1, seconds: 5, warmUpSeconds: 1 };

const options = {
  help: { type: "boolean", short: "h" },
  quick: { type: "boolean" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  only: { type: "string" },
  targets: { type: "string" },
  target: { type: "string", multiple: true },
  header: { type: "string", multiple: true },
  "upstream-port": { type: "string" },
  "idle-streams": { type: "string" },
  profile: { type: "boolean" },
  json: { type: "string" },
} as const;

type Flags = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

function planOf(flags: Flags, folder: string): Plan {
  const length = flags.profile ? PROFILE : flags.quick ? QUICK : LONG;
  const wanted = listOf(flags.only, [...SCENARIOS.map(({ name }) => name), IDLE_STREAMS], "--only");
  const targets = flags.profile ? ["tandem"] : listOf(flags.targets, [DIRECT, ...Object.keys(TARGETS)], "--targets");
  const withStreams = wanted.includes(IDLE_STREAMS) && !flags.profile;
  return {
    rounds: numberOf(flags.rounds, "--rounds") ?? length.rounds,
    seconds: numberOf(flags.seconds, "--seconds") ?? length.seconds,
    warmUpSeconds: length.warmUpSeconds,
    scenarios: SCENARIOS.filter(({ name }) => wanted.includes(name)),
    targets,
    external: (flags.target ?? []).map(externalTarget),
    headers: Object.fromEntries((flags.header ?? []).map(headerOf)),
    idleStreams: withStreams ? (numberOf(flags["idle-streams"], "--idle-streams") ?? 10_000) : 0,
    upstreamPort: numberOf(flags["upstream-port"], "--upstream-port") ?? 0,
    profile: flags.profile ?? false,
    folder,
    progress: (line) => void process.stderr.write(`${line}\n`),
  };
}

function listOf(text: string | undefined, known: readonly string[], flag: string): readonly string[] {
  if (text === undefined) return known;
  const names = text.split(",");
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined) throw new Error(`${flag} ${strange}: use one or more of ${known.join(", ")}`);
  return names;
}

function numberOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!(number > 0)) throw new Error(`${flag} ${text}: use a number above 0`);
  return number;
}

function headerOf(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new Error(`--header ${text}: write it as 'Name: value'`);
  return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()];
}

async function main(): Promise<void> {
  const flags = parseArgs({ options }).values;
  if (flags.help) return void process.stdout.write(HELP);
  if (process.platform !== "linux")
    throw new Error("the benchmark reads CPU time and memory from Linux's /proc: run it on Linux");
  const folder = mkdtempSync(join(tmpdir(), "tandem-bench-"));
  try {
    const plan = planOf(flags, folder);
    const results = await measure(plan);
    process.stdout.write(`${report(plan, results)}\n`);
    if (flags.profile) process.stdout.write(`\n${profileReport(join(folder, "round-1", "tandem"))}\n`);
    if (flags.json !== undefined) writeFileSync(flags.json, JSON.stringify(results, undefined, 2));
  } finally {
    stopAll();
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stopAll();
    process.exit(130);
  });
}

main().catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
