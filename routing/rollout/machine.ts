/**
 * Where does a rollout go next?
 *
 * Pure: its spec, what it remembers, and what is the case make what it remembers then, what is told, and when to look
 * again. A cluster's operator and a laptop drive the same machine. Whatever it is told late it does late: no judgement is
 * left out because nobody looked for an hour, and weights only ever go to where a step wants them, or back.
 */
import { isSamePosition, type Memory, type Outcome, positionOf, type RolloutPosition, START } from "./memory.ts";
import { lengthOf, type RolloutSpec, rolloutHash, type Step } from "./spec.ts";
import { type Draft, type Facts, place, type RolloutEvent, tell, type Walk } from "./walk.ts";
import { closeWindows, isJudged, lookAtWindow, windowEnd } from "./windows.ts";

export type { Facts, Judgement, RolloutEvent } from "./walk.ts";

export interface Advance {
  /** The same object as before when nothing has changed. */
  readonly memory: Memory;
  readonly events: readonly RolloutEvent[];
  readonly position: RolloutPosition;
  /** Unix milliseconds; absent: only something that happens can bring it on. */
  readonly wakeAt?: number;
}

const ALL = 100;
const MAX_ANNOTATION = 64;
export const PROMOTED_STEP = "tandem.dev/promoted-step";

export function advance(spec: RolloutSpec, memory: Memory | undefined, facts: Facts): Advance {
  const walk = begin(spec, memory, facts);
  const { draft, events } = walk;
  if (draft.outcome === undefined && facts.isHeld === true) standStill(walk);
  else if (draft.outcome === undefined) {
    noticePause(walk);
    while (goOn(walk));
  }
  const isSame = memory !== undefined && isEqual(memory, draft);
  const after: Memory = isSame ? memory : { ...draft, sequence: (memory?.sequence ?? 0) + 1 };
  const wakeAt = wakeOf(walk);
  return { memory: after, events, position: positionOf(after), ...(wakeAt !== undefined && { wakeAt }) };
}

/** What it goes on from: what it remembers, or the first step. */
function begin(spec: RolloutSpec, memory: Memory | undefined, facts: Facts): Walk {
  const hash = rolloutHash(spec);
  const isOther = memory === undefined || memory.hash !== hash;
  const isRetry = !isOther && memory.outcome === "Aborted" && spec.state === "Run";
  const draft = isOther || isRetry ? fresh(hash, facts.now) : { ...memory };
  const walk = { spec, facts, draft, events: [] };
  if (spec.state === "Abort") {
    if (draft.outcome !== "Aborted") end(walk, "Aborted", "RolloutAborted", "Aborted by spec.rollout.state");
  } else if (isOther || isRetry) {
    const why = isRetry
      ? "Begins again"
      : memory === undefined
        ? "Begins"
        : "Begins anew: stable, candidate or steps are others";
    tell(
      walk,
      "Normal",
      "RolloutStarted",
      `${why}. ${spec.stable} serves, ${spec.candidate} shall take over in ${spec.steps.length} steps`,
    );
  }
  return walk;
}

function fresh(hash: string, now: number): Draft {
  return {
    hash,
    sequence: 0,
    stepIndex: 0,
    phase: "Held",
    ...START,
    startedAt: iso(now),
    runMilliseconds: 0,
    passedWindows: 0,
    inconclusiveWindows: 0,
    failedWindows: 0,
    passedInRow: 0,
    message: "",
    metrics: [],
  };
}

/** Neither time nor windows count while something else is in force. */
function standStill({ draft, facts }: Walk): void {
  stopClock(draft, facts.now);
  closeWindows(draft);
}

