/**
 * What does an hour of real traffic cost with a commitment, and how far from the best is that?
 *
 * Replays a trace in virtual time against the simulators, with manifest 06 as it is and with other commitments in it, and
 * compares the bill with all at list price and with the offline optimum for the same commitment.
 *
 *   node bench/commitment/main.ts [--points 11] [--proxies 1] [--requests N] [--trace FILE] [--plot FILE.svg]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Commitment, Price } from "../../routing/table.ts";
import { billOf, listPriceOf, optimumOf, type Prices } from "./bill.ts";
import { type Point, plot } from "./plot.ts";
import { type Replayed, replay } from "./replay.ts";
import { readTrace, type TraceRequest } from "./trace.ts";

const EXAMPLES = resolve(import.meta.dirname, "..", "..", "examples");
const MANIFEST = join(EXAMPLES, "06-cost.yaml");
const COMMITTED_PROVIDER = "ai/azure-committed";
const MODEL = "gpt-4o";
const AS_WRITTEN = 'usdPerHour: "60.00"';

const { values } = parseArgs({
  options: {
    points: { type: "string", default: "11" },
    proxies: { type: "string", default: "1" },
    requests: { type: "string" },
    trace: { type: "string" },
    plot: { type: "string" },
  },
});

const trace = beginningAtWindow(readTrace(values.trace), Number(values.requests ?? Number.POSITIVE_INFINITY));
const proxies = Number(values.proxies);
const points = Number(values.points);
const folder = mkdtempSync(join(tmpdir(), "tandem-commitment-"));
const told: Point[] = [];
try {
  print(`${trace.length} requests; ${proxies} prox${proxies === 1 ? "y" : "ies"}; US dollars`);
  print(row("paid/h", "covers/h", "covered", "above", "burst", "bill", "optimum", "over", "list", "below"));
  const written = readFileSync(MANIFEST, "utf8");
  for (let i = 0; i < points; i++) {
    const usd = ((2 * 60 * i) / (points - 1)).toFixed(2);
    const file = join(folder, "06-cost.yaml");
    writeFileSync(file, written.replace(AS_WRITTEN, `usdPerHour: "${usd}"`));
    told.push(await measure(usd === "60.00" ? MANIFEST : file));
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (values.plot !== undefined) {
  writeFileSync(values.plot, plot(told, `One hour of conversations (Azure, 2023), ${trace.length} requests`));
  print(`plot: ${values.plot}`);
}

async function measure(manifest: string): Promise<Point> {
  const replayed = await replay({ manifests: [join(EXAMPLES, "quickstart"), manifest], trace, proxies });
  check(replayed);
  const { prices, commitment } = termsOf(replayed);
  const bill = billOf(replayed.sent, prices, commitment);
  const optimum = optimumOf(replayed.sent, prices, commitment);
  const list = listPriceOf(replayed.sent, prices.burst);
  const coveredPerHour = (Number(commitment.usdPerHour) * 100) / (100 - (commitment.discountPercent ?? 0));
  const shown = [coveredPerHour, bill.covered, bill.above, bill.burst, bill.total, optimum].map((usd) =>
    usd.toFixed(2),
  );
  const over = `${((bill.total / optimum - 1) * 100).toFixed(2)} %`;
  const below = `${((1 - bill.total / list) * 100).toFixed(1)} %`;
  print(row(commitment.usdPerHour ?? "", ...shown, over, list.toFixed(2), below));
  return { commitment: Number(commitment.usdPerHour), bill: bill.total, optimum, list };
}

/** The providers must have answered what was sent, no more and no less. */
function check({ sent, billed }: Replayed): void {
  const tokens = sent.reduce((sum, one) => sum + one.input + one.output, 0);
  if (billed.requests === sent.length && billed.tokens === tokens) return;
  throw new Error(
    `the providers billed ${billed.requests} requests of ${billed.tokens} tokens, not ${sent.length} of ${tokens}`,
  );
}

function termsOf({ table }: Replayed): { readonly prices: Prices; readonly commitment: Commitment } {
  const committed = table.providers[COMMITTED_PROVIDER]?.models[MODEL];
  const burst = table.providers["ai/openai"]?.models[MODEL];
  if (!committed?.commitment) throw new Error(`the manifest has no commitment of ${COMMITTED_PROVIDER}`);
  return {
    prices: { committed: committed.price as Price, burst: burst?.price as Price },
    commitment: committed.commitment,
  };
}

/** Moved so that the first request begins a window: which part of a minute the recording began in is chance. */
function beginningAtWindow(requests: readonly TraceRequest[], most: number): readonly TraceRequest[] {
  const first = requests[0]?.at ?? 0;
  const shift = first % 60_000;
  return requests.slice(0, most).map((one) => ({ ...one, at: one.at - shift }));
}

function row(...cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(9)).join(" ");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
