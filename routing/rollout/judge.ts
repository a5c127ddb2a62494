/**
 * Does the candidate hold what its rollout asks of it?
 *
 * A limit is broken when the measured lies beyond it with confidence, and kept when it lies within it with confidence: what
 * lies between, and whatever was measured on too few requests, is inconclusive. So few requests never give a verdict, and
 * noise around a limit gives none either.
 */
import type { Comparisons } from "../shadow-verdict.ts";
import { difference, type Estimate } from "./estimate.ts";
import type { Measures } from "./measures.ts";
import { type Measured, measured } from "./metrics.ts";

export interface MetricSpec {
  /** One of BUILT_IN (metrics.ts), or the name that a Prometheus query has been given. */
  readonly name: string;
  readonly max?: string;
  readonly min?: string;
  readonly maxIncreasePercent?: number;
  readonly maxDecreasePercent?: number;
  /** Told, and never decides. */
  readonly dryRun?: boolean;
}

export type RolloutVerdict = "Passed" | "Failed" | "Inconclusive";

export interface Judged {
  readonly name: string;
  readonly stable?: string;
  readonly candidate?: string;
  readonly verdict: RolloutVerdict;
  readonly dryRun?: true;
  /** One clause with the numbers that decided. */
  readonly why: string;
}

export interface Judgement {
  readonly verdict: RolloutVerdict;
  readonly metrics: readonly Judged[];
}

/** What both sides did in the same time. Of a step that only copies, the candidate's are those of its copies. */
export interface Window {
  readonly stable: Measures;
  readonly candidate: Measures;
  readonly shadow?: Comparisons;
  /** Of Prometheus, by the metric's name; absent: it gave none. */
  readonly values?: ReadonlyMap<string, number>;
}

/** Standard errors: 1 % of chance a look, and a rollout is looked at often; but several windows must fail. */
const TO_FAIL = 2.33;
/** 10 %: who waits longer knows it better. */
const TO_PASS = 1.28;

/**
 * Judges a window. `history`: all that was measured since the step began, this window included. One window of little
 * traffic is seldom enough, so together they decide, unless the window itself says that the fault has passed.
 *
 * A window in which `minRequests` have not come is inconclusive. It should be left open rather than begun anew.
 */
export function judge(
  metrics: readonly MetricSpec[],
  window: Window,
  minRequests: number,
  history: Window = window,
): Judgement {
  const judged = metrics.map((metric) => judgeOne(metric, window, history, minRequests));
  return { verdict: worst(judged.filter(({ dryRun }) => !dryRun).map(({ verdict }) => verdict)), metrics: judged };
}

/** All must hold. */
export function worst(verdicts: readonly RolloutVerdict[]): RolloutVerdict {
  if (verdicts.includes("Failed")) return "Failed";
  return verdicts.includes("Inconclusive") ? "Inconclusive" : "Passed";
}

function judgeOne(metric: MetricSpec, window: Window, history: Window, minRequests: number): Judged {
  const now = seen(metric, window, minRequests);
  const all = history === window ? now : seen(metric, history, minRequests);
  const decides = now.verdict === "Failed" || now.isShort ? now : all;
  const hasPassed = decides === all && all.verdict === "Failed" && !now.isOver;
  const { stable, candidate, why } = decides;
  return {
    name: metric.name,
    ...(stable !== undefined && { stable }),
    ...(candidate !== undefined && { candidate }),
    verdict: hasPassed ? "Inconclusive" : decides.verdict,
    ...(metric.dryRun && { dryRun: true as const }),
    why: hasPassed ? `${why}, but the last window is within it` : why,
  };
}

interface Seen {
  readonly verdict: RolloutVerdict;
  /** Too few requests. */
  readonly isShort: boolean;
  /** The measured itself, without its bounds, lies beyond a limit. */
  readonly isOver: boolean;
  readonly stable?: string;
  readonly candidate?: string;
  readonly why: string;
}

