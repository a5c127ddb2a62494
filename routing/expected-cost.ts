/**
 * What will a request cost at a backend, about?
 *
 * From its price and from what such requests use. Compared within one tier: strategy Cost takes the lowest.
 */
import { type Cover, throughputOf } from "./commitment.ts";
import { type Consumed, costOf, type Rates } from "./cost.ts";

/** What a request is expected to use. */
export interface Expected {
  /** OpenAI's name of the operation. */
  readonly operation: string;
  readonly input: number;
  /** Part of `input`. */
  readonly cachedInput: number;
  readonly output: number;
  /** Answers asked for. */
  readonly choices: number;
}

/** Of sound whose length nobody knows yet; all backends are asked for the same. */
const SECONDS_OF_SOUND = 60;
/** Of a text to be spoken, per token. */
const LETTERS_PER_TOKEN = 4;

/** Nano-dollars. Infinity: unpriced, so it comes after everything that has a price. */
export function expectedCost(rates: Rates | undefined, expected: Expected): number {
  const cost = rates && costOf(rates, used(rates, expected));
  return cost?.total ?? Number.POSITIVE_INFINITY;
}

/** What is paid already comes before everything that costs something, or nothing. */
const PAID = -1;
/** At equal price a backend without a commitment goes first, so that the cover is left for what it is for. */
const TIE = 0.5;

/** What a request would take of a commitment, in its unit. Infinity: that cannot be told. */
export function amountOf(unit: Cover["unit"], rates: Rates | undefined, expected: Expected): number {
  return unit === "Tokens" ? throughputOf(expected) : expectedCost(rates, expected);
}

/** Strategy Cost's score of a backend. `covered`: whether its commitment covers the request; undefined: it has none. */
export function costScore(rates: Rates | undefined, expected: Expected, covered: boolean | undefined): number {
  if (covered) return PAID;
  return expectedCost(rates, expected) + (covered === undefined ? 0 : TIE);
}

/** What a price by the piece, minute or letter is for is counted so; everything else in tokens. */
function used(rates: Rates, { operation, input, cachedInput, output, choices }: Expected): Consumed {
  const nothing = { input: 0, cachedInput: 0, output: 0 };
  if (operation.startsWith("images/")) {
    if (rates.image !== undefined) return { ...nothing, images: choices };
    return { input, cachedInput, output, imageOutput: output };
  }
  if (operation === "audio/speech") {
    if (rates.character !== undefined) return { ...nothing, characters: input * LETTERS_PER_TOKEN };
    return { input, cachedInput, output, ...(rates.audioOutput !== undefined && { audioOutput: output }) };
  }
  if (operation.startsWith("audio/") && rates.second !== undefined) return { ...nothing, seconds: SECONDS_OF_SOUND };
  return { input, cachedInput, output: operation === "embeddings" ? 0 : output };
}
