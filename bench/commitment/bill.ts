/**
 * What does an hour of requests cost, at list price, with a commitment as well as can be, and as they were sent?
 *
 * Money that is committed is paid used or not. It covers list value, by windows; what the committed backend is given above
 * that costs its list price, as everything does elsewhere.
 */
import { type Cover, coverOf } from "../../routing/commitment.ts";
import { costOf, ratesOf } from "../../routing/cost.ts";
import type { Commitment, Price } from "../../routing/table.ts";

const NANO_PER_USD = 1_000_000_000;
const HOUR = 3_600_000;

/** Where a request went and what it used. */
export interface Sent {
  /** When it began, in Unix milliseconds. */
  readonly at: number;
  readonly backend: "committed" | "burst";
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
}

export interface Prices {
  readonly committed: Price;
  readonly burst: Price;
}

/** US dollars. */
export interface Bill {
  readonly commitment: number;
  /** List value that the commitment covered. */
  readonly covered: number;
  /** Above the commitment, at the committed backend. */
  readonly above: number;
  readonly burst: number;
  readonly total: number;
}

export function billOf(sent: readonly Sent[], prices: Prices, commitment: Commitment): Bill {
  const cover = coverOf(commitment);
  const committed = valuesByWindow(
    sent.filter(({ backend }) => backend === "committed"),
    prices.committed,
    cover,
  );
  const covered = sum(committed.map((value) => Math.min(value, cover.perWindow)));
  const above = sum(committed) - covered;
  const burst = sum(sent.filter(({ backend }) => backend === "burst").map((one) => listValueOf(one, prices.burst)));
  const paid = Number(commitment.usdPerHour) * NANO_PER_USD * hoursOf(sent, cover);
  return inUsd({ commitment: paid, covered, above, burst, total: paid + above + burst });
}

/** Nobody can do better who knows every request beforehand: each window is filled to the brim, or with all there is. */
export function optimumOf(sent: readonly Sent[], prices: Prices, commitment: Commitment): number {
  const cover = coverOf(commitment);
  const dearest = Number(prices.burst.input) >= Number(prices.committed.input) ? prices.committed : prices.burst;
  const windows = valuesByWindow(sent, dearest, cover);
  const above = sum(windows.map((value) => Math.max(0, value - cover.perWindow)));
  const paid = Number(commitment.usdPerHour) * NANO_PER_USD * hoursOf(sent, cover);
  return (paid + above) / NANO_PER_USD;
}

export function listPriceOf(sent: readonly Sent[], price: Price): number {
  return sum(sent.map((one) => listValueOf(one, price))) / NANO_PER_USD;
}

function valuesByWindow(sent: readonly Sent[], price: Price, { window }: Cover): readonly number[] {
  const values = new Map<number, number>();
  for (const one of sent) {
    const index = Math.floor(one.at / window);
    values.set(index, (values.get(index) ?? 0) + listValueOf(one, price));
  }
  return [...values.values()];
}

function listValueOf(one: Sent, price: Price): number {
  return costOf(ratesOf(price), one)?.total ?? 0;
}

/** Whole windows from the first request to the last. */
function hoursOf(sent: readonly Sent[], { window }: Cover): number {
  const index = (at: number | undefined) => Math.floor((at ?? 0) / window);
  return ((index(sent.at(-1)?.at) - index(sent[0]?.at) + 1) * window) / HOUR;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function inUsd(bill: Bill): Bill {
  return Object.fromEntries(Object.entries(bill).map(([name, nano]) => [name, nano / NANO_PER_USD])) as unknown as Bill;
}
