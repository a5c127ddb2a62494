/**
 * What has every client used this month, and what may each proxy still spend for it?
 *
 * Kept by whoever hands out budgets: the operator in a cluster, the command on a laptop. Nothing here reads or writes: what
 * must be remembered before it is acted upon is taken with `pages` and confirmed with `written`.
 */
import type { Client } from "../table.ts";
import { divide } from "./divide.ts";
import {
  add,
  type Entry,
  newEntry,
  newShare,
  outstandingOf,
  type Said,
  type Share,
  type Sum,
  totalOf,
} from "./entry.ts";
import { monthOf, nanoOf } from "./money.ts";
import { type Page, pageNumberOf, readPage, toPage } from "./pages.ts";

export interface Budget {
  /** Nano-dollars a month. */
  readonly nanoUsd: number;
  /** A spent one ends the client's requests. */
  readonly denies: boolean;
}

/** What a proxy is told of one client. */
export interface Grant {
  readonly client: string;
  readonly month: string;
  /** Nano-dollars that it may spend, counted from its start. */
  readonly upTo: number;
  /** There is no more than that for what waits, or for as much as was refused before. */
  readonly isLast: boolean;
}

export interface Usage extends Readonly<Sum> {
  readonly client: string;
  readonly month: string;
  readonly updatedAt: number;
  /** Spent more than there was, or somebody could not be given what was left to ask for. */
  readonly isRefusing: boolean;
}

/** Milliseconds by which clocks may differ. */
const CLOCK_SKEW = 600_000;
const MOST_CLIENTS = 10_000;

export interface BookOptions {
  /** Of the whole budget, what one proxy holds at most without having spent it, 0–1. */
  readonly mostHeld?: number;
}

export class Book {
  readonly #entries = new Map<string, Entry>();
  readonly #pods = new Map<string, string>();
  readonly #dirty = new Set<number>();
  readonly #mostHeld: number;
  #budgets: ReadonlyMap<string, Budget> = new Map();

  constructor({ mostHeld = 1 }: BookOptions = {}) {
    this.#mostHeld = mostHeld;
  }

