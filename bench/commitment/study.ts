/**
 * What does one commitment cost and cover, for this trace and so many proxies?
 *
 * Manifest 06 over the quickstart, as they are but for the amount of the commitment and, if asked for, a lower price of the
 * backend that takes the burst: at equal prices what is above a commitment costs no more there than elsewhere, and would not show.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Commitment, Price } from "../../routing/table.ts";
import { type Bill, billOf, listPriceOf, optimumOf, type Prices } from "./bill.ts";
import { type Replayed, replay } from "./replay.ts";
import type { TraceRequest } from "./trace.ts";

const EXAMPLES = resolve(import.meta.dirname, "..", "..", "examples");
const COMMITTED_PROVIDER = "ai/azure-committed";
const BURST_PROVIDER = "ai/openai";
const MODEL = "gpt-4o";
/** Texts of the manifests. */
const AS_WRITTEN = { file: "06-cost.yaml", usdPerHour: 'usdPerHour: "60.00"' };
const BURST = { file: "01-two-providers.yaml", price: 'price: {input: "2.50", cachedInput: "1.25", output: "10.00"}' };
export const WRITTEN_USD_PER_HOUR = 60;

export interface Case {
  readonly usdPerHour: number;
  readonly trace: readonly TraceRequest[];
  readonly proxies: number;
  /** Of the list price, what the burst costs. */
  readonly burstPercent: number;
}

/** US dollars, for the time of the trace. */
export interface Point extends Bill {
  readonly usdPerHour: number;
  readonly coversPerHour: number;
  readonly optimum: number;
  /** Everything at the price of the burst, without a commitment. */
  readonly list: number;
}

export async function measure({ usdPerHour, trace, proxies, burstPercent }: Case): Promise<Point> {
  const folder = mkdtempSync(join(tmpdir(), "tandem-commitment-"));
  try {
    const quickstart = join(folder, "quickstart");
    const manifest = join(folder, AS_WRITTEN.file);
    cpSync(join(EXAMPLES, "quickstart"), quickstart, { recursive: true });
    cpSync(join(EXAMPLES, AS_WRITTEN.file), manifest);
    if (usdPerHour !== WRITTEN_USD_PER_HOUR) {
      rewrite(manifest, AS_WRITTEN.usdPerHour, `usdPerHour: "${usdPerHour.toFixed(2)}"`);
    }
    if (burstPercent !== 100) rewrite(join(quickstart, BURST.file), BURST.price, priceAt(burstPercent));
    const replayed = await replay({ manifests: [quickstart, manifest], trace, proxies });
    check(replayed);
    return pointOf(replayed, usdPerHour);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function pointOf(replayed: Replayed, usdPerHour: number): Point {
  const { prices, commitment } = termsOf(replayed);
  return {
    ...billOf(replayed.sent, prices, commitment),
    usdPerHour,
    coversPerHour: (usdPerHour * 100) / (100 - (commitment.discountPercent ?? 0)),
    optimum: optimumOf(replayed.sent, prices, commitment),
    list: listPriceOf(replayed.sent, prices.burst),
  };
}

/** By how much the bill is above the offline optimum. */
export function overPercent({ total, optimum }: Point): number {
  return (total / optimum - 1) * 100;
}

/** By how much the bill is below everything at list price. */
export function belowPercent({ total, list }: Point): number {
  return (1 - total / list) * 100;
}

/** List value that the committed backend was given above its commitment, of what the commitment covered. */
export function excessPercent({ above, covered }: Point): number {
  return covered === 0 ? 0 : (above / covered) * 100;
}

function rewrite(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from)) throw new Error(`${file} does not say: ${from}`);
  writeFileSync(file, text.replace(from, to));
}

function priceAt(percent: number): string {
  const [input, cachedInput, output] = [2.5, 1.25, 10].map((usd) => ((usd * percent) / 100).toFixed(4));
  return `price: {input: "${input}", cachedInput: "${cachedInput}", output: "${output}"}`;
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
  const burst = table.providers[BURST_PROVIDER]?.models[MODEL];
  if (!committed?.commitment) throw new Error(`the manifest has no commitment of ${COMMITTED_PROVIDER}`);
  return {
    prices: { committed: committed.price as Price, burst: burst?.price as Price },
    commitment: committed.commitment,
  };
}
