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
import type { Exchange } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import { type Asked, askedOf, expectedAt } from "./expect.ts";
import type { Reservation } from "./ledger.ts";

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
  const share = 1 / strategies.proxies;
  const covered = (target: Target) => target.ledger?.covers(takenAt(target, asked), now, share);
  return {
    score: (target) => costScore(target.rates, expectedAt(target, asked), covered(target)),
    choose(first) {
      if (!first) return "cost";
      const isCovered = covered(first) === true;
      const taken = takenAt(first, asked);
      if (first.ledger && taken < Number.POSITIVE_INFINITY) {
        context.setAside = { target: first, reservation: first.ledger.reserve(taken, now) };
      }
      return isCovered ? "cost:commitment" : first.rates ? "cost" : "cost:unpriced";
    },
  };
}

function takenAt(target: Target, asked: Asked): number {
  return target.ledger ? amountOf(target.ledger.unit, target.rates, expectedAt(target, asked)) : 0;
}

/** When the request has ended and its cost is known. */
export function settle(context: RequestContext): void {
  const { target, setAside, plannedAt, exchange, services } = context;
  if (plannedAt === undefined) return;
  const now = services.strategies.now();
  if (setAside && setAside.target !== target) setAside.target.ledger?.settle(setAside.reservation, 0, now);
  const { ledger } = target ?? {};
  if (!ledger) return;
  const reservation =
    setAside?.target === target ? setAside?.reservation : { window: ledger.windowOf(plannedAt), amount: 0 };
  if (reservation) ledger.settle(reservation, took(ledger.unit, exchange, reservation.amount), now);
}

/** In the ledger's unit. Where nobody told what was used, it is what was expected. */
function took(unit: "NanoUsd" | "Tokens", exchange: Exchange, expected: number): number {
  const known = unit === "Tokens" ? exchange.usage && throughputOf(exchange.usage) : exchange.cost;
  return known ?? (exchange.unpriced ? expected : 0);
}
