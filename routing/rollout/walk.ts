/** What does one look at a rollout know, and what does it leave behind? */
import { formatDuration } from "../duration.ts";
import type { Memory, RolloutPosition } from "./memory.ts";
import { describeStep, type RolloutSpec } from "./spec.ts";

export interface Judgement {
  readonly verdict: "Failed" | "Inconclusive" | "Passed";
  readonly metrics: Memory["metrics"];
}

export interface Facts {
  /** Unix milliseconds. */
  readonly now: number;
  /** What every serving proxy, ready or terminating, runs; undefined where they differ, or are not all known. */
  readonly inForce: RolloutPosition | undefined;
  /** Unix milliseconds: until just now at least one proxy did not run what the memory wants, since then. */
  readonly lagsSince?: number | undefined;
  /** The route is held at a former table: what the rollout wants is not in force. */
  readonly isHeld?: boolean;
  /** The annotation `tandem.dev/promoted-step`. */
  readonly promotedStep: string | undefined;
  /**
   * What was measured since the memory's `evidenceSince` means; undefined where that is not known any more, because who
   * measured has been restarted. Asked only when the window is over.
   */
  judge(): Judgement | undefined;
}

export interface RolloutEvent {
  readonly type: "Normal" | "Warning";
  readonly reason:
    | "AnalysisFailed"
    | "AnalysisInconclusive"
    | "AnalysisPassed"
    | "RolloutRolledBack"
    | "RolloutAborted"
    | "RolloutPaused"
    | "RolloutPromoted"
    | "RolloutResumed"
    | "RolloutStarted"
    | "ShadowAdvanced"
    | "WeightAdvanced";
  readonly note: string;
}

export type Draft = { -readonly [Name in keyof Memory]: Memory[Name] };

/** One look, while it lasts. */
export interface Walk {
  readonly spec: RolloutSpec;
  facts: Facts;
  readonly draft: Draft;
  readonly events: RolloutEvent[];
}

export function tell(
  { draft, events }: Walk,
  type: RolloutEvent["type"],
  reason: RolloutEvent["reason"],
  what: string,
): void {
  draft.message = `${what}.`;
  events.push({ type, reason, note: draft.message });
}

/** `step 3/7 (setWeight 5)`. */
export function place({ spec, draft }: Walk): string {
  const step = spec.steps[draft.stepIndex];
  const count = Math.min(draft.stepIndex + 1, spec.steps.length);
  return `step ${count}/${spec.steps.length} (${describeStep(step, formatDuration)})`;
}
