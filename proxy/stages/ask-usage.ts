/**
 * Does Tandem ask for a stream's usage where its caller did not?
 *
 * Only so are tokens of a chat stream known. The chunk that then comes is withheld, so that the caller sees the stream
 * that it asked for.
 */
import type { Edit } from "../body/edits.ts";
import { askingForUsage } from "../body/usage-option.ts";
import type { RequestContext } from "../context.ts";
import { fieldRulesAt, type Target } from "../snapshot.ts";
import { streamProfileOf } from "../sse/profile.ts";
import type { Failure } from "./settled.ts";

/** They refused `stream_options` that the caller had not written. */
const refusing = new WeakSet<Target>();

/** What is to be changed of the body; undefined: nothing. */
export function usageEdit(context: RequestContext, target: Target): Edit | undefined {
  const { exchange, body, operation } = context;
  if (!exchange.stream || !body || body.rest || streamProfileOf(exchange.operation) !== "chat") return undefined;
  // What it would have to leave out, Tandem does not put in.
  if (refusing.has(target) || (operation && fieldRulesAt(target, operation)?.has("stream_options"))) return undefined;
  // Azure OpenAI On Your Data refuses it (https://github.com/openai/openai-python/issues/2296).
  if (body.scan.fields.has("data_sources")) return undefined;
  return askingForUsage(body.scan);
}

/** Whether a target refused what only Tandem had asked for. It is not asked again until the next table. */
export function refusedUsageOption(target: Target, failure: Failure): boolean {
  if (failure.outcome !== "client_error" || !failure.error?.shown.body.includes("stream_options")) return false;
  refusing.add(target);
  return true;
}
