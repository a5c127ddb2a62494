/**
 * How is an explanation told to a person at a terminal?
 */
import { formatDuration } from "./duration.ts";
import type { ExplainedBackend, Explanation } from "./explain.ts";

const FOUND_BY = {
  Name: "claims the model by name",
  Any: 'claims it by "*"',
} as const;

/** Plain text, lines end in `\n`. */
export function explanationText(explanation: Explanation): string {
  return [...head(explanation), ...tried(explanation), ...notTried(explanation), ...limits(explanation)]
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}

function head(explanation: Explanation): string[] {
  const { request, namespace, client, route, foundBy, strategy, stickyKey, refusal } = explanation;
  const caller = client === undefined ? "without a client" : `client ${client}`;
  const lines = [`Model ${request.model}, asked from namespace ${namespace}, ${caller}`];
  if (route !== undefined && foundBy !== undefined) {
    lines.push(`Route ${route} ${FOUND_BY[foundBy]}; strategy ${strategy}`);
  }
  lines.push(...residence(explanation));
  if (stickyKey !== undefined) lines.push(`Sticky: this caller's key always gives the order below`);
  if (refusal !== undefined) lines.push(`Would be refused: ${refusal.code}, ${refusal.message}`);
  return lines;
}

function residence({ residency, zones, route }: Explanation): string[] {
  if (residency === undefined) return [];
  if (route === undefined) return [`Residency ${residency}`];
  return [`Residency ${residency}: data may be processed in ${zones?.join(", ")}`];
}

function tried({ tried: backends }: Explanation): string[] {
  if (backends.length === 0) return [];
  const width = widest(backends);
  return ["Would be tried, in this order:", ...backends.map((backend, i) => `  ${i + 1}. ${describe(backend, width)}`)];
}

function widest(backends: readonly { readonly backend: string }[]): number {
  return Math.max(...backends.map(({ backend }) => backend.length));
}

function describe(backend: ExplainedBackend, width: number): string {
  const only = backend.onlyFirst ? ", only when drawn first" : "";
  const share = `first for ${percent(backend.share)}`.padEnd("first for 100.0 %".length);
  return `${backend.backend.padEnd(width)}  ${share}  ${target(backend)}${only}${places(backend)}`;
}

function places({ concurrency }: ExplainedBackend): string {
  if (concurrency === undefined) return "";
  const { max, queue } = concurrency;
  return `, at most ${max} calls at once from a proxy${queue > 0 ? ` and ${queue} waiting` : ""}`;
}

function target({ provider, upstreamKind, upstreamModel, priority, weight }: ExplainedBackend): string {
  return `AIProvider ${provider}, ${upstreamKind} ${upstreamModel}, priority ${priority}, weight ${weight}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function notTried({ skipped, excluded }: Explanation): string[] {
  const lines: string[] = [];
  if (skipped.length > 0) lines.push("Skipped now:");
  for (const backend of skipped) lines.push(`  ${backend.backend}: ${backend.reason} (${target(backend)})`);
  if (excluded.length > 0) lines.push("Ruled out:");
  for (const { backend, reason, message } of excluded) lines.push(`  ${backend}: ${reason}, ${message}`);
  return lines;
}

function limits({ failover, tried }: Explanation): string[] {
  if (failover === undefined) return [];
  const again = `a backend that fails is asked again ${times(failover.retrySameProvider)}`;
  const next = failover.fallbackToNext ? "then the next one" : "no other is asked";
  const budget = `at most ${failover.maxAttempts} attempts within ${formatDuration(failover.maxDuration)}`;
  const lines = [`Failover: ${budget}; ${again}, ${next}`];
  if (tried.length < 2) return lines;
  const { hedgeAfter, streamRecovery } = failover;
  if (hedgeAfter !== undefined) {
    const when = `after ${formatDuration(hedgeAfter)} without a byte`;
    lines.push(`Hedging: ${when} the next one is asked too, the first answer counts and both are paid`);
  }
  if (streamRecovery === "Splice") {
    lines.push(
      "Broken streams: the next one is asked again, and goes on where its answer begins with what the caller has",
    );
  }
  return lines;
}

function times(count: number): string {
  if (count === 0) return "never";
  return count === 1 ? "once" : `${count} times`;
}
