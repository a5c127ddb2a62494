/**
 * What is known of one client's month?
 *
 * What proxies that have ended spent (`base`), and one share for each proxy that runs. A proxy counts up from its start, so
 * whatever it says twice counts once.
 */

/** Nano-dollars, requests, tokens. */
export interface Sum {
  nanoUsd: number;
  requests: number;
  tokens: number;
}

/** What a proxy says of one client: `Sum`s since its start, of one month. */
export interface Said extends Readonly<Sum> {
  readonly client: string;
  readonly month: string;
  /** Nano-dollars set aside for requests under way. */
  readonly reserved: number;
  /** Nano-dollars that it takes itself to be allowed to spend since its start; null: nobody has said. */
  readonly granted: number | null;
  /** Nano-dollars that the smallest request that waits needs; 0: none waits. */
  readonly need: number;
  /** It has been told that there is no more for what waited last. */
  readonly isLast: boolean;
}

/** One proxy's part of one client's month. */
export interface Share extends Sum {
  reserved: number;
  need: number;
  /** What it has been allowed to spend since its start, as it said itself. */
  acked: number;
  /** What it shall be allowed: more may be on its way to it, and less is certain only when it has said so. */
  granted: number;
  /** The most that it was told and has not answered to: it may have heard. 0: nothing. */
  sent: number;
  /** `granted` as it stands in the memory: nothing more may be told to it. */
  written: number;
  /** What it could not be given although it asked: nobody has that much left. 0: nothing was refused. */
  refused: number;
  /** Whether it has been told so. */
  toldRefused: boolean;
  /** For its rate: when it was looked at last, and what it had spent then and before. */
  markedAt: number;
  markedNano: number;
  lastRate: number;
}

export interface Entry {
  readonly month: string;
  readonly base: Sum;
  /** By the proxies' instances. */
  readonly shares: Map<string, Share>;
  /** The percentage of the budget that its owner was told last. */
  told: number;
  updatedAt: number;
}

export function newEntry(month: string, now: number): Entry {
  return { month, base: { nanoUsd: 0, requests: 0, tokens: 0 }, shares: new Map(), told: 0, updatedAt: now };
}

export function newShare(now: number, granted = 0): Share {
  const sums = { nanoUsd: 0, requests: 0, tokens: 0, reserved: 0, need: 0 };
  const grants = { acked: granted, granted, sent: 0, written: granted, refused: 0, toldRefused: false };
  return { ...sums, ...grants, markedAt: now, markedNano: 0, lastRate: 0 };
}

/** Spent and set aside. */
export function usedOf({ nanoUsd, reserved }: Share): number {
  return nanoUsd + reserved;
}

/** What it may have spent by now for all that is known here. */
export function outstandingOf(share: Share): number {
  return Math.max(share.acked, share.granted, share.sent, usedOf(share));
}

/** All that is counted. */
export function totalOf({ base, shares }: Entry): Sum {
  const total = { ...base };
  for (const share of shares.values()) add(total, share, share.nanoUsd);
  return total;
}

export function add(to: Sum, { requests, tokens }: Sum, nanoUsd: number): void {
  to.nanoUsd += nanoUsd;
  to.requests += requests;
  to.tokens += tokens;
}
