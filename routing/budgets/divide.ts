/**
 * How much of a budget may each proxy spend until it is told again?
 *
 * Together never more than there is: what was given and not taken back counts as gone. A proxy gets what lasts for a while
 * at its own rate, never more than its part of half of what is free; so pieces shrink towards the end. When one has not enough for
 * a request while others hold what they do not use, that is called back from them first.
 */
import { type Entry, outstandingOf, type Share, usedOf } from "./entry.ts";

/** Milliseconds for which a grant shall last at the rate of the last minutes. */
const LASTING = 1_800_000;
/** Milliseconds. */
const RATE_WINDOW = 60_000;
/** Of what is free, for all proxies together: what those get that spend nothing. */
const IDLE_PART = 1 / 50;

export interface DivideOptions {
  /** Nano-dollars a month. */
  readonly budget: number;
  /** Nano-dollars that one proxy holds at most without having spent them. */
  readonly most: number;
  readonly now: number;
}

/** Changes `granted` and `refused` of the shares. */
export function divide(entry: Entry, { budget, most, now }: DivideOptions): void {
  const shares = [...entry.shares.values()];
  let used = entry.base.nanoUsd;
  let given = entry.base.nanoUsd;
  for (const share of shares) {
    used += usedOf(share);
    given += outstandingOf(share);
  }
  const free = Math.max(0, budget - used);
  let rest = Math.max(0, budget - given);
  const wants = new Map(shares.map((share) => [share, wantOf(share, free, shares.length, now, most)]));
  for (const share of shares) judge(share, free);

  let starving: Share | undefined;
  for (const share of shares.filter(isHungry)) {
    const held = outstandingOf(share);
    const least = usedOf(share) + share.need;
    if (least > held + rest) {
      starving ??= share;
      continue;
    }
    rest -= raise(share, Math.max(least, usedOf(share) + (wants.get(share) ?? 0)), rest);
  }
  for (const share of shares) {
    if (share === starving) continue;
    const want = wants.get(share) ?? 0;
    const unused = outstandingOf(share) - usedOf(share);
    if (starving !== undefined) {
      if (!isFed(share)) share.granted = usedOf(share);
    } else if (unused > 2 * want && share.need === 0) share.granted = Math.min(share.granted, usedOf(share) + want);
    else if (unused < want / 2) rest -= raise(share, usedOf(share) + want, rest);
  }
}

/** How much it gets in addition. */
function raise(share: Share, to: number, rest: number): number {
  const held = outstandingOf(share);
  const more = Math.min(rest, to - held);
  if (more <= 0) return 0;
  share.granted = held + more;
  return more;
}

/** Something waits that does not fit, and somebody may have enough for it. */
function isHungry(share: Share): boolean {
  return share.need > 0 && share.refused === 0 && usedOf(share) + share.need > outstandingOf(share);
}

/** What waits fits into what is on its way to it. */
function isFed(share: Share): boolean {
  return share.need > 0 && share.refused === 0 && usedOf(share) + share.need <= outstandingOf(share);
}

/** Whether what waits can be had at all; what was refused stays so until there is enough for it. */
function judge(share: Share, free: number): void {
  if (share.need > 0) share.refused = free < share.need ? share.need : 0;
  else if (free >= share.refused) share.refused = 0;
}

function wantOf(share: Share, free: number, shares: number, now: number, most: number): number {
  const idle = (free * IDLE_PART) / shares;
  return Math.min(free / (2 * shares), most, Math.max(idle, rateOf(share, now) * LASTING));
}

/** Nano-dollars a millisecond, of this window or the one before. */
function rateOf(share: Share, now: number): number {
  const passed = Math.max(0, now - share.markedAt);
  const rate = Math.max(0, share.nanoUsd - share.markedNano) / Math.max(passed, RATE_WINDOW);
  const higher = Math.max(rate, share.lastRate);
  if (passed >= RATE_WINDOW) {
    share.lastRate = rate;
    share.markedAt = now;
    share.markedNano = share.nanoUsd;
  }
  return higher;
}
