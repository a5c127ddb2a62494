/**
 * How much of a request's time was Tandem's own: not waiting for the caller's body, not for a provider, not on purpose?
 *
 * Counted are admission, the way from the body to the first attempt, the gaps between attempts without their backoff,
 * and the way from the end of the last attempt to the answer. What each chunk of a stream costs is not in it: inside an
 * attempt Tandem's work and the provider's silence cannot be told apart by a clock.
 */
import type { Exchange } from "../exchange.ts";

/** Milliseconds, never negative. */
export function overheadOf(exchange: Exchange): number {
  const { startedAt } = exchange;
  const attempts = exchange.hedge
    ? exchange.attempts.filter(({ outcome }) => outcome !== "superseded")
    : exchange.attempts;
  const endedAt = exchange.endedAt ?? startedAt;
  const admitted = (exchange.admittedAt ?? startedAt) - startedAt;
  const ready = exchange.bodyAt ?? exchange.admittedAt ?? startedAt;
  const first = attempts[0];
  if (first === undefined) return Math.max(0, admitted + rejectionTime(exchange, ready, endedAt));

  // Of two that ran side by side the later one may stand first.
  const begun = exchange.hedge ? Math.min(...attempts.map((attempt) => attempt.startedAt)) : first.startedAt;
  let own = admitted + (begun - ready);
  for (let i = 1; i < attempts.length; i++) {
    const before = attempts[i - 1];
    const next = attempts[i];
    if (before?.endedAt !== undefined && next !== undefined) own += Math.max(0, next.startedAt - before.endedAt);
  }
  own -= exchange.waited ?? 0;
  const last = attempts.at(-1)?.endedAt;
  // The answer's first byte, not its last: a caller that reads slowly is not Tandem's time.
  if (last !== undefined) own += Math.max(0, Math.min(endedAt, exchange.firstByteAt ?? endedAt) - last);
  return Math.max(0, own);
}

/** A refusal while the body was still coming has waited for the caller: nothing can be said of that part. */
function rejectionTime(exchange: Exchange, ready: number, endedAt: number): number {
  return exchange.bodyAt === undefined && exchange.admittedAt !== undefined ? 0 : endedAt - ready;
}
