/**
 * Which backend is the cheapest for this request, and what does the request take of a commitment?
 *
 * Commitments are asked before prices. What is sent to a backend that has one is set aside when the order is made and
 * settled when the request has ended, under whichever strategy: a provider does not ask why it was asked.
 */
import type { Score } from "../../routing/choose.ts";
import { throughputOf } from "../../routing/commitment.ts";
import { amountOf, costScore } from "../../routing/expected-cost.ts";
import type { RequestContext } from "../context.ts";
import type { AttemptRecord } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import { type Asked, askedOf, expectedAt, largerAt } from "./expect.ts";
import { type Estimate, type Reservation, release, settle as settleReservation } from "./ledger.ts";

/** What was set aside for a request, and where. */
export interface SetAside {
  readonly target: Target;
  readonly reservation: Reservation;
}

export interface Cheapest {
  readonly score: Score<Target>;
  /** Sets aside what the first choice will take. How it was chosen, as `x-tandem-decision` says it. */
  choose(first: Target | undefined): string;
}

export function cheapest(context: RequestContext): Cheapest {
  const asked = askedOf(context);
  const { strategies } = context.services;
  const now = context.plannedAt ?? 0;
  const covered = (target: Target) => target.ledger?.covers(takenAt(target, asked), now, strategies.proxies);
  return {
    score: (target) => costScore(target.rates, expectedAt(target, asked), covered(target)),
    choose(first) {
      if (!first) return "cost";
      for (const one of context.order) one.ledger?.wanted(finite(takenAt(one, asked).amount), now);
      const isCovered = covered(first) === true;
      const taken = takenAt(first, asked);
      if (first.ledger && taken.amount < Number.POSITIVE_INFINITY) {
        context.setAside = { target: first, reservation: first.ledger.reserve(taken, now) };
      }
      return isCovered ? "cost:commitment" : first.rates ? "cost" : "cost:unpriced";
    },
  };
}

function finite(amount: number): number {
  return amount < Number.POSITIVE_INFINITY ? amount : 0;
}

const NOTHING: Estimate = { amount: 0, doubt: 0 };

function takenAt(target: Target, asked: Asked): Estimate {
  const { ledger, rates } = target;
  if (!ledger) return NOTHING;
  const amount = amountOf(ledger.unit, rates, expectedAt(target, asked));
  return { amount, doubt: Math.max(0, amountOf(ledger.unit, rates, largerAt(target, asked)) - amount) };
}

/** When the request has ended and what it cost is known. */
export function settle(context: RequestContext): void {
  const { target, setAside, plannedAt, exchange } = context;
  if (plannedAt === undefined) return;
  if (target) count(context, target, exchange);
  for (const attempt of exchange.attempts) if (attempt.usage) countAttempt(context, attempt);
  // It was sent there first, and nothing came of it.
  if (setAside && setAside.reservation.took === undefined) release(setAside.reservation);
}

function countAttempt(context: RequestContext, attempt: AttemptRecord): void {
  const target = context.order.find(({ backend }) => backend.name === attempt.backend);
  if (target) count(context, target, attempt);
}

/** What was used at a backend, into its ledger: in place of what was set aside there, or beside it. */
function count({ setAside, plannedAt, services }: RequestContext, target: Target, paid: Paid): void {
  const { ledger } = target;
  if (!ledger) return;
  const isSetAside = setAside?.target === target && setAside.reservation.took === undefined;
  const took = tookOf(ledger.unit, paid, isSetAside ? setAside.reservation.amount : 0);
  if (isSetAside) settleReservation(setAside.reservation, took);
  else ledger.note(took, plannedAt ?? 0, services.strategies.now());
}

/** An exchange, or one of its attempts. */
type Paid = Pick<AttemptRecord, "usage" | "cost" | "unpriced">;

/** In the ledger's unit. Where nobody told what was used, it is what was expected. */
function tookOf(unit: "NanoUsd" | "Tokens", { usage, cost, unpriced }: Paid, expected: number): number {
  const known = unit === "Tokens" ? usage && throughputOf(usage) : cost;
  return known ?? (unpriced ? expected : 0);
}
