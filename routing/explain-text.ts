/**
 * How is an explanation told to a person at a terminal?
 */
import { NANO_PER_USD } from "./budgets/money.ts";
import { coverOf } from "./commitment.ts";
import { formatDuration } from "./duration.ts";
import type { ExplainedBackend, Explanation } from "./explain.ts";
import type { FoundPrice } from "./prices.ts";
import type { Commitment } from "./table.ts";

const FOUND_BY = {
  Name: "claims the model by name",
  Any: 'claims it by "*"',
} as const;

const MEASURED =
  "Latency: each proxy asks first who answers this caller's location fastest by its own measurements, which /status shows; without any, weights share as below";

/** Plain text, lines end in `\n`. */
export function explanationText(explanation: Explanation): string {
  return [
    ...head(explanation),
    ...tried(explanation),
    ...notTried(explanation),
    ...copied(explanation),
    ...prices(explanation),
    ...commitments(explanation),
    ...limits(explanation),
  ]
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
  if (explanation.rollout !== undefined) lines.push(explanation.rollout);
  lines.push(...residence(explanation), ...clientLimits(explanation), ...clientBudget(explanation));
  if (strategy === "Latency") lines.push(MEASURED);
  if (stickyKey !== undefined && strategy !== "Latency")
    lines.push(`Sticky: this caller's key always gives the order below`);
  if (refusal !== undefined) lines.push(`Would be refused: ${refusal.code}, ${refusal.message}`);
  return lines;
}

function residence({ residency, zones, route }: Explanation): string[] {
  if (residency === undefined) return [];
  if (route === undefined) return [`Residency ${residency}`];
  return [`Residency ${residency}: data may be processed in ${zones?.join(", ")}`];
}

function clientLimits({ limits: most }: Explanation): string[] {
  if (most === undefined) return [];
  const { requestsPerMinute, tokensPerMinute, maxConcurrent } = most;
  const parts = [
    requestsPerMinute !== undefined && `${requestsPerMinute} requests a minute`,
    tokensPerMinute !== undefined && `${tokensPerMinute} tokens a minute`,
    maxConcurrent !== undefined && `${maxConcurrent} at the same time`,
  ];
  return [`Limits of the client, over all proxies: ${parts.filter(Boolean).join(", ")}`];
}

function clientBudget({ budget }: Explanation): string[] {
  if (budget === undefined) return [];
  const then =
    budget.onExceeded === "Warn"
      ? "requests are served when it is spent, and its owner is told"
      : "requests are refused when it is spent";
  return [
    `Budget of the client: ${budget.usdPerMonth} USD a month; ${then} (what is spent stands in its status.usage)`,
  ];
}

function tried({ tried: backends, tokens }: Explanation): string[] {
  if (backends.length === 0) return [];
  const width = widest(backends);
  // How long a commitment lasts only a running proxy knows.
  const isPaid = ({ commitment, share }: ExplainedBackend) => commitment !== undefined && share > 0;
  const untilUsed = tokens !== undefined && backends.some(isPaid);
  return [
    "Would be tried, in this order:",
    ...backends.map((backend, i) => {
      const first = !untilUsed
        ? `first for ${percent(backend.share)}`
        : isPaid(backend)
          ? "first while paid"
          : "then by price";
      return `  ${i + 1}. ${describe(backend, width, first)}`;
    }),
  ];
}

function widest(backends: readonly { readonly backend: string }[]): number {
  return Math.max(...backends.map(({ backend }) => backend.length));
}

function describe(backend: ExplainedBackend, width: number, first: string): string {
  const only = backend.onlyFirst ? ", only when drawn first" : "";
  const share = first.padEnd("first for 100.0 %".length);
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

function copied({ shadow }: Explanation): string[] {
  if (shadow === undefined) return [];
  const { backend, percent: share, keptOut } = shadow;
  if (keptOut) return [`Not copied: the shadow ${backend} is ruled out for this request`];
  return [
    `Copied to ${backend} afterwards: ${share} % of such requests, where they keep nothing and have no side effects`,
  ];
}

/** What each price is for; those without a name are per million tokens. */
const AMOUNTS = {
  input: "input",
  cachedInput: "cached",
  output: "output",
  audioInput: "audio in",
  audioOutput: "audio out",
  imageInput: "image in",
  imageOutput: "image out",
  perImage: "per image",
  perMinute: "per minute",
  perMillionCharacters: "per million characters",
} as const;

function prices({ tried: able, skipped, tokens }: Explanation): string[] {
  const all = [...able, ...skipped];
  if (all.length === 0) return [];
  const width = widest(all);
  const lines = all.map(({ backend, price, expectedCost }) => {
    const cost = expectedCost === undefined ? "" : `: $${(expectedCost / NANO_PER_USD).toFixed(COST_DIGITS)}`;
    return `  ${backend.padEnd(width)}  ${price ? priceText(price) + cost : NO_PRICE}`;
  });
  if (tokens !== undefined) {
    const what = `of a request of ${tokens.input} tokens and an answer of ${tokens.output}`;
    return [`Prices in US dollars, of tokens per million, and the cost ${what}:`, ...lines];
  }
  return ["Prices in US dollars, of tokens per million:", ...lines];
}

const COST_DIGITS = 6;
const COVER_DIGITS = 4;
const NO_PRICE = "none: its answers count as unpriced, never as free";

function priceText({ price, source, date }: FoundPrice): string {
  const amounts = Object.entries(AMOUNTS).flatMap(([name, label]) => {
    const amount = price[name as keyof typeof AMOUNTS];
    return amount === undefined ? [] : [`${label} ${amount}`];
  });
  for (const { aboveContextTokens, input, output } of price.steps ?? []) {
    const step = [input && `input ${input}`, output && `output ${output}`].filter(Boolean).join(", ");
    amounts.push(`above ${aboveContextTokens} tokens of context ${step || "as below"}`);
  }
  return `${amounts.join(", ")} (${source === "Object" ? "source: Object" : `source: List of ${date}`})`;
}

function commitments({ tried: able, skipped, tokens }: Explanation): string[] {
  const committed = [...able, ...skipped].filter(({ commitment }) => commitment !== undefined);
  const then = tokens === undefined ? "" : ", asked first while it lasts";
  return committed.map(
    ({ backend, commitment }) => `Commitment of ${backend}: ${commitment ? coverText(commitment) : ""}${then}`,
  );
}

function coverText(commitment: Commitment): string {
  const { unit, perWindow, window } = coverOf(commitment);
  const each = `each window of ${formatDuration(window)}`;
  if (unit === "Tokens") return `${Math.floor(perWindow)} tokens in ${each}`;
  const { usdPerHour, discountPercent = 0 } = commitment;
  const list = `$${(perWindow / NANO_PER_USD).toFixed(COVER_DIGITS)} of list value in ${each}`;
  return `$${usdPerHour} an hour at a discount of ${discountPercent} % covers ${list}`;
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
