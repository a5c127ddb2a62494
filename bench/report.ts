/**
 * What does a run say? Markdown tables of medians, and each goal beside what was measured. It reports; it never asserts.
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { addedP50, cellOf, cpuRatio, FOREIGN_CORES, idleRSS, loaded, MB, median } from "./figures.ts";
import { canPin } from "./processes.ts";
import type { Results } from "./results.ts";
import type { Plan } from "./run.ts";
import { GOALS, RATIO_GOALS, type Scenario } from "./scenarios.ts";
import { DIRECT } from "./targets.ts";

const MINE = "tandem";

export function report(plan: Plan, results: Results): string {
  return [
    header(plan),
    ...plan.scenarios.map((scenario) => scenarioTable(scenario, results)),
    ratiosTable(plan, results),
    memoryTable(results),
    idleStreamsTable(results),
    goalsTable(results),
    notes(results),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function header(plan: Plan): string {
  const where = canPin
    ? "target on core 0; load client and provider stand-in on core 1"
    : "NOT PINNED (taskset or a second core is missing): compare nothing across targets";
  return [
    `# Benchmark, ${new Date().toISOString().slice(0, 16)}Z`,
    `${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores, Linux ${release()}, Node ${process.versions.node}, ${versions()}.`,
    `${plan.rounds} interleaved rounds, ${plan.seconds} s a sample; ${where}. Medians; CPU is that of the target's process tree.`,
  ].join("\n");
}

function versions(): string {
  const npm = ["undici", "http-proxy-middleware", "express"].map((name) => `${name} ${packageVersion(name)}`);
  return [...npm, nginxVersion()].filter(Boolean).join(", ");
}

function packageVersion(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function nginxVersion(): string {
  try {
    return execFileSync("sh", ["-c", "nginx -v 2>&1"]).toString().trim().replace("nginx version: nginx/", "nginx ");
  } catch {
    return "";
  }
}

function targetsOf(results: Results): string[] {
  return [...new Set([DIRECT, "nginx", "undici", "hpm", ...results.samples.map(({ target }) => target)])].filter(
    (name) => results.samples.some(({ target }) => target === name),
  );
}

function scenarioTable(scenario: Scenario, results: Results): string {
  const rows = targetsOf(results).map((target) => scenarioRow(scenario, results, target));
  const columns = [
    "target",
    "per second min/med/max",
    "µs CPU each (min–max)",
    "p50 ms",
    "p99 ms",
    "first byte p50 ms",
    "added p50 ms",
    "core 0 used",
    "samples",
  ];
  return [`## ${scenario.name}: ${scenario.title}`, "", ...table(columns, rows)].join("\n");
}

function scenarioRow(scenario: Scenario, results: Results, target: string): string[] {
  const cell = cellOf(results, scenario.name, target);
  if (cell === undefined) return [target, "–"];
  if (cell.errors > 0) return [target, `FAILED: ${cell.errors} wrong answers, the first: ${oneLine(cell.firstError)}`];
  const { samples } = cell;
  const rates = samples.map((sample) => sample.requests / sample.seconds);
  const cpu = samples.flatMap((sample) => sample.cpuMicros ?? []);
  return [
    target,
    [Math.min(...rates), median(rates), Math.max(...rates)]
      .map((rate) => rate.toFixed(rate < 1000 ? 1 : 0))
      .join(" / "),
    cpu.length === 0 ? "–" : `${micros(median(cpu))} (${micros(Math.min(...cpu))}–${micros(Math.max(...cpu))})`,
    median(samples.map(({ p50 }) => p50)).toFixed(3),
    median(samples.map(({ p99 }) => p99)).toFixed(3),
    median(samples.map(({ firstByteP50 }) => firstByteP50)).toFixed(3),
    target === DIRECT ? "" : text(addedP50(results, scenario.name, target), 3),
    text(median(samples.flatMap((sample) => sample.cpuShare ?? [])) * 100, 0, " %"),
    `${samples.length}${cell.disturbed ? " †" : ""}`,
  ];
}

function ratiosTable(plan: Plan, results: Results): string {
  const rivals = targetsOf(results).filter((name) => name !== DIRECT && name !== MINE);
  if (rivals.length === 0 || !targetsOf(results).includes(MINE)) return "";
  const rows = plan.scenarios.map(({ name }) => [
    name,
    ...rivals.map((rival) => text(cpuRatio(results, name, MINE, rival), 2)),
  ]);
  const columns = ["scenario", ...rivals.map((rival) => `${MINE} ÷ ${rival}`)];
  return ["## CPU time per request, as ratios", "", ...table(columns, rows)].join("\n");
}

function memoryTable(results: Results): string {
  const rows = startedTargets(results).map((target) => {
    const starts = results.starts.filter((start) => start.target === target);
    const ready = starts.map(({ readySeconds }) => readySeconds);
    return [
      target,
      `${Math.min(...ready).toFixed(2)} / ${median(ready).toFixed(2)} / ${Math.max(...ready).toFixed(2)}`,
      `${text(idleRSS(starts), 0)} / ${text(median(starts.map(({ idle }) => idle.pss)) / MB, 0)}`,
      ...["rss", "pss", "peakRSS"].map((field) => text(loaded(results, target, field as "rss"), 0)),
    ];
  });
  if (rows.length === 0) return "";
  const columns = [
    "target",
    "s until ready min/med/max",
    "idle MB RSS / PSS",
    "most under load MB RSS",
    "PSS",
    "peak RSS MB",
  ];
  return ["## Start and memory", "", ...table(columns, rows)].join("\n");
}

function startedTargets(results: Results): string[] {
  return [...new Set(results.starts.map(({ target }) => target))];
}

function idleStreamsTable(results: Results): string {
  if (results.idleStreams.length === 0) return "";
  const rows = results.idleStreams.map(({ target, streams, memory, error }) => [
    target,
    String(streams),
    text(memory.rss / MB, 0),
    text(memory.pss / MB, 0),
    text(memory.rss / 1000 / streams, 1),
    oneLine(error),
  ]);
  const columns = ["target", "streams held", "RSS MB", "PSS MB", "RSS KB for each", "failed"];
  return ["## Idle streams", "", ...table(columns, rows)].join("\n");
}

function goalsTable(results: Results): string {
  const ratios = RATIO_GOALS.map(({ scenario, rival, atMost }) =>
    goal(`CPU ${scenario}: ${MINE} ÷ ${rival}`, cpuRatio(results, scenario, MINE, rival), atMost, 2),
  );
  const starts = results.starts.filter(({ target }) => target === MINE);
  const held = results.idleStreams.find(({ target }) => target === MINE);
  const others = [
    goal("added p50 at 300 requests a second, ms", addedP50(results, "latency", MINE), GOALS.addedP50Ms, 3),
    goal("RSS idle, MB", idleRSS(starts), GOALS.idleMB, 0),
    goal("RSS under load, MB", loaded(results, MINE, "rss"), GOALS.loadedMB, 0),
    goal(
      `RSS with ${held?.streams ?? "10,000"} idle streams, MB`,
      (held?.memory.rss ?? Number.NaN) / MB,
      GOALS.idleStreamsMB,
      0,
    ),
    goal("s until ready", median(starts.map(({ readySeconds }) => readySeconds)), GOALS.readySeconds, 2),
  ];
  return ["## Goals", "", ...table(["goal", "measured", "at most", ""], [...ratios, ...others])].join("\n");
}

function goal(name: string, measured: number, atMost: number, digits: number): string[] {
  if (Number.isNaN(measured)) return [name, "not measured", String(atMost), ""];
  return [name, measured.toFixed(digits), String(atMost), measured <= atMost ? "reached" : "NOT REACHED"];
}

function notes(results: Results): string {
  const lines = Object.entries(results.missing).map(([name, reason]) => `- ${name}: ${oneLine(reason)}`);
  for (const { target, round, requests, lines: logged } of results.logs) {
    if (logged < requests)
      lines.push(`- ${target}, round ${round}: ONLY ${logged} access-log lines for ${requests} requests`);
  }
  const logged = [...new Set(results.logs.map(({ target }) => target))];
  lines.push(
    ...logged.map((target) => `- ${target}: every request has its line in the access log, unless said above.`),
  );
  const disturbed = results.samples.filter(({ foreignCores }) => foreignCores > FOREIGN_CORES).length;
  lines.push(
    `- ${disturbed} of ${results.samples.length} samples had more than ${FOREIGN_CORES} cores of foreign load and were left out where cleaner ones exist († none did).`,
  );
  return lines.join("\n");
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${columns.map((_, at) => cells[at] ?? "").join(" | ")} |`;
  return [line(columns), `|${columns.map(() => "---").join("|")}|`, ...rows.map(line)];
}

function micros(value: number): string {
  return value.toFixed(value < 1000 ? 1 : 0);
}

function text(value: number, digits: number, unit = ""): string {
  return Number.isNaN(value) ? "–" : value.toFixed(digits) + unit;
}

function oneLine(message: string | undefined): string {
  return (message ?? "").replace(/\s+/g, " ").replaceAll("|", "¦").slice(0, 300);
}
