/**
 * How is the book of budgets remembered?
 *
 * In pages, so that no object becomes too large and a change writes little: a client is always on the same page.
 */
import { type Entry, newEntry, newShare, outstandingOf, type Share } from "./entry.ts";

export const PAGES = 16;

export interface Page {
  /** From 0. */
  readonly number: number;
  /** JSON; undefined: there is nothing on it. */
  readonly text: string | undefined;
  /** The grants as they stand in the text. */
  readonly grants: readonly (readonly [share: Share, granted: number])[];
}

type StoredSum = readonly [nanoUsd: number, requests: number, tokens: number];

interface StoredEntry {
  readonly month: string;
  readonly base: StoredSum;
  readonly told: number;
  readonly updatedAt: number;
  /** By the proxies' instances; the last number is what it may have spent. */
  readonly of: Readonly<Record<string, readonly [...StoredSum, granted: number]>>;
}

interface StoredPage {
  readonly version: 1;
  readonly clients: Readonly<Record<string, StoredEntry>>;
  readonly pods: Readonly<Record<string, string>>;
}

export function pageNumberOf(client: string): number {
  let hash = 0;
  for (let i = 0; i < client.length; i++) hash = (Math.imul(hash, 31) + client.charCodeAt(i)) >>> 0;
  return hash % PAGES;
}

export function toPage(number: number, entries: ReadonlyMap<string, Entry>, pods: ReadonlyMap<string, string>): Page {
  const clients: Record<string, StoredEntry> = {};
  const used: Record<string, string> = {};
  const grants: (readonly [Share, number])[] = [];
  for (const [client, { month, base, shares, told, updatedAt }] of entries) {
    if (pageNumberOf(client) !== number) continue;
    const of: Record<string, StoredEntry["of"][string]> = {};
    for (const [instance, share] of shares) {
      const { nanoUsd, requests, tokens, granted } = share;
      of[instance] = [nanoUsd, requests, tokens, outstandingOf(share)];
      grants.push([share, granted]);
      const pod = pods.get(instance);
      if (pod !== undefined) used[instance] = pod;
    }
    clients[client] = { month, base: [base.nanoUsd, base.requests, base.tokens], told, updatedAt, of };
  }
  const page: StoredPage = { version: 1, clients, pods: used };
  return { number, text: Object.keys(clients).length === 0 ? undefined : JSON.stringify(page), grants };
}

export function readPage(text: string, entries: Map<string, Entry>, pods: Map<string, string>, now: number): void {
  const page = JSON.parse(text) as StoredPage;
  if (page.version !== 1) throw new TypeError(`the book of budgets has a page of the unknown version ${page.version}`);
  for (const [client, { month, base, told, updatedAt, of }] of Object.entries(page.clients)) {
    const entry = newEntry(month, updatedAt);
    [entry.base.nanoUsd, entry.base.requests, entry.base.tokens] = base;
    entry.told = told;
    for (const [instance, [nanoUsd, requests, tokens, granted]] of Object.entries(of)) {
      entry.shares.set(instance, { ...newShare(now, granted), nanoUsd, requests, tokens, markedNano: nanoUsd });
    }
    entries.set(client, entry);
  }
  for (const [instance, pod] of Object.entries(page.pods)) pods.set(instance, pod);
}
