/**
 * What do owners read of their clients' usage: in the status, in events, in the metrics?
 */
import { keyOf } from "../../kube/objects.ts";
import type { Budget, Usage } from "../../routing/budgets/book.ts";
import { usdText } from "../../routing/budgets/money.ts";
import type { EventNote } from "../events.ts";
import type { Described } from "../status-writer.ts";
import type { Treasurer } from "./treasurer.ts";

/** Percent of a budget. */
const NEARLY = 80;
const ALL = 100;
/** Below these it was raised, and is told again when it is reached again. */
const NO_MORE: Readonly<Record<number, number>> = { [NEARLY]: 75, [ALL]: 95 };

/** `status.usage` of an AIClient. */
export interface UsageStatus {
  readonly month: string;
  readonly usd: string;
  readonly requests: number;
  readonly tokens: number;
  readonly updatedAt: string;
}

export function statusOf({ month, nanoUsd, requests, tokens, updatedAt }: Usage): UsageStatus {
  const time = new Date(updatedAt).toISOString().replace(/\.\d+Z$/, "Z");
  return { month, usd: usdText(nanoUsd), requests, tokens, updatedAt: time };
}

/** The percentage that its owner is to know of, by the one that was told last. */
export function levelOf({ nanoUsd, isRefusing }: Usage, budget: Budget, told: number): number {
  const percent = budget.nanoUsd === 0 ? ALL : (nanoUsd / budget.nanoUsd) * ALL;
  const reached = isRefusing || percent >= ALL ? ALL : percent >= NEARLY ? NEARLY : 0;
  if (reached >= told) return reached;
  return percent < (NO_MORE[told] ?? 0) ? reached : told;
}

export function noteOf(level: number, { nanoUsd, month }: Usage, budget: Budget): EventNote {
  const spent = `${usdText(nanoUsd)} of ${usdText(budget.nanoUsd)} USD of ${month}`;
  const common = { type: "Warning", action: "Count" } as const;
  if (level < ALL) return { ...common, reason: "BudgetNearlySpent", note: `${spent} are spent.` };
  const then = budget.denies
    ? "requests are refused (429 insufficient_quota) until the month is over (UTC) or usdPerMonth is raised"
    : "requests are served all the same (onExceeded: Warn)";
  return { ...common, reason: "BudgetExceeded", note: `${spent} are spent: ${then}.` };
}

export interface ToldOptions {
  readonly treasurer: Pick<Treasurer, "usage" | "budgetOf" | "toldOf" | "tell">;
  objects(): readonly Described[];
  event(about: Described, note: EventNote): void;
  /** A status has to say something else. */
  onNews(): void;
}

/** Milliseconds: a count is shown after so long, and not more often. */
const INTERVAL = 2_000;

export class Told {
  readonly #options: ToldOptions;
  #shown = new Map<string, UsageStatus>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: ToldOptions) {
    this.#options = options;
  }

  /** Something was counted. */
  count(): void {
    if (this.#stopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, INTERVAL);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** For the status of a client; undefined: nothing is counted of it. */
  get(client: string): UsageStatus | undefined {
    return this.#shown.get(client);
  }

  #tell(): void {
    const { treasurer, objects, event, onNews } = this.#options;
    const clients = new Map(objects().flatMap((one) => (one.kind === "AIClient" ? [[keyOf(one), one] as const] : [])));
    const shown = new Map<string, UsageStatus>();
    let isNews = false;
    for (const usage of treasurer.usage()) {
      const object = clients.get(usage.client);
      if (object === undefined) continue;
      const before = this.#shown.get(usage.client);
      const now = statusOf(usage);
      const isSame = before !== undefined && saysSame(before, now);
      shown.set(usage.client, isSame ? before : now);
      isNews ||= !isSame;
      const budget = treasurer.budgetOf(usage.client);
      if (budget === undefined) continue;
      const told = treasurer.toldOf(usage.client);
      const level = levelOf(usage, budget, told);
      if (level > told) event(object, noteOf(level, usage, budget));
      if (level !== told) treasurer.tell(usage.client, level);
    }
    this.#shown = shown;
    if (isNews) onNews();
  }
}

/** Reserved money comes and goes without a word here: the time alone is no news. */
function saysSame(one: UsageStatus, other: UsageStatus): boolean {
  return (
    one.month === other.month && one.usd === other.usd && one.requests === other.requests && one.tokens === other.tokens
  );
}
