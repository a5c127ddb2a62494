/**
 * What does an answer cost?
 *
 * In nano-dollars (billionths), rounded once for each kind of thing that is counted, so that sums are whole numbers. Where
 * something was counted that has no price, the whole is unpriced: a part would look like the whole.
 */
import { NANO_PER_USD } from "./budgets/money.ts";
import type { Price, PriceStep } from "./table.ts";

/** What is paid for. They do not overlap: `input` is without what was cached, sound or pictures. */
export const COST_KINDS = [
  "input",
  "cached_input",
  "output",
  "audio_input",
  "audio_output",
  "image_input",
  "image_output",
  "images",
  "audio_minutes",
  "characters",
] as const;
export type CostKind = (typeof COST_KINDS)[number];

/** What an answer used. `cachedInput`, `audioInput`, `imageInput` are part of `input`, the others of `output`. */
export interface Consumed {
  readonly input: number;
  readonly cachedInput: number;
  readonly output: number;
  readonly audioInput?: number;
  readonly audioOutput?: number;
  readonly imageInput?: number;
  readonly imageOutput?: number;
  /** Pictures made. */
  readonly images?: number;
  /** Of sound, where that is what the provider counts. */
  readonly seconds?: number;
  /** Of text to be spoken. */
  readonly characters?: number;
}

export interface Cost {
  /** Nano-dollars: the sum of `kinds`. */
  readonly total: number;
  readonly kinds: Readonly<Partial<Record<CostKind, number>>>;
}

/** A price made ready to reckon with: nano-dollars for one token, picture, second or character. */
export interface Rates {
  readonly tokens: TokenRates;
  /** Smallest first; each is the whole of its prices. */
  readonly steps: readonly { readonly above: number; readonly tokens: TokenRates }[];
  readonly audioInput?: number;
  readonly audioOutput?: number;
  readonly imageInput?: number;
  readonly imageOutput?: number;
  readonly image?: number;
  readonly second?: number;
  readonly character?: number;
  /** Every price is zero: what was not counted costs nothing either. */
  readonly isFree: boolean;
}

export interface TokenRates {
  readonly input?: number;
  readonly cachedInput?: number;
  readonly output?: number;
}

const MILLION = 1_000_000;
const SECONDS_PER_MINUTE = 60;

export function ratesOf(price: Price): Rates {
  const { steps = [], ...amounts } = price;
  const levels: { above: number; tokens: TokenRates }[] = [];
  let below: PriceStep = { aboveContextTokens: 0, ...price };
  for (const step of steps) {
    below = { ...below, ...step };
    levels.push({ above: step.aboveContextTokens, tokens: tokenRates(below) });
  }
  return {
    tokens: tokenRates(price),
    steps: levels,
    ...defined({
      audioInput: rate(price.audioInput, MILLION),
      audioOutput: rate(price.audioOutput, MILLION),
      imageInput: rate(price.imageInput, MILLION),
      imageOutput: rate(price.imageOutput, MILLION),
      image: rate(price.perImage, 1),
      second: rate(price.perMinute, SECONDS_PER_MINUTE),
      character: rate(price.perMillionCharacters, MILLION),
    }),
    isFree: Object.values(amounts).every((amount) => Number(amount) === 0),
  };
}

function tokenRates({ input, cachedInput = input, output }: Price | PriceStep): TokenRates {
  return defined({
    input: rate(input, MILLION),
    cachedInput: rate(cachedInput, MILLION),
    output: rate(output, MILLION),
  });
}

function rate(usd: string | undefined, units: number): number | undefined {
  return usd === undefined ? undefined : (Number(usd) * NANO_PER_USD) / units;
}

function defined<T extends object>(members: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}

/** The rates of tokens for a request with so long an input. */
export function tokenRatesAt({ tokens, steps }: Rates, input: number): TokenRates {
  let rates = tokens;
  for (const step of steps) if (input > step.above) rates = step.tokens;
  return rates;
}

/** Undefined: unpriced. `consumed` undefined: nothing is known of what was used. */
export function costOf(rates: Rates, consumed: Consumed | undefined): Cost | undefined {
  const bill = new Bill();
  if (consumed) addTo(bill, rates, consumed);
  if (!bill.counted) return rates.isFree ? FREE : undefined;
  return bill.isPriced ? { total: bill.total, kinds: bill.kinds } : undefined;
}

const FREE: Cost = { total: 0, kinds: {} };

class Bill {
  readonly kinds: Partial<Record<CostKind, number>> = {};
  total = 0;
  /** Something was used. */
  counted = false;
  /** All that was used has a price. */
  isPriced = true;

  add(kind: CostKind, count: number, each: number | undefined): void {
    if (count <= 0) return;
    this.counted = true;
    if (each === undefined) {
      this.isPriced = false;
      return;
    }
    const cost = Math.round(count * each);
    this.kinds[kind] = cost;
    this.total += cost;
  }
}

function addTo(bill: Bill, rates: Rates, used: Consumed): void {
  const { input, cachedInput, output } = tokenRatesAt(rates, used.input);
  const audioInput = used.audioInput ?? 0;
  const audioOutput = used.audioOutput ?? 0;
  // Pictures that a model looks at are tokens of text to most price lists.
  const imageInput = rates.imageInput === undefined ? 0 : (used.imageInput ?? 0);
  const text = used.input - audioInput - imageInput;
  // What is cached beyond the text is sound or picture, and nobody says how much of it: it costs its full price.
  const cached = Math.min(used.cachedInput, text);
  const imageOutput = rates.imageOutput === undefined ? 0 : (used.imageOutput ?? 0);
  bill.add("input", text - cached, input);
  bill.add("cached_input", cached, cachedInput);
  bill.add("output", used.output - audioOutput - imageOutput, output);
  bill.add("audio_input", audioInput, rates.audioInput);
  bill.add("audio_output", audioOutput, rates.audioOutput);
  bill.add("image_input", imageInput, rates.imageInput);
  bill.add("image_output", imageOutput, rates.imageOutput);
  bill.add("images", priced(rates.image, used.images), rates.image);
  bill.add("audio_minutes", used.seconds ?? 0, rates.second);
  bill.add("characters", priced(rates.character, used.characters), rates.character);
}

/** Pictures and letters are counted whether they are paid for or their tokens are. */
function priced(each: number | undefined, count: number | undefined): number {
  return each === undefined ? 0 : (count ?? 0);
}
