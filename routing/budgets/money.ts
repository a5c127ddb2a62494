/** In which units and months is a budget kept? Nano-dollars, and calendar months of UTC. */

export const NANO_PER_USD = 1_000_000_000;
const SHOWN_DIGITS = 6;

/** Such as 2026-11. `now` in Unix milliseconds. */
export function monthOf(now: number): string {
  return new Date(now).toISOString().slice(0, 7);
}

/** When the next month begins: Unix milliseconds. */
export function endOfMonth(now: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

/** Of a decimal text. */
export function nanoOf(usd: string): number {
  return Math.round(Number(usd) * NANO_PER_USD);
}

/** At least cents, at most millionths. */
export function usdText(nano: number): string {
  const [whole = "0", digits = ""] = (nano / NANO_PER_USD).toFixed(SHOWN_DIGITS).split(".");
  return `${whole}.${digits.replace(/0+$/, "").padEnd(2, "0")}`;
}