  setBudgets(clients: readonly Client[]): void {
    this.#budgets = new Map(
      clients.flatMap(({ key, budget }) => {
        if (budget === undefined) return [];
        return [[key, { nanoUsd: nanoOf(budget.usdPerMonth), denies: budget.onExceeded !== "Warn" }] as const];
      }),
    );
  }

  budgetOf(client: string): Budget | undefined {
    return this.#budgets.get(client);
  }

  /**
   * What a proxy answered to all that it was told until then. `pod`: whoever it is in, to be found again when it has gone.
   */
  take(instance: string, pod: string, said: readonly Said[], now: number): void {
    this.#pods.set(instance, pod);
    for (const one of said) {
      const entry = this.#entryOf(one.client, one.month, now);
      if (entry === undefined) continue;
      const share = entry.shares.get(instance) ?? newShare(now);
      entry.shares.set(instance, share);
      update(share, one);
      entry.updatedAt = now;
      this.#dirty.add(pageNumberOf(one.client));
    }
    // What it was told before and did not answer to, it takes no more.
    for (const { shares } of this.#entries.values()) {
      const share = shares.get(instance);
      if (share !== undefined) share.sent = 0;
    }
  }

  /** Of the month that is, or is about to begin or just over. */
  #entryOf(client: string, month: string, now: number): Entry | undefined {
    const known = this.#entries.get(client);
    if (known !== undefined && known.month === month) return known;
    if (month !== monthOf(now - CLOCK_SKEW) && month !== monthOf(now + CLOCK_SKEW)) return undefined;
    if (known !== undefined && known.month > month) return undefined;
    if (known === undefined && this.#entries.size >= MOST_CLIENTS && !this.#budgets.has(client)) return undefined;
    const entry = newEntry(month, now);
    this.#entries.set(client, entry);
    return entry;
  }

  /** Of a proxy that has ended: exactly what it said when that was its last word, else all that it may have spent. */
  end(instance: string, isLastWord: boolean): void {
    for (const [client, entry] of this.#entries) {
      const share = entry.shares.get(instance);
      if (share === undefined) continue;
      const mayHave = this.#budgets.get(client)?.denies === true ? outstandingOf(share) : share.nanoUsd;
      add(entry.base, share, isLastWord ? share.nanoUsd : mayHave);
      entry.shares.delete(instance);
      this.#dirty.add(pageNumberOf(client));
    }
    this.#pods.delete(instance);
  }

  /** Proxies by the pods that they are in. */
  get pods(): ReadonlyMap<string, string> {
    return this.#pods;
  }

  /** Decides anew what everybody may spend. True: something is to be remembered before it is told. */
  divide(now: number): boolean {
    let isMore = false;
    for (const [client, entry] of this.#entries) {
      const budget = this.#budgets.get(client);
      if (entry.month < monthOf(now - CLOCK_SKEW)) {
        this.#entries.delete(client);
        this.#dirty.add(pageNumberOf(client));
      } else if (budget?.denies) {
        divide(entry, { budget: budget.nanoUsd, most: budget.nanoUsd * this.#mostHeld, now });
        for (const share of entry.shares.values()) {
          if (share.granted <= share.written) continue;
          isMore = true;
          this.#dirty.add(pageNumberOf(client));
        }
      }
    }
    return isMore;
  }

  /** What a proxy is to be told: what differs from what it has said itself. */
  grantsFor(instance: string): Grant[] {
    const grants: Grant[] = [];
    for (const [client, { month, shares }] of this.#entries) {
      const share = shares.get(instance);
      if (share === undefined || !this.#budgets.get(client)?.denies) continue;
      const upTo = Math.min(share.granted, share.written);
      const isLast = share.refused > 0;
      if (upTo === share.acked && isLast === share.toldRefused) continue;
      grants.push({ client, month, upTo, isLast });
    }
    return grants;
  }

  /** They are on their way to it. */
  sent(instance: string, grants: readonly Grant[]): void {
    for (const { client, upTo } of grants) {
      const share = this.#entries.get(client)?.shares.get(instance);
      if (share !== undefined) share.sent = Math.max(share.sent, upTo);
    }
  }

  usage(): Usage[] {
    return Array.from(this.#entries, ([client, entry]) => {
      const { month, updatedAt } = entry;
      const isRefusing = [...entry.shares.values()].some(({ refused }) => refused > 0);
      return { client, month, updatedAt, isRefusing, ...totalOf(entry) };
    });
  }

  /** The percentage of its budget that a client's owner was told last. */
  toldOf(client: string): number {
    return this.#entries.get(client)?.told ?? 0;
  }

  tell(client: string, percent: number): void {
    const entry = this.#entries.get(client);
    if (entry === undefined || entry.told === percent) return;
    entry.told = percent;
    this.#dirty.add(pageNumberOf(client));
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** The pages that have changed since they were taken last. To be given back with `written` or `failed`. */
  pages(): Page[] {
    const pages = [...this.#dirty].map((number) => toPage(number, this.#entries, this.#pods));
    this.#dirty.clear();
    return pages;
  }

  /** They are remembered now: what stands in them may be told. */
  written(pages: readonly Page[]): void {
    for (const { grants } of pages) for (const [share, granted] of grants) share.written = granted;
  }

  failed(pages: readonly Page[]): void {
    for (const { number } of pages) this.#dirty.add(number);
  }

  /** What was remembered. Throws a SyntaxError or TypeError when it is none. */
  read(texts: readonly string[], now: number): void {
    for (const text of texts) readPage(text, this.#entries, this.#pods, now);
    for (const client of this.#entries.keys()) this.#dirty.add(pageNumberOf(client));
  }

  /** What was shown of a client of whom nothing is remembered. */
  recall(client: string, month: string, sum: Readonly<Sum>, now: number): void {
    if (this.#entries.has(client) || month !== monthOf(now)) return;
    const entry = newEntry(month, now);
    Object.assign(entry.base, sum);
    this.#entries.set(client, entry);
    this.#dirty.add(pageNumberOf(client));
  }
}

function update(share: Share, said: Said): void {
  share.nanoUsd = Math.max(share.nanoUsd, said.nanoUsd);
  share.requests = Math.max(share.requests, said.requests);
  share.tokens = Math.max(share.tokens, said.tokens);
  share.reserved = said.reserved;
  share.need = said.need;
  share.acked = said.granted ?? 0;
  share.toldRefused = said.isLast;
  // It was asked to keep less, and had spent more meanwhile.
  if (share.sent === share.granted) share.granted = share.acked;
}
