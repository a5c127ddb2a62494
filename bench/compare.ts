/**
 * Is this checkout slower than another one?
 *
 * The gateways of both run side by side on the core of the targets, and blocks of requests visit them in turn (A B, then
 * B A), so that a drift of the machine meets both alike. Each pair of blocks gives one ratio of CPU time for each request;
 * told is their mean (of logarithms, so that twice and half are as far from 1) with bounds at 95 %. Gateways are started
 * anew now and then, because one start may compile better than another; bounds of few starts are too narrow for that.
 *
 *   node bench/compare.ts OTHER_CHECKOUT [--only plain,stream-50] [--starts 4] [--pairs 12] [--seconds 0.5] [--json FILE]
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { LoadResult } from "./caller.ts";
import { meanOf, median } from "./figures.ts";
import type { Order } from "./load.ts";
import { cpuSeconds } from "./measure.ts";
import { Peer, stopAll } from "./processes.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { tandem } from "./targets/tandem.ts";
import { HEADERS, startLaunched, type Target } from "./targets.ts";
import { PATHS, payloadSize } from "./traffic.ts";

/** Blocks of each gateway before anything counts. */
const WARM_UP = 4;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: {
      type: "string",
      default: "plain,100kb-model-first,100kb-model-last,1mb-model-first,1mb-model-last,stream-50",
    },
    starts: { type: "string", default: "4" },
    pairs: { type: "string", default: "12" },
    seconds: { type: "string", default: "0.5" },
    json: { type: "string" },
  },
});
const [other] = positionals;
if (other === undefined) throw new Error("name the checkout to compare with: node bench/compare.ts OTHER_CHECKOUT");
const names = values.only.split(",");
const scenarios = SCENARIOS.filter(({ name }) => names.includes(name));
const strange = names.find((name) => !scenarios.some((scenario) => scenario.name === name));
if (strange !== undefined) throw new Error(`--only ${strange}: use of ${SCENARIOS.map(({ name }) => name).join(", ")}`);

/** Microseconds of CPU time for each request. */
interface Pair {
  readonly here: number;
  readonly other: number;
}

const folder = mkdtempSync(join(tmpdir(), "tandem-bench-compare-"));
const upstream = new Peer("upstream.ts", ["0"]);
const load = new Peer("load.ts");
const pairs = new Map<string, Pair[]>(scenarios.map(({ name }) => [name, []]));
try {
  const { port } = await upstream.next<{ port: number }>();
  for (let start = 0; start < Number(values.starts); start++) await compareOnce(start, port);
  for (const [name, list] of pairs) process.stdout.write(`${told(name, list)}\n`);
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(Object.fromEntries(pairs)));
} finally {
  stopAll();
  rmSync(folder, { recursive: true, force: true });
}

async function compareOnce(start: number, port: number): Promise<void> {
  await upstream.ask({ kind: "json" });
  const here = await startLaunched("here", (place) => tandem(place), join(folder, `here-${start}`), port);
  const checkout = resolve(other as string);
  const there = await startLaunched("other", (place) => tandem(place, checkout), join(folder, `other-${start}`), port);
  for (const scenario of scenarios) {
    await upstream.ask(scenario.answer);
    for (const target of [here, there]) for (let i = 0; i < WARM_UP; i++) await block(scenario, target);
    for (let pair = 0; pair < Number(values.pairs); pair++) {
      const took = new Map<Target, number>();
      for (const target of pair % 2 === 0 ? [here, there] : [there, here])
        took.set(target, await block(scenario, target));
      pairs.get(scenario.name)?.push({ here: took.get(here) as number, other: took.get(there) as number });
    }
    const { name } = scenario;
    process.stderr.write(`start ${start + 1}, ${told(name, pairs.get(name)?.slice(-Number(values.pairs)) ?? [])}\n`);
  }
  await here.close();
  await there.close();
}

async function block({ body, answer, pattern }: Scenario, target: Target): Promise<number> {
  const before = cpuSeconds(target.pids);
  const order: Order = {
    ...{ host: target.host, port: target.port, path: PATHS[body.api ?? "chat"], headers: HEADERS, body },
    payload: payloadSize(answer),
    pattern: { ...pattern, seconds: Number(values.seconds) },
  };
  const { requests, errors, firstError } = await load.ask<LoadResult>(order);
  if (errors > 0) throw new Error(`${target.name}: ${firstError}`);
  return ((cpuSeconds(target.pids) - before) * 1e6) / requests;
}

function told(name: string, list: readonly Pair[]): string {
  const { mean, low, high } = meanOf(list.map(({ here, other }) => Math.log(here / other)));
  const [ratio, least, most] = [mean, low, high].map((one) => Math.exp(one).toFixed(3));
  const [mine, theirs] = [median(list.map((pair) => pair.here)), median(list.map((pair) => pair.other))];
  return `${name}: ${ratio} of the other's CPU (${least} to ${most}; medians ${mine.toFixed(1)} and ${theirs.toFixed(1)} µs)`;
}
