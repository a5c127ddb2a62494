/** What does the access log say of a copy? One line of its own, with the id of the request that was copied. */
import { NANO_PER_USD } from "../../routing/budgets/money.ts";
import { escapeControls } from "./log.ts";
import { type CopyRecord, isUnpriced } from "./shadow-counts.ts";

/** Characters kept of what a caller can choose. */
const MAX_TEXT = 256;

/** With its line end. Absent means unknown. */
export function shadowLine(copy: CopyRecord): string {
  const line = {
    time: new Date().toISOString(),
    level: "info",
    msg: "shadow",
    kind: copy.side,
    request_id: copy.requestID,
    route: copy.route,
    provider: copy.provider,
    backend: copy.backend,
    upstream_model: copy.upstreamModel.slice(0, MAX_TEXT),
    provider_request_id: copy.providerRequestID,
    status: copy.status,
    duration_ms: Math.round(copy.milliseconds * 1000) / 1000,
    input_tokens: copy.usage?.input,
    output_tokens: copy.usage?.output,
    cost_usd: copy.cost === undefined ? undefined : copy.cost / NANO_PER_USD,
    unpriced: isUnpriced(copy) || undefined,
    differs: copy.aspects,
  };
  return `${escapeControls(JSON.stringify(line))}\n`;
}
