/**
 * What does a rollout remember?
 *
 * It stands in the route's status as it is, and beside the table as well, so that a route that was made anew or restored
 * without its status goes on where it was. The one with the higher sequence counts.
 */

export type Outcome = "Aborted" | "Promoted" | "RolledBack";

/**
 * Held: the step is not entered, since the rollout is paused. Spreading: not every proxy runs what the step wants yet.
 * Running: the step goes on. Waiting: for a promotion. Ended: there is an outcome.
 */
export type Phase = "Held" | "Spreading" | "Running" | "Waiting" | "Ended";

export interface RememberedMetric {
  readonly name: string;
  readonly stable?: string;
  readonly candidate?: string;
  readonly verdict: "Failed" | "Inconclusive" | "Passed";
  readonly dryRun?: true;
  readonly message?: string;
}

/** Times are ISO 8601. */
export interface Memory {
  /** See `rolloutHash`. */
  readonly hash: string;
  /** Grows with every change. */
  readonly sequence: number;
  readonly stepIndex: number;
  readonly phase: Phase;
  /** Of the candidate. */
  readonly weight: number;
  readonly shadowPercent: number;
  readonly startedAt: string;
  /** When every serving proxy ran what the step wants. */
  readonly stepStartedAt?: string;
  /** Of a timed step, counted so far. */
  readonly runMilliseconds: number;
  /** Since then the time of a step that is not judged runs on. */
  readonly runningSince?: string;
  /** When `state: Pause` was seen. */
  readonly pausedSince?: string;
  /** When the window in progress began. */
  readonly windowSince?: string;
  /** From when on what was measured counts in it: windows without a verdict are carried on. */
  readonly evidenceSince?: string;
  /** In this step. */
  readonly passedWindows: number;
  readonly inconclusiveWindows: number;
  /** In this rollout. */
  readonly failedWindows: number;
  /** Since the last that failed. */
  readonly passedInRow: number;
  /** What the annotation says that must promote nothing any more. */
  readonly seenPromotion?: string;
  readonly outcome?: Outcome;
  /** What decided the last change. */
  readonly message: string;
  /** Of the last window. */
  readonly metrics: readonly RememberedMetric[];
}

export interface RolloutPosition {
  /** The candidate's share, 0–100. */
  readonly weight: number;
  /** Share of the requests that are copied to it. */
  readonly shadowPercent: number;
}

/** All traffic on the stable side. */
export const START: RolloutPosition = { weight: 0, shadowPercent: 0 };

export function positionOf({ weight, shadowPercent }: RolloutPosition): RolloutPosition {
  return { weight, shadowPercent };
}

export function isSamePosition(one: RolloutPosition | undefined, other: RolloutPosition): boolean {
  return one !== undefined && one.weight === other.weight && one.shadowPercent === other.shadowPercent;
}

/** The newer of two. */
export function newerOf(one: Memory | undefined, other: Memory | undefined): Memory | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.sequence > one.sequence ? other : one;
}

const PHASES: readonly unknown[] = ["Held", "Spreading", "Running", "Waiting", "Ended"] satisfies readonly Phase[];
const OUTCOMES: readonly unknown[] = ["Aborted", "Promoted", "RolledBack"] satisfies readonly Outcome[];
const VERDICTS: readonly unknown[] = ["Failed", "Inconclusive", "Passed"];
const TIMES = ["stepStartedAt", "runningSince", "pausedSince", "windowSince", "evidenceSince"] as const;
const COUNTS = [
  "sequence",
  "stepIndex",
  "runMilliseconds",
  "passedWindows",
  "inconclusiveWindows",
  "failedWindows",
  "passedInRow",
] as const;
const MOST_METRICS = 16;
const MAX_TEXT = 4096;

/** Undefined where it is none: who writes a status by hand must not bring the machine out of step. */
export function readMemory(value: unknown): Memory | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const one = value as Readonly<Record<string, unknown>>;
  const isWhole =
    isText(one.hash) &&
    isText(one.message) &&
    isTime(one.startedAt) &&
    PHASES.includes(one.phase) &&
    COUNTS.every((name) => isCount(one[name], Number.MAX_SAFE_INTEGER)) &&
    isCount(one.weight, 100) &&
    isCount(one.shadowPercent, 100) &&
    TIMES.every((name) => one[name] === undefined || isTime(one[name])) &&
    (one.outcome === undefined || OUTCOMES.includes(one.outcome)) &&
    (one.seenPromotion === undefined || isText(one.seenPromotion)) &&
    (one.phase === "Ended") === (one.outcome !== undefined);
  if (!isWhole) return undefined;
  const metrics = Array.isArray(one.metrics) ? one.metrics.filter(isMetric).slice(0, MOST_METRICS) : [];
  const { step: _, ...rest } = one;
  return { ...(rest as unknown as Memory), metrics };
}

function isMetric(value: unknown): value is RememberedMetric {
  const { name, verdict } = (value ?? {}) as { name?: unknown; verdict?: unknown };
  return isText(name) && VERDICTS.includes(verdict);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_TEXT;
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && Number.isFinite(Date.parse(value));
}

function isCount(value: unknown, most: number): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= most;
}
