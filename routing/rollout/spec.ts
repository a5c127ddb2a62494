/** What does a rollout want: its steps in milliseconds, and what identifies it? */
import { canonicalJson, sha256Hex } from "../canonical.ts";
import { milliseconds } from "../duration.ts";
import type { AIRouteSpec } from "../objects.generated.ts";

type Written = NonNullable<AIRouteSpec["rollout"]>;
type WrittenAnalysis = NonNullable<Written["analysis"]>;

export type Step =
  | { readonly setWeight: number }
  | { readonly setShadow: number }
  /** Milliseconds. */
  | { readonly analyze: number }
  /** Milliseconds; undefined: until promoted. */
  | { readonly pause: number | undefined };

export interface Analysis {
  /** Milliseconds. */
  readonly interval: number;
  readonly failureLimit: number;
  readonly minRequests: number;
  readonly onInconclusive: WrittenAnalysis["onInconclusive"];
  readonly metrics: WrittenAnalysis["metrics"];
}

export interface RolloutSpec {
  readonly state: Written["state"];
  readonly stable: string;
  readonly candidate: string;
  readonly steps: readonly Step[];
  /** Absent: nothing is judged. */
  readonly analysis?: Analysis;
}

/** Of a spec that the schema has checked. */
export function rolloutSpec({ state, stable, candidate, steps, analysis }: Written): RolloutSpec {
  return {
    state,
    stable,
    candidate,
    steps: steps.map(toStep),
    ...(analysis && { analysis: { ...analysis, interval: milliseconds(analysis.interval) } }),
  };
}

function toStep(step: Written["steps"][number]): Step {
  if (step.setWeight !== undefined) return { setWeight: step.setWeight };
  if (step.setShadow !== undefined) return { setShadow: step.setShadow };
  if (step.analyze !== undefined) return { analyze: milliseconds(step.analyze.duration) };
  return { pause: step.pause?.duration === undefined ? undefined : milliseconds(step.pause.duration) };
}

/** Another one restarts the rollout. How the candidate is judged may change on the way. */
export function rolloutHash({ stable, candidate, steps }: RolloutSpec): string {
  return sha256Hex(canonicalJson({ stable, candidate, steps })).slice(0, HASH_DIGITS);
}

const HASH_DIGITS = 16;

/** For people: `setWeight 25`, `pause 10m`. */
export function describeStep(step: Step | undefined, duration: (milliseconds: number) => string): string {
  if (step === undefined) return "done";
  if ("setWeight" in step) return `setWeight ${step.setWeight}`;
  if ("setShadow" in step) return `setShadow ${step.setShadow}`;
  if ("analyze" in step) return `analyze ${duration(step.analyze)}`;
  return step.pause === undefined ? "pause until promoted" : `pause ${duration(step.pause)}`;
}

/** Milliseconds; undefined: it has no end of its own. */
export function lengthOf(step: Step): number | undefined {
  if ("analyze" in step) return step.analyze;
  return "pause" in step ? step.pause : undefined;
}
