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

/**
 * Nobody can do better who knows every request beforehand, were it even allowed to send a part of one: each window is
 * filled to the brim, first with what would save most, and the rest goes where it is cheaper.
 */
export function optimumOf(sent: readonly Sent[], prices: Prices, commitment: Commitment): number {
  const cover = coverOf(commitment);
  let total = Number(commitment.usdPerHour) * NANO_PER_USD * hoursOf(sent, cover);
  for (const window of byWindow(sent, cover).values()) {
    const costs = window.map((one) => {
      const listed = listValueOf(one, prices.committed);
      return { listed, beside: Math.min(listed, listValueOf(one, prices.burst)) };
    });
    costs.sort((a, b) => b.beside / b.listed - a.beside / a.listed);
    let left = cover.perWindow;
    for (const { listed, beside } of costs) {
      const taken = Math.min(left, listed);
      left -= taken;
      total += beside * (1 - taken / listed);
    }
  }
  return total / NANO_PER_USD;
}

export function listPriceOf(sent: readonly Sent[], price: Price): number {
  return sum(sent.map((one) => listValueOf(one, price))) / NANO_PER_USD;
}

function valuesByWindow(sent: readonly Sent[], price: Price, cover: Cover): readonly number[] {
  return Array.from(byWindow(sent, cover).values(), (window) => sum(window.map((one) => listValueOf(one, price))));
}

function byWindow(sent: readonly Sent[], { window }: Cover): ReadonlyMap<number, readonly Sent[]> {
  const windows = new Map<number, Sent[]>();
  for (const one of sent) {
    const index = Math.floor(one.at / window);
    const known = windows.get(index);
    if (known) known.push(one);
    else windows.set(index, [one]);
  }
  return windows;
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
