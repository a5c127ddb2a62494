/**
 * Can a stream that broke off be gone on with from another provider's answer?
 *
 * Only where what the caller has is nothing but the text of one answer, and all of it is known: two models never give
 * the same ids of tool calls or the same logprobs, and what is kept at a provider has an id that the caller knows by now.
 */
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import { KEPT_TEXT_BYTES } from "../sse/kept-text.ts";
import { streamProfileOf } from "../sse/profile.ts";
import type { UpstreamCall } from "./call.ts";

const LONGEST_FLAG_BYTES = 32;

/** The text that the caller has; undefined: nothing can go on from it. */
export function recoverableText(context: RequestContext, call: UpstreamCall): string | undefined {
  const { plan, body, exchange, choices, stored } = context;
  if (plan?.route.failover.streamRecovery !== "Splice" || call.mode !== "events" || call.refusal) return undefined;
  if (!body || body.rest || stored || choices !== 1) return undefined;
  if (streamProfileOf(exchange.operation) !== "chat") return undefined;
  const logprobs = scalarOf(body.scan, body.scan.fields.get("logprobs"), LONGEST_FLAG_BYTES);
  if (logprobs !== undefined && logprobs !== null && logprobs !== false) return undefined;
  const { events } = call;
  if (events.failure || events.ending || !events.onlyText || events.text.bytes > KEPT_TEXT_BYTES) return undefined;
  return JSON.parse(`"${events.text.kept.toString("utf8")}"`) as string;
}
