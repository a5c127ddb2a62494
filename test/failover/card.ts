/** How many of the sixteen does the real command pass? Prints the card. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SCENARIOS, type Scenario, type Timings } from "./catalogue.ts";
import { judge } from "./judge.ts";
import { play } from "./play.ts";
import type { Verdict } from "./seen.ts";
import { type StreamRecovery, startWorld } from "./world.ts";

/** Scenarios that are played at once, each in a world of its own: most of their time is waiting for limits. */
const AT_ONCE = 3;

/**
 * Makes a test of each scenario, and one that prints all. `others`: what is expected where it is not a pass. A card that
 * gets better must be written down as well.
 */
export async function scorecard(
  timings: Timings,
  streamRecovery: StreamRecovery,
  others: Readonly<Record<string, Verdict>>,
): Promise<void> {
  const free = await Promise.all(Array.from({ length: AT_ONCE }, () => startWorld(timings, streamRecovery)));
  const lines = new Map<string, string>();
  const counts: Record<Verdict, number> = { pass: 0, partial: 0, safe: 0, fail: 0 };
  describe(`each scenario, streamRecovery: ${streamRecovery}`, { concurrency: AT_ONCE }, () => {
    for (const scenario of longestFirst(SCENARIOS)) {
      const { id, title, alone } = scenario;
      test(`${id} ${title}, streamRecovery: ${streamRecovery}`, async () => {
        const world = free.pop();
        assert.ok(world, "as many worlds as scenarios at once");
        const seen = await play(world, scenario, timings).finally(() => free.push(world));
        const { verdict, why } = judge(scenario, seen, timings);
        if (!alone) counts[verdict]++;
        const attempts = `${seen.first.length}+${seen.second.length}`;
        const took = `${attempts} attempts, ${Math.round(seen.tookMs)} ms`;
        lines.set(id, `${id.padEnd(9)} ${verdict.padEnd(7)} ${title} (${took}): ${why}`);
        assert.equal(verdict, others[id] ?? "pass", why);
        assert.ok(seen.alive, "nothing is answered afterwards");
      });
    }
  });
  test(`the card of streamRecovery: ${streamRecovery}`, (t) => {
    const sum = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`);
    for (const { id } of SCENARIOS) t.diagnostic(lines.get(id) ?? `${id.padEnd(9)} was not judged`);
    t.diagnostic(`streamRecovery ${streamRecovery}: ${sum.join(", ")}`);
    assert.equal(counts.fail, 0);
  });
}

function longestFirst(scenarios: readonly Scenario[]): Scenario[] {
  return [...scenarios.filter(({ sequence }) => sequence), ...scenarios.filter(({ sequence }) => !sequence)];
}
