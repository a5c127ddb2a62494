/**
 * How well is a number known that was measured on so many requests?
 *
 * Every estimate has one-sided bounds at `z` standard errors, so that shares, percentiles and means are compared by one rule.
 */
import { countIn, type Histogram, percentile } from "./histogram.ts";

export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Up to so many events bounds are exact (Clopper-Pearson): there Wilson's alarm too easily. */
const EXACT_COUNT = 100;
const BISECTIONS = 40;
/** A percentile's upper bound needs so many values above it. */
const LEAST_ABOVE = 0.5;

/** A number that is known as it is. */
export function exactly(value: number): Estimate {
  return { value, low: value, high: value };
}

/** `count` of `total`, 0–1. */
export function share(count: number, total: number, z: number): Estimate {
  const wilson = wilsonOf(count / total, total, z);
  const rest = total - count;
  const isRare = count <= EXACT_COUNT;
  const isCommon = rest <= EXACT_COUNT;
  if (!isRare && !isCommon) return { value: count / total, ...wilson };
  return {
    value: count / total,
    low: isRare ? exactLow(count, total, z) : 1 - exactHigh(rest, total, z),
    high: isRare ? exactHigh(count, total, z) : 1 - exactLow(rest, total, z),
  };
}

/** The share above which so few or fewer would be rarer than one-sided `z` allows. */
function exactHigh(count: number, total: number, z: number): number {
  if (count === total) return 1;
  const alpha = tailOf(z);
  return bisect((p) => atMost(count, total, p) > alpha);
}

/** The share below which so many or more would be rarer than one-sided `z` allows. */
function exactLow(count: number, total: number, z: number): number {
  if (count === 0) return 0;
  const alpha = tailOf(z);
  return bisect((p) => 1 - atMost(count - 1, total, p) < alpha);
}

/** The largest `p` of 0–1 for which `holds`, which it does from 0 on up to somewhere. */
function bisect(holds: (p: number) => boolean): number {
  let low = 0;
  let high = 1;
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The chance of `count` events or fewer among `total` of chance `p` each. */
function atMost(count: number, total: number, p: number): number {
  if (count >= total) return 1;
  if (p <= 0) return 1;
  if (p >= 1) return 0;
  let logTerm = total * Math.log1p(-p);
  let chance = Math.exp(logTerm);
  for (let i = 1; i <= count; i++) {
    logTerm += Math.log((total - i + 1) / i) + Math.log(p / (1 - p));
    chance += Math.exp(logTerm);
  }
  return Math.min(1, chance);
}

/** E. B. Wilson, Probable inference, JASA 22 (1927). */
function wilsonOf(p: number, total: number, z: number): { low: number; high: number } {
  const square = (z * z) / total;
  const middle = (p + square / 2) / (1 + square);
  const half = (z / (1 + square)) * Math.sqrt((p * (1 - p)) / total + square / (4 * total));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** The chance of a normal value beyond `z` (Abramowitz and Stegun 26.2.17, error below 1e-7). */
function tailOf(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

/** A percentile by its order statistics: nothing is assumed of how the values lie. Undefined without any. */
export function quantile(histogram: Histogram, p: number, z: number): Estimate | undefined {
  const value = percentile(histogram, p);
  if (value === undefined) return undefined;
  const total = countIn(histogram);
  const ranks = wilsonOf(p, total, z);
  const low = total * ranks.low < LEAST_ABOVE ? 0 : (percentile(histogram, ranks.low) ?? 0);
  const isKnown = total * (1 - ranks.high) >= LEAST_ABOVE;
  const high = isKnown ? (percentile(histogram, ranks.high) ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
  return { value, low, high };
}

/** A mean of values that are not negative. Undefined without any. */
export function mean(count: number, total: number, squares: number, z: number): Estimate | undefined {
  if (count === 0) return undefined;
  const value = total / count;
  if (count === 1) return { value, low: 0, high: Number.POSITIVE_INFINITY };
  const variance = Math.max(0, (squares - count * value * value) / (count - 1));
  const half = z * Math.sqrt(variance / count);
  return { value, low: Math.max(0, value - half), high: value + half };
}

/** `a - factor * b`, with bounds of the bounds of both (MOVER: Zou and Donner, Statistics in Medicine 27, 2008). */
export function difference(a: Estimate, b: Estimate, factor: number): Estimate {
  const value = a.value - factor * b.value;
  return {
    value,
    low: value - Math.hypot(a.value - a.low, factor * (b.high - b.value)),
    high: value + Math.hypot(a.high - a.value, factor * (b.value - b.low)),
  };
}
