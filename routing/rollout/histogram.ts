/**
 * How are many times kept in a few numbers, and read again?
 *
 * Counts by the logarithm of the value, so that every value is known to 4 % whatever its size, and histograms of several
 * proxies add up. Values are milliseconds, from 1 ms to 1 h.
 */

/** Bucket index -> count. The bucket `i` holds values from `GROWTH ** i` up to below `GROWTH ** (i + 1)`. */
export type Histogram = Readonly<Record<string, number>>;

const GROWTH = 1.04;
const LOG_GROWTH = Math.log(GROWTH);
const LARGEST_VALUE = 3_600_000;
export const LAST_BUCKET = Math.floor(Math.log(LARGEST_VALUE) / LOG_GROWTH);

export function bucketOf(value: number): number {
  return value > 1 ? Math.min(LAST_BUCKET, Math.floor(Math.log(value) / LOG_GROWTH)) : 0;
}

export function countIn(histogram: Histogram): number {
  let count = 0;
  for (const one of Object.values(histogram)) count += one;
  return count;
}

export function sumOf(a: Histogram, b: Histogram): Histogram {
  const sum: Record<string, number> = { ...a };
  for (const [bucket, count] of Object.entries(b)) sum[bucket] = (sum[bucket] ?? 0) + count;
  return sum;
}

export function lessOf(later: Histogram, earlier: Histogram): Histogram {
  const rest: Record<string, number> = {};
  for (const [bucket, count] of Object.entries(later)) {
    const more = count - (earlier[bucket] ?? 0);
    if (more > 0) rest[bucket] = more;
  }
  return rest;
}

/** The value below which the share `p` (0–1) of all lie, interpolated inside its bucket; undefined when there are none. */
export function percentile(histogram: Histogram, p: number): number | undefined {
  // Keys that are whole numbers come in their order (https://tc39.es/ecma262/#sec-ordinaryownpropertykeys).
  const buckets = Object.entries(histogram);
  const rank = Math.min(Math.max(p, 0), 1) * countIn(histogram);
  let below = 0;
  for (const [bucket, count] of buckets) {
    if (count > 0 && below + count >= rank) return GROWTH ** (Number(bucket) + (rank - below) / count);
    below += count;
  }
  return undefined;
}
