/**
 * What does a session that goes on for long cost by now?
 *
 * What its provider has told of it is set aside as it comes, so that a session cannot spend what others were promised, and
 * ends when the budget does.
 */
import { costOf } from "../../routing/cost.ts";
import type { RequestContext } from "../context.ts";
import type { Usage } from "../exchange.ts";

/** Milliseconds. */
const INTERVAL = 1_000;

/** Returns what ends the watching. Sessions whose budget denies nothing are not watched. */
export function watchSpending(
  context: RequestContext,
  usage: () => Usage | undefined,
  onSpent: () => void,
): () => void {
  const { budget, target } = context;
  const rates = target?.rates;
  if (budget === undefined || rates === undefined) return () => undefined;
  const timer = setInterval(() => {
    const used = usage();
    const cost = used && costOf(rates, used)?.total;
    if (cost !== undefined && !budget.account.advance(budget, cost)) onSpent();
  }, INTERVAL);
  return () => clearInterval(timer);
}