function noticePause(walk: Walk): void {
  const { spec, facts, draft } = walk;
  if (spec.state === "Pause" && draft.pausedSince === undefined) {
    stopClock(draft, facts.now);
    draft.pausedSince = iso(facts.now);
    tell(walk, "Normal", "RolloutPaused", `Paused by spec.rollout.state at ${place(walk)}`);
  } else if (spec.state !== "Pause" && draft.pausedSince !== undefined) {
    delete draft.pausedSince;
    tell(walk, "Normal", "RolloutResumed", `Goes on at ${place(walk)}`);
  }
}

/** Whether there may be more to do at once. */
function goOn(walk: Walk): boolean {
  const { spec, facts, draft } = walk;
  const step = spec.steps[draft.stepIndex];
  if (draft.outcome !== undefined) return false;
  switch (draft.phase) {
    case "Held":
      if (spec.state === "Pause") return false;
      if (step === undefined) promote(walk);
      else enter(walk, step);
      return true;
    case "Spreading":
      if (!isSamePosition(facts.inForce, draft)) {
        if (step !== undefined && isJudged(walk)) judgeInWindows(walk, step);
        return false;
      }
      closeWindows(draft);
      draft.phase = "Running";
      draft.stepStartedAt = iso(facts.now);
      if (step !== undefined && "pause" in step && step.pause === undefined) waitForPromotion(walk, "");
      return true;
    default:
      return step === undefined ? false : stay(walk, step);
  }
}

function enter(walk: Walk, step: Step): void {
  const { draft, spec } = walk;
  draft.phase = "Spreading";
  draft.runMilliseconds = 0;
  draft.passedWindows = 0;
  draft.inconclusiveWindows = 0;
  delete draft.stepStartedAt;
  delete draft.runningSince;
  delete draft.seenPromotion;
  if ("setWeight" in step && step.setWeight !== draft.weight) {
    const note = `${spec.candidate} gets ${step.setWeight} % instead of ${draft.weight} %, by ${place(walk)}`;
    draft.weight = step.setWeight;
    // There is nothing left to compare copies with.
    if (draft.weight === ALL) draft.shadowPercent = 0;
    move(walk, "WeightAdvanced", note);
  }
  if ("setShadow" in step && step.setShadow !== draft.shadowPercent) {
    const note = `${step.setShadow} % of the requests are copied to ${spec.candidate}, by ${place(walk)}`;
    draft.shadowPercent = step.setShadow;
    move(walk, "ShadowAdvanced", note);
  }
}

/** What was measured under other weights is another measure. */
function move(walk: Walk, reason: RolloutEvent["reason"], note: string): void {
  closeWindows(walk.draft);
  // Nobody lags behind what is new.
  walk.facts = { ...walk.facts, lagsSince: undefined };
  tell(walk, "Normal", reason, note);
}

/** In a step that every proxy runs. */
function stay(walk: Walk, step: Step): boolean {
  const { spec, facts, draft } = walk;
  if (isJudged(walk)) {
    stopClock(draft, facts.now);
    judgeInWindows(walk, step);
    if (draft.outcome !== undefined) return false;
  } else {
    closeWindows(draft);
    runClock(walk);
  }
  if (spec.state === "Pause") return false;
  if (draft.phase === "Waiting") return seePromotion(walk);
  if (elapsed(draft, facts.now) < (lengthOf(step) ?? 0)) return false;
  const wasAsked = isJudged(walk) || ("analyze" in step && spec.analysis !== undefined);
  if (lengthOf(step) === undefined || !wasAsked) return leave(walk);
  if (draft.passedWindows > 0) {
    tell(walk, "Normal", "AnalysisPassed", `${draft.passedWindows} windows passed in ${place(walk)}`);
    return leave(walk);
  }
  return endWithoutVerdict(walk);
}

function judgeInWindows(walk: Walk, step: Step): void {
  const failed = lookAtWindow(walk, step);
  if (failed !== undefined) end(walk, "RolledBack", "RolloutRolledBack", failed);
}

