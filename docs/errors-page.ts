/** How do people read which errors there are? As two tables, made from the proxy's own. */
import { FAILURE_RULES, type FailureOutcome, type FailureRule } from "../proxy/dialects/failure-rules.ts";
import { ERRORS } from "../proxy/errors.ts";

const NEXT: Readonly<Record<FailureOutcome, string>> = {
  rate_limited: "the next backend at once; the model is left alone",
  server_error: "again, then the next backend",
  config_error: "the next backend; the operator is told",
  client_error: "nobody else",
};

const RETRY: Readonly<Record<FailureRule["retry"], string>> = {
  never: "no",
  later: "after `retry-after-ms`, when that is at most 60 s",
  once: "unless Tandem has tried several times, or the provider asked for more than 60 s",
};

export function errorsPage(): string {
  return [
    "<!-- Generated from proxy/errors.ts and proxy/dialects/failure-rules.ts by `npm run generate`. Edit those, not this. -->",
    "",
    "# Errors",
    "",
    'Every failure, a provider\'s or Tandem\'s own, is `{"error": {"message", "type", "param", "code"}}` as OpenAI sends it; `x-tandem-error-origin` says',
    "whose it is. `x-should-retry` tells the official SDKs whether asking again can help, so that their attempts do not multiply those that Tandem",
    "has made.",
    "",
    "## Tandem's own",
    "",
    "| status | code | type | asking again helps | when |",
    "|---|---|---|---|---|",
    ...ownRows(),
    "",
    "One that came after several attempts, or that names a wait of more than 60 s, always says that asking again does not help.",
    "",
    "## A provider's",
    "",
    "Status, message, `type`, `param` and `code` are the provider's, and so is whatever else stands in its envelope (`innererror`,",
    "`content_filter_result`). What is missing is filled in: envelope-less answers, HTML and empty bodies become a message, an absent `type` the one",
    "below. Where the table shows another status or code, the provider's own code stands in `provider_code`. The first row that fits decides.",
    "",
    "| the provider answers | which means | who is asked next | the caller gets | `type` if there is none | asking again helps |",
    "|---|---|---|---|---|---|",
    ...FAILURE_RULES.map(providerRow),
    "",
    "An error inside an answer that began with 200 counts as 500, by its code.",
    "",
  ].join("\n");
}

function ownRows(): string[] {
  return Object.entries(ERRORS)
    .sort(([, a], [, b]) => a.status - b.status)
    .map(
      ([code, { status, type, retry, when }]) =>
        `| ${status} | \`${code}\` | \`${type}\` | ${retry ? "yes" : "no"} | ${when} |`,
    );
}

function providerRow(rule: FailureRule): string {
  const cells = [answered(rule), rule.what, NEXT[rule.outcome], shown(rule), `\`${rule.type}\``, RETRY[rule.retry]];
  return `| ${cells.join(" | ")} |`;
}

function answered({ status, codes, saying, param, enveloped, resource }: FailureRule): string {
  const facts = [typeof status === "number" ? String(status) : `${status[0]} to ${status[1]}`];
  if (codes) facts.push(codes.map((code) => `\`${code}\``).join(" or "));
  if (saying) facts.push(saying.map((text) => `“${text}…”`).join(" or "));
  if (param !== undefined) facts.push(`param \`${param}\``);
  if (enveloped === false) facts.push("without a JSON error");
  if (resource) facts.push("to a call that names a thing by its id");
  return facts.join(", ");
}

function shown({ instead, shown: { status, code, param } = {} }: FailureRule): string {
  if (instead) return `${ERRORS[instead].status} \`${instead}\``;
  const changes = [
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(code === undefined ? [] : [`code ${code === null ? "null" : `\`${code}\``}`]),
    ...(param === undefined ? [] : [`param \`${param}\``]),
  ];
  return changes.length === 0 ? "it" : `it, with ${changes.join(", ")}`;
}
