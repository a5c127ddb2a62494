/**
 * Must a stream's tokens be counted here?
 *
 * Yes, when a provider has answered a call that costs tokens and its usage never came: the stream broke off, the caller
 * went away, or the API version cannot tell.
 */
import type { RequestContext } from "../context.ts";

/** Whose prompts and answers are text. */
const TEXT = new Set(["chat/completions", "completions", "responses"]);

/** Resolves when the exchange has its usage; undefined when there is nothing to wait for. Call when the answer has ended. */
export function countUsage(context: RequestContext): Promise<void> | undefined {
  const { call, exchange, body, services } = context;
  if (call?.mode !== "events" || exchange.usage || !TEXT.has(exchange.operation ?? "")) return undefined;
  const { text } = call.events;
  const said = {
    request: body && !body.rest ? body.scan.chunks : [],
    requestBytes: exchange.requestBytes,
    answer: text.kept,
    answerBytes: text.bytes,
  };
  return services.usage.estimate(said).then((usage) => {
    exchange.usage = usage;
  });
}
