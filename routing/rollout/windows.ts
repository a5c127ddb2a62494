/**
 * When is a candidate judged, and what comes of it?
 *
 * In windows, one after the other, that begin only when every serving proxy runs the step's weights. What was measured
 * in a window without a verdict counts in the next one too, so that little traffic is judged late instead of never.
 */
import { formatDuration } from "../duration.ts";
import { isSamePosition, type Memory } from "./memory.ts";
import { type Analysis, lengthOf, type Step } from "./spec.ts";
import { type Draft, type Judgement, place, tell, type Walk } from "./walk.ts";

/** So many windows that passed in a row clear those that failed: a pause of days must not add up chance. */
export const CLEARED_AFTER = 20;

/** Intervals: a proxy that lags behind for longer must not keep a bad candidate in traffic. */
export const PATIENCE = 3;

const ALL = 100;

/** Whether the candidate has traffic that can be compared. */
export function isJudged({ spec, draft }: Walk): boolean {
  const hasTraffic = (draft.weight > 0 && draft.weight < ALL) || draft.shadowPercent > 0;
  return spec.analysis !== undefined && hasTraffic;
}

/** For so long not every proxy has run what the step wants that the candidate is judged without the ones that do not. */
export function isLate({ spec: { analysis }, facts: { now, lagsSince } }: Walk): boolean {
  return analysis !== undefined && lagsSince !== undefined && now - lagsSince >= PATIENCE * analysis.interval;
}

export function closeWindows(draft: Draft): void {
  delete draft.windowSince;
  delete draft.evidenceSince;
}

/** Unix milliseconds. The last window of a timed step ends with it. */
export function windowEnd(draft: Memory, step: Step, analysis: Analysis): number {
  return Date.parse(draft.windowSince ?? draft.startedAt) + windowLength(draft, step, analysis);
}

function windowLength({ phase, runMilliseconds }: Memory, step: Step, { interval }: Analysis): number {
  const rest = (lengthOf(step) ?? 0) - runMilliseconds;
  return phase === "Running" && rest > 0 ? Math.min(interval, rest) : interval;
}

/** Why the candidate must go back, when it must. */
export function lookAtWindow(walk: Walk, step: Step): string | undefined {
  const { spec, facts, draft } = walk;
  const { analysis } = spec;
  if (analysis === undefined) return undefined;
  const late = isLate(walk);
  // What was measured until now was not measured under the step's weights alone.
  if (late && isSamePosition(facts.inForce, draft)) closeWindows(draft);
  if (draft.windowSince === undefined) {
    open(walk);
    return undefined;
  }
  if (facts.now < windowEnd(draft, step, analysis)) return undefined;
  const judgement = facts.judge();
  if (judgement === undefined) {
    closeWindows(draft);
    open(walk);
    return undefined;
  }
  if (late && judgement.verdict !== "Failed") {
    closeWindows(draft);
    open(walk);
    return undefined;
  }
  if (!late && draft.phase === "Running" && spec.state === "Run")
    draft.runMilliseconds += windowLength(draft, step, analysis);
  const failed = count(walk, judgement, analysis);
  if (judgement.verdict !== "Inconclusive") delete draft.evidenceSince;
  delete draft.windowSince;
  open(walk);
  return failed;
}

/** A late one can fail, and counts for nothing else. */
function open(walk: Walk): void {
  const { facts, draft } = walk;
  if (!isSamePosition(facts.inForce, draft) && !isLate(walk)) {
    closeWindows(draft);
    return;
  }
  draft.windowSince = new Date(facts.now).toISOString();
  draft.evidenceSince ??= draft.windowSince;
}

function count(walk: Walk, { verdict, metrics }: Judgement, analysis: Analysis): string | undefined {
  const { draft } = walk;
  draft.metrics = metrics;
  if (verdict === "Inconclusive") {
    draft.inconclusiveWindows++;
    return undefined;
  }
  if (verdict === "Passed") {
    draft.passedWindows++;
    draft.passedInRow++;
    if (draft.passedInRow >= CLEARED_AFTER) draft.failedWindows = 0;
    return undefined;
  }
  draft.failedWindows++;
  draft.passedInRow = 0;
  const { failureLimit, interval } = analysis;
  const what = `${metrics.filter(decides).map(describe).join("; ")} in ${place(walk)}`;
  tell(
    walk,
    "Warning",
    "AnalysisFailed",
    `${what}, a window of ${formatDuration(interval)}; ${draft.failedWindows} failed, ${failureLimit} are allowed`,
  );
  return draft.failedWindows > failureLimit ? `${draft.failedWindows} windows failed, the last by ${what}` : undefined;
}

function decides(metric: Memory["metrics"][number]): boolean {
  return metric.verdict === "Failed" && metric.dryRun !== true;
}

/** With the numbers that decided. */
function describe({ name, stable, candidate, message }: Memory["metrics"][number]): string {
  if (message !== undefined && message !== "") return `${name}: ${message.replace(/\.$/, "")}`;
  return `${name} ${candidate ?? "?"}${stable === undefined ? "" : `, on stable ${stable}`}`;
}
