/** How many of the sixteen does the real command pass? Prints the card. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SCENARIOS, type Timings } from "./catalogue.ts";
import { judge } from "./judge.ts";
import { play } from "./play.ts";
import type { Verdict } from "./seen.ts";
import { type StreamRecovery, startWorld } from "./world.ts";

/**
 * Makes a test of each scenario, and one that prints all. `others`: what is expected where it is not a pass. A card that
 * gets better must be written down as well.
 */
export async function scorecard(
  timings: Timings,
  streamRecovery: StreamRecovery,
  others: Readonly<Record<string, Verdict>>,
): Promise<void> {
  const world = await startWorld(timings, streamRecovery);
  const lines: string[] = [];
  const counts: Record<Verdict, number> = { pass: 0, partial: 0, safe: 0, fail: 0 };
  for (const scenario of SCENARIOS) {
    const { id, title, alone } = scenario;
    test(`${id} ${title}, streamRecovery: ${streamRecovery}`, async () => {
      const seen = await play(world, scenario, timings);
      const { verdict, why } = judge(scenario, seen, timings);
      if (!alone) counts[verdict]++;
      const attempts = `${seen.first.length}+${seen.second.length}`;
      lines.push(
        `${id.padEnd(9)} ${verdict.padEnd(7)} ${title} (${attempts} attempts, ${Math.round(seen.tookMs)} ms): ${why}`,
      );
      assert.equal(verdict, others[id] ?? "pass", why);
      assert.ok(seen.alive, "nothing is answered afterwards");
    });
  }
  test(`the card of streamRecovery: ${streamRecovery}`, (t) => {
    const sum = Object.entries(counts).map(([verdict, count]) => `${count} ${verdict}`);
    for (const line of [...lines, `streamRecovery ${streamRecovery}: ${sum.join(", ")}`]) t.diagnostic(line);
    assert.equal(counts.fail, 0);
  });
}
