/**
 * What will this request use at a backend, and what is to be learned from it when it has ended?
 *
 * Nothing is counted here: a few multiplications, and for a large body one search for pictures in it.
 */
import type { Expected } from "../../routing/expected-cost.ts";
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import type { Target } from "../snapshot.ts";
import { ANSWER_BOUNDS } from "../stages/need.ts";
import { textBytes } from "../usage/text-bytes.ts";
import type { Guess, Learned } from "./learned.ts";

/** A smaller body has no picture worth telling apart. */
const SEARCHED_BYTES = 32 * 1024;
const LONGEST_NUMBER_BYTES = 16;

export interface Asked {
  readonly operation: string;
  readonly bytes: number;
  readonly choices: number;
  /** Tokens that an answer may have. */
  readonly bound: number;
}

export function askedOf(context: RequestContext): Asked {
  const { exchange, choices } = context;
  return { operation: exchange.operation ?? "", bytes: bytesOf(context), choices, bound: boundOf(context) };
}

export function expectedAt(target: Pick<Target, "learned">, { operation, bytes, choices, bound }: Asked): Expected {
  const { input, cachedInput, output } = target.learned?.guess(bytes) ?? NOTHING;
  return { operation, input, cachedInput, output: Math.min(output, bound) * choices, choices };
}

/** One that uses as much more than expected as is usual, and no more than it may. */
export function largerAt(target: Target, { operation, bytes, choices, bound }: Asked): Expected {
  const guess = target.learned?.guess(bytes) ?? NOTHING;
  const output = Math.min(guess.output + guess.outputSpread, bound) * choices;
  return { operation, input: guess.input + guess.inputSpread, cachedInput: guess.cachedInput, output, choices };
}

const NOTHING: Guess = { input: 0, cachedInput: 0, output: 0, inputSpread: 0, outputSpread: 0 };

/** Off the request's path: its usage is known. */
export function learn(context: RequestContext): void {
  const { target, exchange, choices } = context;
  if (!exchange.usage || !target) return;
  learnedAt(context, target)?.observe(bytesOf(context), choices, exchange.usage);
}

/** Where the strategy does not ask what requests use, a budget may. */
export function learnedAt({ exchange, client, services }: RequestContext, target: Target): Learned | undefined {
  if (target.learned || client?.budget === undefined) return target.learned;
  return services.strategies.learnedOf(exchange.route ?? "", target.modelName);
}

/** Of text. A form is a file and little else. */
function bytesOf(context: RequestContext): number {
  const { body, exchange } = context;
  if (!body) return 0;
  const { requestBytes } = exchange;
  if (requestBytes <= SEARCHED_BYTES || body.rest) return requestBytes;
  // Limits, budgets and strategies ask one after the other, and once more at the end.
  context.textBytes ??= textBytes(body.scan.chunks);
  return context.textBytes;
}

function boundOf({ body }: RequestContext): number {
  if (!body) return Number.POSITIVE_INFINITY;
  for (const name of ANSWER_BOUNDS) {
    const value = scalarOf(body.scan, body.scan.fields.get(name), LONGEST_NUMBER_BYTES);
    if (typeof value === "number" && value > 0) return value;
  }
  return Number.POSITIVE_INFINITY;
}
