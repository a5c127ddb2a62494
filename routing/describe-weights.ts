/**
 * In which order do a route's backends answer, in few words?
 *
 * For the column WEIGHTS and `/status`: shares where weights decide, names where a strategy does, since what it gives
 * to each is not known beforehand.
 */
import type { Backend, Strategy } from "./table.ts";

/** `openai 90%, azure 10%; then backup 100%`, or `by cost: committed, burst`, tier by tier. */
export function describeWeights(backends: readonly Backend[], strategy: Strategy): string {
  const priorities = [...new Set(backends.map((backend) => backend.priority))].sort((a, b) => a - b);
  return priorities
    .map((priority) => {
      const tier = backends.filter((backend) => backend.priority === priority);
      return byStrategy(tier, strategy) ?? byWeight(tier);
    })
    .join("; then ");
}

const CHOSEN_BY: Partial<Record<Strategy, string>> = { Cost: "by cost", Latency: "by latency" };

/** Undefined: it has nothing to choose. Backends of weight 0 stay behind the others. */
function byStrategy(tier: readonly Backend[], strategy: Strategy): string | undefined {
  const choice = tier.filter(({ weight }) => weight > 0);
  const by = CHOSEN_BY[strategy];
  if (by === undefined || choice.length < 2) return undefined;
  const idle = tier.filter(({ weight }) => weight === 0);
  return `${by}: ${[...choice.map(({ name }) => name), ...idle.map(({ name }) => `${name} 0%`)].join(", ")}`;
}

function byWeight(tier: readonly Backend[]): string {
  const total = tier.reduce((sum, backend) => sum + backend.weight, 0);
  const share = (backend: Backend) => (total === 0 ? 0 : Math.round((1000 * backend.weight) / total) / 10);
  return tier.map((backend) => `${backend.name} ${share(backend)}%`).join(", ");
}
