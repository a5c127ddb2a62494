/**
 * How long is `1m30s`?
 *
 * Durations as in Gateway API (GEP-2257, https://gateway-api.sigs.k8s.io/geps/gep-2257/): one to four parts, each of
 * one to five digits and a unit of `h`, `m`, `s` or `ms`.
 */

const DURATION = /^(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}$/;
const PART = /([0-9]{1,5})(ms|h|m|s)/g;

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds, or `undefined` when the text is not a duration. */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text !== "string" || !DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, digits = "", unit = ""] of text.matchAll(PART)) total += Number(digits) * (MILLISECONDS[unit] ?? 0);
  return total;
}

/** Milliseconds of a text that the schema has checked already. */
export function milliseconds(duration: string): number {
  const value = parseDuration(duration);
  if (value === undefined) throw new RangeError(`${duration} is not a duration`);
  return value;
}

/** The shortest Gateway API text for whole milliseconds: `90000` is `1m30s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds <= 0) return "0s";
  let rest = Math.round(milliseconds);
  let text = "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const size = MILLISECONDS[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