function endWithoutVerdict(walk: Walk): boolean {
  const { spec, draft } = walk;
  const why = `${place(walk)} ended without a verdict: ${draft.inconclusiveWindows} windows were inconclusive, none passed`;
  const then = spec.analysis?.onInconclusive ?? "Pause";
  tell(walk, "Warning", "AnalysisInconclusive", why);
  if (then === "Continue") return leave(walk);
  if (then === "Abort") {
    end(walk, "RolledBack", "RolloutRolledBack", `${why} (analysis.onInconclusive: Abort)`);
    return false;
  }
  waitForPromotion(walk, `${why}. `);
  return true;
}

function leave(walk: Walk): true {
  const { draft } = walk;
  stopClock(draft, walk.facts.now);
  closeWindows(draft);
  draft.stepIndex++;
  draft.phase = "Held";
  return true;
}

function promote(walk: Walk): void {
  end(walk, "Promoted", "RolloutPromoted", `${walk.spec.candidate} has all traffic`);
}

function waitForPromotion(walk: Walk, why: string): void {
  const { draft, facts } = walk;
  stopClock(draft, facts.now);
  draft.phase = "Waiting";
  remember(draft, facts.promotedStep);
  tell(
    walk,
    "Normal",
    "RolloutPaused",
    `${why}Waits at ${place(walk)} until the annotation ${PROMOTED_STEP} is set to ${draft.stepIndex}`,
  );
}

/** Only what is set while the step waits counts: a left-over one stands there already when it begins to. */
function seePromotion(walk: Walk): boolean {
  const { draft, facts } = walk;
  const said = facts.promotedStep?.slice(0, MAX_ANNOTATION);
  if (said === draft.seenPromotion) return false;
  if (said === String(draft.stepIndex)) return leave(walk);
  remember(draft, said);
  return false;
}

function remember(draft: Draft, said: string | undefined): void {
  if (said === undefined) delete draft.seenPromotion;
  else draft.seenPromotion = said.slice(0, MAX_ANNOTATION);
}

function end(walk: Walk, outcome: Outcome, reason: RolloutEvent["reason"], why: string): void {
  const { draft, spec, facts } = walk;
  stopClock(draft, facts.now);
  closeWindows(draft);
  draft.outcome = outcome;
  draft.phase = "Ended";
  draft.weight = outcome === "Promoted" ? ALL : 0;
  draft.shadowPercent = 0;
  delete draft.pausedSince;
  delete draft.seenPromotion;
  const then = outcome === "Promoted" ? "" : `. ${spec.stable} has all traffic`;
  tell(walk, outcome === "Promoted" ? "Normal" : "Warning", reason, `${why}${then}`);
}

/** Of a step that is judged the windows are the clock. */
function runClock({ spec, draft, facts }: Walk): void {
  if (spec.state === "Run" && draft.phase === "Running") draft.runningSince ??= iso(facts.now);
}

function stopClock(draft: Draft, now: number): void {
  draft.runMilliseconds = elapsed(draft, now);
  delete draft.runningSince;
}

function elapsed({ runMilliseconds, runningSince }: Memory, now: number): number {
  return runMilliseconds + (runningSince === undefined ? 0 : Math.max(0, now - Date.parse(runningSince)));
}

function wakeOf({ spec, draft, facts }: Walk): number | undefined {
  const step = spec.steps[draft.stepIndex];
  if (draft.outcome !== undefined || step === undefined) return undefined;
  if (draft.windowSince !== undefined && spec.analysis !== undefined) {
    return windowEnd(draft, step, spec.analysis);
  }
  if (draft.runningSince === undefined) return undefined;
  return facts.now + (lengthOf(step) ?? 0) - elapsed(draft, facts.now);
}

function iso(now: number): string {
  return new Date(now).toISOString();
}

function isEqual(one: Memory, other: Memory): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof Memory>;
  for (const name of names) {
    if (one[name] === other[name]) continue;
    if (name !== "metrics" || JSON.stringify(one.metrics) !== JSON.stringify(other.metrics)) return false;
  }
  return true;
}
