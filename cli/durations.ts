/** How is a time written on a command line? */
import { UsageError } from "./command.ts";

/** A day: as long as the chart lets a proxy drain. */
const LONGEST = 86_400;

/** Milliseconds of a whole number of seconds. */
export function readSeconds(flag: string, text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds <= LONGEST) return seconds * 1000;
  throw new UsageError(`--${flag} ${text}: not a number of seconds from 0 to ${LONGEST}`);
}
