/**
 * What did the request cost its client?
 *
 * With the attempts that were broken off and have to be paid all the same. Off the request's path: when it has ended.
 */
import type { RequestContext } from "../context.ts";
import type { Usage } from "../exchange.ts";

export function charge(context: RequestContext): void {
  const { client, budget, exchange, services } = context;
  if (client === undefined) return;
  const { attempts } = exchange;
  if (attempts.length === 0 && budget === undefined) return;
  let cost = exchange.cost ?? 0;
  let tokens = tokensOf(exchange.usage);
  for (const attempt of attempts) {
    tokens += tokensOf(attempt.usage);
    cost += attempt.cost ?? 0;
  }
  const account = budget?.account ?? services.budgets.accountOf(client.key);
  account.settle(budget, cost, attempts.length === 0 ? 0 : 1, tokens);
}

function tokensOf(usage: Usage | undefined): number {
  return usage === undefined ? 0 : usage.input + usage.output;
}
