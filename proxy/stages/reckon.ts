/**
 * What did the answer cost?
 *
 * By the price of the backend that gave it and by what it used, once the request has ended. An answer whose cost cannot be
 * told is marked as unpriced and never counted as free.
 */
import { type Consumed, costOf, type Rates } from "../../routing/cost.ts";
import type { Received } from "../body/receive.ts";
import type { RequestContext } from "../context.ts";
import type { AttemptRecord, Exchange, Usage } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import { isOfAnotherTier, ranTools } from "../usage/beside.ts";

/** They answer with a number and make nothing. */
const NOT_PAID = new Set(["responses/input_tokens"]);
/** What they make can be asked for in other tiers and with tools. */
const HAS_TIERS = new Set(["chat/completions", "completions", "responses"]);
/** Their price is by the job, and told nowhere when they begin: half of the list price for batches. */
const JOBS = new Set(["batches", "fine_tuning/jobs"]);
/** A text to be spoken is short (OpenAI: 4096 letters); a larger body is not parsed to count them. */
const LONGEST_SPEECH_BYTES = 64 * 1024;

export function reckon(context: RequestContext): void {
  const { exchange, target } = context;
  if (exchange.attempts.length > 1) reckonAttempts(context);
  if (target && isJob(context)) exchange.unpriced = true;
  if (!target || !isPaid(context)) return;
  if (hasUnknownPart(exchange) || hasOtherPrice(context)) exchange.unpriced = true;
  price(context, target, exchange);
}

function isJob({ exchange, operation }: RequestContext): boolean {
  return (
    operation !== undefined && operation.method === "POST" && JOBS.has(operation.name) && exchange.outcome === "ok"
  );
}

/** A tier or tools that no price is known for. Its tokens still count, at list price: else a caller could ask for less to count. */
function hasOtherPrice({ call, operation }: RequestContext): boolean {
  if (call === undefined || operation === undefined || !HAS_TIERS.has(operation.name)) return false;
  return isOfAnotherTier(call.ending) || (operation.name === "responses" && ranTools(call.told()));
}

/** Attempts that were broken off are paid, too: each by the price of its own backend. */
function reckonAttempts(context: RequestContext): void {
  for (const attempt of context.exchange.attempts) {
    if (!attempt.usage) continue;
    const target = context.order.find(({ backend }) => backend.name === attempt.backend);
    if (target) price(context, target, attempt);
  }
}

/** An exchange, or one of its attempts. */
type Priced = Pick<AttemptRecord, "usage" | "cost" | "costKinds" | "unpriced">;

function price(context: RequestContext, { rates }: Target, priced: Priced): void {
  const cost = rates && costOf(rates, consumed(context, priced.usage, rates));
  if (cost) {
    priced.cost = cost.total;
    priced.costKinds = cost.kinds;
  } else priced.unpriced = true;
}

/** Whoever looks at an answer once more does not pay for it once more: such exchanges have no usage. */
function isPaid({ exchange, operation }: RequestContext): boolean {
  if (exchange.usage !== undefined) return true;
  return exchange.outcome === "ok" && operation?.handling === "inference" && !NOT_PAID.has(operation.name);
}

/** In a realtime session another model, which nobody names, may have transcribed what the caller said. */
function hasUnknownPart({ realtime, usage }: Exchange): boolean {
  return realtime?.transcribed !== undefined && !(realtime.responses === 0 && usage !== undefined);
}

function consumed(
  { operation, choices, body }: RequestContext,
  usage: Usage | undefined,
  rates: Rates,
): Consumed | undefined {
  if (operation?.name.startsWith("images/")) {
    return rates.image === undefined ? ofPictures(usage) : { ...NOTHING, images: choices };
  }
  if (operation?.name === "audio/speech") {
    return rates.character === undefined ? ofSound(usage, rates) : { ...NOTHING, characters: lettersOf(body) };
  }
  return usage;
}

const NOTHING: Usage = { input: 0, cachedInput: 0, output: 0, reasoning: 0 };

/** Where nobody says what the tokens are of, they are what was asked for. */
function ofPictures(usage: Usage | undefined): Usage | undefined {
  return usage?.imageOutput === undefined ? usage && { ...usage, imageOutput: usage.output } : usage;
}

function ofSound(usage: Usage | undefined, rates: Rates): Usage | undefined {
  if (usage === undefined || usage.audioOutput !== undefined || rates.audioOutput === undefined) return usage;
  return { ...usage, audioOutput: usage.output };
}

function lettersOf(body: Received | undefined): number {
  if (!body || body.rest || body.scan.length > LONGEST_SPEECH_BYTES) return 0;
  try {
    const { input } = JSON.parse(Buffer.concat(body.scan.chunks).toString("utf8")) as { input?: unknown };
    return typeof input === "string" ? Array.from(input).length : 0;
  } catch {
    return 0;
  }
}
