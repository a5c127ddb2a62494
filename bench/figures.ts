/**
 * Which figures come out of a run's samples? Medians over rounds, of the samples that nobody disturbed.
 */

import type { Results, Sample, Start } from "./results.ts";
import { DIRECT } from "./targets.ts";

export const MB = 1e6;
/** Samples during which others used more of the machine than this are left out when cleaner ones exist. */
export const FOREIGN_CORES = 0.15;

/** The samples of one scenario and target that count. */
export interface Cell {
  readonly samples: readonly Sample[];
  readonly errors: number;
  readonly firstError: string | undefined;
  /** Others were busy during every sample. */
  readonly disturbed: boolean;
}

export function cellOf(results: Results, scenario: string, target: string): Cell | undefined {
  const all = results.samples.filter((sample) => sample.scenario === scenario && sample.target === target);
  if (all.length === 0) return undefined;
  const clean = all.filter((sample) => sample.foreignCores <= FOREIGN_CORES);
  return {
    samples: clean.length > 0 ? clean : all,
    errors: all.reduce((sum, sample) => sum + sample.errors, 0),
    firstError: all.find((sample) => sample.firstError !== undefined)?.firstError,
    disturbed: clean.length === 0,
  };
}

/** Against direct in the same round, then the median of the rounds. Milliseconds. */
export function addedP50(results: Results, scenario: string, target: string): number {
  const cell = cellOf(results, scenario, target);
  const added = (cell?.samples ?? []).flatMap((sample) => {
    const direct = results.samples.find(
      (other) => other.scenario === scenario && other.target === DIRECT && other.round === sample.round,
    );
    return direct === undefined ? [] : [sample.p50 - direct.p50];
  });
  return median(added);
}

export function idleRSS(starts: readonly Start[]): number {
  return median(starts.map(({ idle }) => idle.rss)) / MB;
}

/** The most of any sample of a round, then the median of the rounds. MB. */
export function loaded(results: Results, target: string, field: "rss" | "pss" | "peakRSS"): number {
  const most = new Map<number, number>();
  for (const sample of results.samples) {
    if (sample.target !== target || sample.memory === undefined) continue;
    most.set(sample.round, Math.max(most.get(sample.round) ?? 0, sample.memory[field] / MB));
  }
  return median([...most.values()]);
}

/**
 * CPU time per request, one target's over another's: median of the rounds' ratios, because both sides of each were measured
 * within seconds of one another; of all samples when no round has both sides undisturbed. NaN: not measured, or wrong answers.
 */
export function cpuRatio(results: Results, scenario: string, target: string, rival: string): number {
  const mine = cellOf(results, scenario, target);
  const theirs = cellOf(results, scenario, rival);
  if (mine === undefined || theirs === undefined || mine.errors + theirs.errors > 0) return Number.NaN;
  const ratios = mine.samples.flatMap((sample) => {
    const other = theirs.samples.find(({ round }) => round === sample.round);
    return sample.cpuMicros === undefined || other?.cpuMicros === undefined ? [] : [sample.cpuMicros / other.cpuMicros];
  });
  return ratios.length > 0 ? median(ratios) : medianCPU(mine) / medianCPU(theirs);
}

function medianCPU({ samples }: Cell): number {
  return median(samples.flatMap(({ cpuMicros }) => cpuMicros ?? []));
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2;
}

/** Of the normal distribution, for bounds at 95 %. */
const Z = 1.96;

/** Of independent values: their mean, and between which it lies at 95 %. */
export function meanOf(values: readonly number[]): {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
} {
  const sum = (list: readonly number[]) => list.reduce((total, one) => total + one, 0);
  const mean = sum(values) / values.length;
  const variance = sum(values.map((one) => (one - mean) ** 2)) / Math.max(1, values.length - 1);
  const error = Z * Math.sqrt(variance / values.length);
  return { mean, low: mean - error, high: mean + error };
}
