/**
 * Must a stream's tokens be counted here?
 *
 * Yes, when a provider has answered a call that costs tokens and its usage never came: the stream broke off, the caller
 * went away, or the API version cannot tell.
 */
import type { RequestContext } from "../context.ts";
import type { Usage } from "../exchange.ts";
import type { UpstreamCall } from "./call.ts";

/** Whose prompts and answers are text. */
const TEXT = new Set(["chat/completions", "completions", "responses"]);

/** Resolves when the exchange has its usage; undefined when there is nothing to wait for. Call when the answer has ended. */
export function countUsage(context: RequestContext): Promise<void> | undefined {
  const { call, exchange, counting } = context;
  const last = call && !exchange.usage ? counted(context, call) : undefined;
  const own = last?.then((usage) => {
    exchange.usage = usage;
  });
  return counting ? Promise.all([...counting, own]).then(() => undefined) : own;
}

/** Notes what the last attempt cost, whose answer broke off. Resolves when that is known. */
export async function noteBroken(context: RequestContext, call: UpstreamCall): Promise<void> {
  const record = context.exchange.attempts.at(-1);
  if (record) record.usage = call.usage() ?? (await counted(context, call));
}

/** Undefined: it is not a stream of text. */
function counted(context: RequestContext, call: UpstreamCall): Promise<Usage> | undefined {
  const { exchange, body, services } = context;
  if (call.mode !== "events" || !TEXT.has(exchange.operation ?? "")) return undefined;
  const { text } = call.events;
  return services.usage.estimate({
    request: body && !body.rest ? body.scan.chunks : [],
    requestBytes: exchange.requestBytes,
    answer: text.kept,
    answerBytes: text.bytes,
  });
}
