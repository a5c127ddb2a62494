/**
 * May this client still spend what the request will cost?
 *
 * Where the grant of this proxy is used up while the budget is not, the request waits a moment for more. Clients without a budget,
 * and such that are only warned, pass.
 */
import { endOfMonth, nanoOf } from "../../routing/budgets/money.ts";
import { expectedCost } from "../../routing/expected-cost.ts";
import type { Client } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { askedOf, expectedAt, learnedAt } from "../strategy/expect.ts";

/** Milliseconds that a request waits for a grant. */
const LONGEST_WAIT = 2_000;
/** Milliseconds after which asking again makes sense, when nobody hands out budgets. */
const ASK_AGAIN = 5_000;
/** Of a budget, for all proxies together: what may be spent after a start that nobody has said anything to. */
const START_PART = 0.005;
/** What costs something, or makes something that does. */
const SPENDS = new Set(["POST"]);

/** Undefined: it may, at once. Rejects with a GatewayError. */
export function afford(context: RequestContext): Promise<void> | undefined {
  const { client } = context;
  if (client?.budget === undefined || client.budget.onExceeded === "Warn" || !spends(context)) return undefined;
  const account = context.services.budgets.accountOf(client.key);
  const expected = expectation(context);
  context.budget = account.reserve(expected);
  if (context.budget !== undefined) return undefined;
  if (account.isLast) throw spent(context, client);
  return wait(context, client, expected);
}

async function wait(context: RequestContext, client: Client, expected: number): Promise<void> {
  const { budgets, strategies } = context.services;
  const deadline = performance.now() + LONGEST_WAIT;
  while (budgets.isHeard && !budgets.isOver && !context.closed) {
    const left = deadline - performance.now();
    if (left <= 0) break;
    await budgets.accountOf(client.key).waitForMore(expected, left);
    // Another month may have begun.
    const account = budgets.accountOf(client.key);
    context.budget = account.reserve(expected);
    if (context.budget !== undefined) return;
    if (account.isLast) throw spent(context, client);
  }
  const account = budgets.accountOf(client.key);
  if (account.isUnknown && !budgets.isOver) {
    account.startWith((nanoOf(client.budget?.usdPerMonth ?? "0") * START_PART) / strategies.proxies);
    context.budget = account.reserve(expected);
    if (context.budget !== undefined) return;
  }
  const message = `What AIClient ${client.key} may still spend of its budget is not known: who hands budgets out has not said for a while. Ask again in some seconds.`;
  throw new GatewayError("budget_unavailable", message, { retryAfter: ASK_AGAIN });
}

function spent({ services }: RequestContext, { key, budget }: Client): GatewayError {
  const renewed = new Date(endOfMonth(services.budgets.now())).toISOString().slice(0, 10);
  const message = `The budget of AIClient ${key} (${budget?.usdPerMonth} USD a month, spec.budget) is spent, or what is left of it is not enough for this request. It begins anew on ${renewed} at 00:00 UTC; its owner can raise usdPerMonth before.`;
  return new GatewayError("insufficient_quota", message);
}

/** Reading what is there already costs nothing. Sockets are opened with GET. */
function spends({ operation, request }: RequestContext): boolean {
  return SPENDS.has(request.method ?? "") || operation?.handling === "realtime";
}

/** Nano-dollars at the dearest backend that may answer. What has no price counts nothing. */
function expectation(context: RequestContext): number {
  const asked = askedOf(context);
  let most = 0;
  for (const target of context.order) {
    const cost = expectedCost(target.rates, expectedAt({ learned: learnedAt(context, target) }, asked));
    if (cost > most && cost < Number.POSITIVE_INFINITY) most = cost;
  }
  return most;
}
