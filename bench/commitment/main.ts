/**
 * What does an hour of real traffic cost with a commitment, and how far from the best is that?
 *
 * Replays a trace in virtual time against the simulators, with manifest 06 as it is and with other commitments in it, and
 * compares the bill with all at list price and with the offline optimum for the same commitment.
 *
 *   node bench/commitment/main.ts [--points 11] [--proxies 1] [--burst-percent 100] [--requests N] [--trace FILE] [--plot FILE.svg]
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { plot } from "./plot.ts";
import { belowPercent, excessPercent, measure, overPercent, type Point, WRITTEN_USD_PER_HOUR } from "./study.ts";
import { beginningAtWindow, readTrace } from "./trace.ts";

const { values } = parseArgs({
  options: {
    points: { type: "string", default: "11" },
    proxies: { type: "string", default: "1" },
    "burst-percent": { type: "string", default: "100" },
    requests: { type: "string" },
    trace: { type: "string" },
    plot: { type: "string" },
  },
});

const trace = beginningAtWindow(readTrace(values.trace)).slice(0, numberOf("requests", Number.POSITIVE_INFINITY));
const proxies = numberOf("proxies", 1);
const burstPercent = numberOf("burst-percent", 100);
const points = numberOf("points", 11);
const told: Point[] = [];
print(
  `${trace.length} requests; ${proxies} prox${proxies === 1 ? "y" : "ies"}; burst at ${burstPercent} %; US dollars`,
);
print(row("paid/h", "covers/h", "covered", "above", "excess", "burst", "bill", "optimum", "over", "list", "below"));
for (let i = 0; i < points; i++) {
  const usdPerHour = points === 1 ? WRITTEN_USD_PER_HOUR : (2 * WRITTEN_USD_PER_HOUR * i) / (points - 1);
  const point = await measure({ usdPerHour, trace, proxies, burstPercent });
  told.push(point);
  const { coversPerHour, covered, above, burst, total, optimum, list } = point;
  print(
    row(
      ...[usdPerHour, coversPerHour, covered, above].map(usd),
      percent(excessPercent(point)),
      ...[burst, total, optimum].map(usd),
      percent(overPercent(point)),
      usd(list),
      percent(belowPercent(point)),
    ),
  );
}
if (values.plot !== undefined) {
  writeFileSync(values.plot, plot(told, `One hour of conversations (Azure, 2023), ${trace.length} requests`));
  print(`plot: ${values.plot}`);
}

function numberOf(option: "points" | "proxies" | "burst-percent" | "requests", otherwise: number): number {
  const text = values[option];
  const number = text === undefined ? otherwise : Number(text);
  if (number >= 1) return number;
  process.stderr.write(`--${option} must be a number of at least 1, not ${text}\n`);
  process.exit(2);
}

function usd(amount: number): string {
  return amount.toFixed(2);
}

function percent(value: number): string {
  return `${value.toFixed(2)} %`;
}

function row(...cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(9)).join(" ");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
