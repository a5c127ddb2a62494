/** How does a rollout look at a terminal? */
import { formatDuration } from "../routing/duration.ts";
import type { Memory } from "../routing/rollout/memory.ts";
import { describeStep, type RolloutSpec } from "../routing/rollout/spec.ts";

export interface ShownRollout {
  /** `ai/gpt-4o`. */
  readonly route: string;
  readonly spec: RolloutSpec;
  /** Undefined: nobody has looked at it yet. */
  readonly memory: Memory | undefined;
}

const BAR = 30;
const ALL = 100;

export function rolloutText({ route, spec, memory }: ShownRollout): string {
  const head = `AIRoute ${route}: ${spec.candidate} takes over from ${spec.stable}`;
  if (memory === undefined) return `${head}\n  has not begun: no operator or gateway has looked at it yet\n`;
  return [
    `${head}, ${stateOf(memory, spec)}`,
    "",
    ...spec.steps.map(
      (step, i) => `  ${markOf(i, memory)} ${String(i).padStart(2)}  ${describeStep(step, formatDuration)}`,
    ),
    "",
    ...weights(spec, memory),
    ...windows(spec, memory),
    ...metrics(memory),
    "",
    memory.message,
    "",
  ].join("\n");
}

/** In one line, for who asks something else. */
export function rolloutSentence(spec: RolloutSpec, memory: Memory | undefined): string {
  const { stable, candidate, steps } = spec;
  if (memory === undefined) return `Rollout from ${stable} to ${candidate}: has not begun`;
  if (memory.outcome !== undefined)
    return `Rollout from ${stable} to ${candidate}: ${memory.outcome}. ${memory.message}`;
  const copies = memory.shadowPercent > 0 ? ` and copies of ${memory.shadowPercent} %` : "";
  const step = describeStep(steps[memory.stepIndex], formatDuration);
  return `Rollout from ${stable} to ${candidate}: ${stateOf(memory, spec)} (${step}); ${candidate} gets ${memory.weight} %${copies}`;
}

function stateOf({ outcome, phase, pausedSince, stepIndex }: Memory, { steps }: RolloutSpec): string {
  if (outcome !== undefined) return outcome;
  const step = `step ${Math.min(stepIndex + 1, steps.length)}/${steps.length}`;
  return `${step}, ${phase}${pausedSince === undefined ? "" : ", paused by its state"}`;
}

/** As `tandem.dev/promoted-step` counts them, from 0. */
function markOf(index: number, { stepIndex, outcome }: Memory): string {
  if (index < stepIndex) return "✓";
  if (index > stepIndex) return " ";
  return outcome === "Aborted" || outcome === "RolledBack" ? "✗" : "▶";
}

function weights({ stable, candidate }: RolloutSpec, { weight, shadowPercent }: Memory): string[] {
  const width = Math.max(stable.length, candidate.length, "copies".length);
  const row = (name: string, share: number) => {
    const filled = Math.round((share / ALL) * BAR);
    return `  ${name.padEnd(width)}  ${"█".repeat(filled)}${"░".repeat(BAR - filled)} ${share} %`;
  };
  return [
    row(stable, ALL - weight),
    row(candidate, weight),
    ...(shadowPercent > 0 ? [row("copies", shadowPercent)] : []),
  ];
}

function windows({ analysis }: RolloutSpec, memory: Memory): string[] {
  if (analysis === undefined) return ["  nothing is judged: the rollout has no analysis"];
  const { passedWindows, inconclusiveWindows, failedWindows } = memory;
  const step = `${passedWindows} passed and ${inconclusiveWindows} inconclusive in this step`;
  return [`  windows: ${step}, ${failedWindows} failed of ${analysis.failureLimit} allowed`];
}

function metrics({ metrics: judged }: Memory): string[] {
  const rows = judged.map(({ name, stable, candidate, verdict, dryRun }) => {
    return [name, stable ?? "-", candidate ?? "-", dryRun ? `${verdict} (dry run)` : verdict];
  });
  if (rows.length === 0) return [];
  const table = [["METRIC", "STABLE", "CANDIDATE", "LAST WINDOW"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return ["", ...table.map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd())];
}
