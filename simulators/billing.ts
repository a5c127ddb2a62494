/**
 * What does each answer cost, in integer nano-dollars?
 *
 * This is the provider's own bill: it shares no code and no price data with the gateway, so that the two can be
 * compared.
 */

import type { Usage } from "./call.ts";

/** Nano-dollars per million tokens: a list price of 2.50 USD is 2_500_000_000. */
interface Price {
  readonly input: bigint;
  readonly cachedInput: bigint;
  readonly output: bigint;
}

const MILLION = 1_000_000n;
const NANO_PER_USD = 1_000_000_000;

/** List prices of November 2026, OpenAI standard, which Azure's global deployments share. */
const PRICES: Readonly<Record<string, Price>> = {
  "gpt-4o": usd(2.5, 1.25, 10),
  "gpt-4o-mini": usd(0.15, 0.075, 0.6),
  "gpt-4.1": usd(2, 0.5, 8),
  "gpt-4.1-mini": usd(0.4, 0.1, 1.6),
  "gpt-4.1-nano": usd(0.1, 0.025, 0.4),
  "gpt-5": usd(1.25, 0.125, 10),
  "gpt-5-mini": usd(0.25, 0.025, 2),
  "gpt-5-nano": usd(0.05, 0.005, 0.4),
  "gpt-5.1": usd(1.25, 0.125, 10),
  o3: usd(2, 0.5, 8),
  "o4-mini": usd(1.1, 0.275, 4.4),
  "text-embedding-3-small": usd(0.02, 0.02, 0),
  "text-embedding-3-large": usd(0.13, 0.13, 0),
  "text-embedding-ada-002": usd(0.1, 0.1, 0),
  "gpt-3.5-turbo-instruct": usd(1.5, 1.5, 2),
};

/** Azure's data-zone deployments cost a tenth more than the list. */
const AZURE_PERCENT = 110n;

/** One line of the bill: all answers of one model or deployment. */
export interface BillLine {
  readonly model: string;
  readonly deployment?: string;
  requests: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  nanoUsd: bigint;
  /** Answers of a model without a price: counted, never taken for free. */
  unpriced: number;
}

export class Bill {
  readonly #lines = new Map<string, BillLine>();
  readonly #percent: bigint;

  constructor(provider: "openai" | "azure") {
    this.#percent = provider === "azure" ? AZURE_PERCENT : 100n;
  }

  /** `half`: as a line of a batch, at half the price. */
  add(model: string, deployment: string | undefined, usage: Usage, half = false): void {
    const line = this.#line(model, deployment);
    line.requests += 1;
    line.promptTokens += usage.promptTokens;
    line.cachedTokens += usage.cachedTokens;
    line.completionTokens += usage.completionTokens;
    const cost = costOf(model, usage, half ? this.#percent / 2n : this.#percent);
    if (cost === undefined) line.unpriced += 1;
    else line.nanoUsd += cost;
  }

  /** For JSON: nano-dollars as a decimal text, since they may pass 2^53. */
  show(): { currency: "USD"; totalNanoUsd: string; lines: readonly object[] } {
    const lines = [...this.#lines.values()];
    const total = lines.reduce((sum, line) => sum + line.nanoUsd, 0n);
    return {
      currency: "USD",
      totalNanoUsd: total.toString(),
      lines: lines.map((line) => ({ ...line, nanoUsd: line.nanoUsd.toString() })),
    };
  }

  reset(): void {
    this.#lines.clear();
  }

  #line(model: string, deployment: string | undefined): BillLine {
    const name = `${model} ${deployment ?? ""}`;
    let line = this.#lines.get(name);
    if (!line) {
      const counts = { requests: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0, nanoUsd: 0n, unpriced: 0 };
      line = { model, ...(deployment !== undefined && { deployment }), ...counts };
      this.#lines.set(name, line);
    }
    return line;
  }
}

/** Cost of one answer, rounded half up once. Undefined when the model has no price. */
function costOf(model: string, usage: Usage, percent: bigint): bigint | undefined {
  const price = PRICES[model];
  if (!price) return undefined;
  const fresh = BigInt(usage.promptTokens - usage.cachedTokens) * price.input;
  const cached = BigInt(usage.cachedTokens) * price.cachedInput;
  const output = BigInt(usage.completionTokens) * price.output;
  const scale = MILLION * 100n;
  return ((fresh + cached + output) * percent + scale / 2n) / scale;
}

function usd(input: number, cachedInput: number, output: number): Price {
  const nano = (price: number) => BigInt(Math.round(price * NANO_PER_USD));
  return { input: nano(input), cachedInput: nano(cachedInput), output: nano(output) };
}
