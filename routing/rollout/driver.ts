/**
 * How are many rollouts driven by what was measured?
 *
 * Keeps what each remembers and what had been measured when its window and its step began. The latter is lost with the
 * process: then the window in progress begins anew, and nothing else is forgotten. A move counts when it was kept.
 */
import type { Comparisons } from "../shadow-verdict.ts";
import type { ObjectKey } from "../table.ts";
import { judge } from "./judge.ts";
import { type Advance, advance, type Judgement } from "./machine.ts";
import { type Measures, NOTHING_MEASURED, since } from "./measures.ts";
import { isSamePosition, type Memory, newerOf, type RolloutPosition } from "./memory.ts";
import type { Analysis, RolloutSpec } from "./spec.ts";
import { PATIENCE } from "./windows.ts";

/** Since whenever: only differences count. */
export interface Totals {
  readonly stable: Measures;
  readonly candidate: Measures;
  /** Of copies. */
  readonly copies: Measures;
  readonly comparisons: Comparisons;
}

export const NO_TOTALS: Totals = {
  stable: NOTHING_MEASURED,
  candidate: NOTHING_MEASURED,
  copies: NOTHING_MEASURED,
  comparisons: { compared: 0, different: 0, noiseCompared: 0, noiseDifferent: 0 },
};

export interface DrivenRoute {
  readonly key: ObjectKey;
  readonly spec: RolloutSpec;
  /** The annotation. */
  readonly promotedStep: string | undefined;
  /** What its status remembers. */
  readonly remembered: Memory | undefined;
}

export interface Situation {
  /** Unix milliseconds. */
  readonly now: number;
  readonly inForce: RolloutPosition | undefined;
  readonly isHeld?: boolean;
  readonly totals: Totals;
  /** Of Prometheus, by the metric's name. */
  readonly values?: ReadonlyMap<string, number> | undefined;
}

/** What had been measured when something began that is named by its time. */
interface Base {
  readonly began: string;
  readonly totals: Totals;
}

interface Bases {
  readonly window?: Base | undefined;
  readonly step?: Base | undefined;
  /** Unix milliseconds: not every proxy runs what is remembered, since then. */
  readonly lagsSince?: number | undefined;
}

export interface Move extends Advance {
  readonly key: ObjectKey;
  readonly isNews: boolean;
  readonly bases: Bases;
}

export class RolloutDriver {
  readonly #memories = new Map<ObjectKey, Memory>();
  readonly #bases = new Map<ObjectKey, Bases>();

  /** What was kept elsewhere: of two the newer counts. */
  recall(key: ObjectKey, memory: Memory | undefined): void {
    const newer = newerOf(this.#memories.get(key), memory);
    if (newer !== undefined) this.#memories.set(key, newer);
  }

  /** Another drove meanwhile. */
  forget(): void {
    this.#memories.clear();
    this.#bases.clear();
  }

  /** It has no rollout any more. */
  drop(key: ObjectKey): void {
    this.#memories.delete(key);
    this.#bases.delete(key);
  }

  memory(key: ObjectKey): Memory | undefined {
    return this.#memories.get(key);
  }

  /** What it would be. Nothing changes before it is kept. */
  move(route: DrivenRoute, { now, inForce, isHeld = false, totals, values }: Situation): Move {
    const { key, spec, promotedStep } = route;
    const before = newerOf(this.#memories.get(key), route.remembered);
    const bases = this.#bases.get(key) ?? {};
    const judgeNow = () => {
      if (before === undefined || spec.analysis === undefined || bases.window?.began !== before.evidenceSince) return;
      return judgement(spec.analysis, before, totals, bases, values);
    };
    const { lagsSince } = bases;
    const moved = advance(spec, before, { now, inForce, lagsSince, isHeld, promotedStep, judge: judgeNow });
    const { evidenceSince, stepStartedAt } = moved.memory;
    const base = (began: string | undefined, former: Base | undefined) =>
      began === undefined || began === former?.began ? (began && former) || undefined : { began, totals };
    const hasMoved = before === undefined || !isSamePosition(before, moved.position);
    const isLagging = !isHeld && !isSamePosition(inForce, moved.position);
    const lag = isLagging ? ((hasMoved ? undefined : lagsSince) ?? now) : undefined;
    return {
      ...moved,
      ...wakeFor(moved, spec, lag, now),
      key,
      isNews: moved.memory !== this.#memories.get(key),
      bases: { window: base(evidenceSince, bases.window), step: base(stepStartedAt, bases.step), lagsSince: lag },
    };
  }

  /** It happened. */
  keep({ key, memory, bases }: Move): void {
    this.#memories.set(key, memory);
    this.#bases.set(key, bases);
  }
}

/** To judge without the proxies that lag, when it is time to. */
function wakeFor(
  { memory, wakeAt }: Advance,
  { analysis }: RolloutSpec,
  lagsSince: number | undefined,
  now: number,
): { wakeAt?: number } {
  if (analysis === undefined || lagsSince === undefined || memory.outcome !== undefined) return {};
  const late = lagsSince + PATIENCE * analysis.interval;
  return late > now ? { wakeAt: Math.min(late, wakeAt ?? late) } : {};
}

function judgement(
  { metrics, minRequests }: Analysis,
  memory: Memory,
  totals: Totals,
  { window, step }: Bases,
  values: ReadonlyMap<string, number> | undefined,
): Judgement {
  // Without live traffic of its own its copies are what is known of it.
  const side = memory.weight === 0 ? "copies" : "candidate";
  const sinceThen = (base: Totals) => ({
    stable: since(totals.stable, base.stable),
    candidate: since(totals[side], base[side]),
    shadow: comparisonsSince(totals.comparisons, base.comparisons),
    ...(values && { values }),
  });
  const now = sinceThen(window?.totals ?? totals);
  const judged = judge(metrics, now, minRequests, step === undefined ? now : sinceThen(step.totals));
  return {
    verdict: judged.verdict,
    metrics: judged.metrics.map(({ why, ...metric }) => ({ ...metric, ...(why !== "" && { message: why }) })),
  };
}

function comparisonsSince(later: Comparisons, earlier: Comparisons): Comparisons {
  return {
    compared: Math.max(0, later.compared - earlier.compared),
    different: Math.max(0, later.different - earlier.different),
    noiseCompared: Math.max(0, later.noiseCompared - earlier.noiseCompared),
    noiseDifferent: Math.max(0, later.noiseDifferent - earlier.noiseDifferent),
  };
}
