/** What does the access log say of a copy? One line of its own, with the id of the request that was copied. */
import { NANO_PER_USD } from "../../routing/budgets/money.ts";
import { count, duration, flat, name, object, text } from "./json-line.ts";
import { type CopyRecord, isUnpriced } from "./shadow-counts.ts";

/** The line, with its line end. Durations in milliseconds; absent means unknown. */
export function shadowLine(copy: CopyRecord): string {
  const { usage, cost, aspects } = copy;
  let line = `{"time":"${new Date().toISOString()}","level":"info","msg":"shadow","kind":"${copy.side}"`;
  line += text(',"request_id":', copy.requestID);
  line += name(',"route":', copy.route);
  line += name(',"provider":', copy.provider);
  line += name(',"backend":', copy.backend);
  line += text(',"upstream_model":', copy.upstreamModel);
  line += text(',"provider_request_id":', copy.providerRequestID);
  line += count(',"status":', copy.status);
  line += duration(',"duration_ms":', copy.milliseconds);
  line += count(',"input_tokens":', usage?.input);
  line += count(',"output_tokens":', usage?.output);
  if (cost !== undefined) line += count(',"cost_usd":', cost / NANO_PER_USD);
  if (isUnpriced(copy)) line += ',"unpriced":true';
  if (aspects !== undefined) line += object(',"differs":', aspects);
  return flat(`${line}}\n`);
}
