/** In which units and months is a budget kept? Nano-dollars, and calendar months of UTC. */

export const NANO_PER_USD = 1_000_000_000;
const SHOWN_DIGITS = 6;

const DAY = 86_400_000;
/** Days of 400 years, of 100, of 4, of one; and from 1 March of the year 0 to 1970. */
const ERA = 146_097;
const CENTURY = 36_524;
const FOUR_YEARS = 1_460;
const YEAR = 365;
const BEFORE_1970 = 719_468;

interface Day {
  readonly year: number;
  /** 1 is January. */
  readonly month: number;
  readonly day: number;
}

/** Of UTC. By arithmetic (Howard Hinnant, "chrono-compatible low-level date algorithms"): nothing here may read a clock. */
function dayOf(now: number): Day {
  const days = Math.floor(now / DAY) + BEFORE_1970;
  const era = Math.floor(days / ERA);
  const inEra = days - era * ERA;
  const leaps = Math.floor(inEra / FOUR_YEARS) - Math.floor(inEra / CENTURY) + Math.floor(inEra / (ERA - 1));
  const yearOfEra = Math.floor((inEra - leaps) / YEAR);
  const inYear = inEra - (YEAR * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  // From March on, so that the day that a leap year adds is its last.
  const fromMarch = Math.floor((5 * inYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const day = inYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** Such as 2026-11. `now` in Unix milliseconds. */
export function monthOf(now: number): string {
  const { year, month } = dayOf(now);
  return `${String(year).padStart(4, "0")}-${String(month).padStart(2, "0")}`;
}

/** When the next month begins: Unix milliseconds. */
export function endOfMonth(now: number): number {
  const { year, month, day } = dayOf(now);
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
  return (Math.floor(now / DAY) + days - day + 1) * DAY;
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
