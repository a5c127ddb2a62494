/**
 * How much does a commitment cover, and what does a request take of it?
 *
 * Money that is paid anyway covers the list value that it would buy at a discount: 60.00 an hour at 30 % covers
 * 60 / 0.70 = 85.71 of list value an hour. Bought throughput covers tokens. Either way by the window, in which it is used or lost.
 */
import { NANO_PER_USD } from "./budgets/money.ts";
import type { Consumed } from "./cost.ts";
import type { Commitment } from "./table.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;
const PERCENT = 100;

export interface Cover {
  /** What is counted: nano-dollars of list value, or tokens. */
  readonly unit: "NanoUsd" | "Tokens";
  readonly perWindow: number;
  /** Milliseconds. Windows begin at whole multiples of it since 1970, so that all proxies have the same. */
  readonly window: number;
}

export function coverOf({ usdPerHour, discountPercent = 0, tokensPerMinute = 0, window }: Commitment): Cover {
  if (usdPerHour === undefined) return { unit: "Tokens", perWindow: (tokensPerMinute * window) / MINUTE, window };
  const listPerHour = (Number(usdPerHour) * NANO_PER_USD * PERCENT) / Math.max(1, PERCENT - discountPercent);
  return { unit: "NanoUsd", perWindow: (listPerHour * window) / HOUR, window };
}

/** Tokens that take up bought throughput: what the provider had cached takes none (Azure's guide to provisioned throughput). */
export function throughputOf({ input, cachedInput, output }: Consumed): number {
  return input - Math.min(cachedInput, input) + output;
}