function seen(metric: MetricSpec, window: Window, minRequests: number): Seen {
  const what = measured(metric.name);
  const needsStable = metric.maxIncreasePercent !== undefined || metric.maxDecreasePercent !== undefined;
  const short = shortOf(what.counted(window), needsStable, minRequests);
  if (short !== undefined) return { verdict: "Inconclusive", isShort: true, isOver: false, why: short };
  const candidate = what.candidate(window, TO_FAIL);
  const stable = what.stable(window, TO_FAIL);
  const values = {
    ...(stable && { stable: what.show(stable.value) }),
    ...(candidate && { candidate: what.show(candidate.value) }),
  };
  if (!candidate || (needsStable && !stable)) {
    const isNeedless = !candidate && !stable && what.needless;
    return {
      verdict: isNeedless ? "Passed" : "Inconclusive",
      isShort: false,
      isOver: false,
      ...values,
      why: what.none,
    };
  }
  const limits = excessesOf(metric, what, window);
  const verdict = worst(limits.map(({ verdict: one }) => one));
  const decisive = limits.find((limit) => limit.verdict === verdict);
  return { verdict, isShort: false, isOver: limits.some(({ isOver }) => isOver), ...values, why: decisive?.why ?? "" };
}

function shortOf(
  counted: ReturnType<Measured["counted"]>,
  needsStable: boolean,
  minRequests: number,
): string | undefined {
  if (!counted) return undefined;
  if (counted.candidate < minRequests) return tooFew(counted.candidate, "the candidate", minRequests);
  return needsStable && counted.stable < minRequests ? tooFew(counted.stable, "stable", minRequests) : undefined;
}

function tooFew(count: number, side: string, minRequests: number): string {
  return `${count} of the ${minRequests} requests that a window needs came to ${side}`;
}

interface Excess {
  readonly verdict: RolloutVerdict;
  readonly isOver: boolean;
  readonly why: string;
}

/** Of each limit of a metric. */
function excessesOf(metric: MetricSpec, what: Measured, window: Window): readonly Excess[] {
  const { max, min, maxIncreasePercent: rise, maxDecreasePercent: fall } = metric;
  const excesses: Excess[] = [];
  const against = (limit: string, excess: (z: number) => Estimate | undefined, grace = 0) => {
    const toFail = excess(TO_FAIL);
    const toPass = excess(TO_PASS);
    if (toFail && toPass) excesses.push(weigh(limit, toFail, toPass, grace));
  };
  if (max !== undefined) {
    against(`max ${max}`, (z) => shifted(what.candidate(window, z), -what.parse(max)));
  }
  if (min !== undefined) {
    against(`min ${min}`, (z) => mirrored(shifted(what.candidate(window, z), -what.parse(min))));
  }
  if (rise !== undefined) {
    against(`${rise} % above stable`, (z) => compared(what, window, z, 1 + rise / 100), what.grace);
  }
  if (fall !== undefined) {
    const excess = (z: number) => mirrored(compared(what, window, z, 1 - fall / 100));
    against(`${fall} % below stable`, excess, what.grace);
  }
  return excesses;
}

function compared(what: Measured, window: Window, z: number, factor: number): Estimate | undefined {
  const candidate = what.candidate(window, z);
  const stable = what.stable(window, z);
  return candidate && stable && difference(candidate, stable, factor);
}

function shifted(estimate: Estimate | undefined, by: number): Estimate | undefined {
  return estimate && { value: estimate.value + by, low: estimate.low + by, high: estimate.high + by };
}

function mirrored(estimate: Estimate | undefined): Estimate | undefined {
  return estimate && { value: -estimate.value, low: -estimate.high, high: -estimate.low };
}

function weigh(limit: string, toFail: Estimate, toPass: Estimate, grace: number): Excess {
  const isOver = toFail.value > 0;
  if (toFail.low > 0) return { verdict: "Failed", isOver, why: `beyond ${limit}` };
  if (toPass.high <= grace) return { verdict: "Passed", isOver, why: `within ${limit}` };
  return { verdict: "Inconclusive", isOver, why: `too few requests to tell whether it is within ${limit}` };
}
