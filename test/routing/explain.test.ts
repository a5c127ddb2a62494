import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, type HypotheticalRequest } from "../../routing/explain.ts";
import { explanationText } from "../../routing/explain-text.ts";
import type { Price } from "../../routing/table.ts";
import type { Verdict } from "../../routing/verdict.ts";
import { backend, client, provider, route, table } from "./sample-table.ts";

const canary = table(
  [provider("ai/openai", "OpenAI", ["gpt-4o", "gpt-4o-mini"]), provider("ai/azure", "AzureOpenAI", ["gpt-4o"])],
  [
    route("ai/gpt-4o", ["gpt-4o"], {
      backends: [backend("openai", { weight: 90 }), backend("azure", { weight: 10 }), backend("gone", { priority: 2 })],
      sticky: [{ header: "x-session-id" }, { bodyField: "user" }],
    }),
    route("ai/any", ["*"], { backends: [backend("azure")] }),
    route("ai/held", ["held"], { backends: [] }),
    route("ai/careful", ["careful"], {
      backends: [
        backend("openai", { weight: 95, model: "gpt-4o" }),
        backend("azure", { weight: 5, failover: "Never", model: "gpt-4o" }),
      ],
    }),
  ],
  [client("ai/demo"), client("ai/narrow", { models: ["gpt-4o-mini"] })],
);

const ask = (model: string, part: Partial<HypotheticalRequest> = {}): HypotheticalRequest => ({
  namespace: "ai",
  model,
  ...part,
});

const circuitOpen = {
  unavailable: [{ provider: "ai/openai", model: "gpt-4o", reason: "circuit open for 42s more" }],
};

test("a canary: both backends with their shares, and what is ruled out", () => {
  const told = explain(canary, ask("gpt-4o", { client: "demo" }));
  assert.equal(told.client, "ai/demo");
  assert.equal(told.route, "ai/gpt-4o");
  assert.equal(told.foundBy, "Name");
  assert.deepEqual(
    told.tried.map((b) => [b.backend, b.share, b.upstreamKind, b.upstreamModel]),
    [
      ["openai", 0.9, "model", "gpt-4o"],
      ["azure", 0.1, "deployment", "gpt-4o-prod"],
    ],
  );
  assert.deepEqual(
    told.excluded.map((e) => [e.backend, e.reason]),
    [["gone", "ProviderGone"]],
  );
  assert.equal(told.refusal, undefined);
});

test("a canary with a failing primary: it is skipped and the canary takes all", () => {
  const told = explain(canary, ask("gpt-4o"), circuitOpen);
  assert.deepEqual(
    told.tried.map((b) => [b.backend, b.share]),
    [["azure", 1]],
  );
  assert.deepEqual(
    told.skipped.map((b) => [b.backend, b.share, b.reason]),
    [["openai", 0, "circuit open for 42s more"]],
  );
});

test("the text of a canary with a failing primary", () => {
  const text = explanationText(explain(canary, ask("gpt-4o", { client: "demo" }), circuitOpen));
  assert.equal(
    text,
    `Model gpt-4o, asked from namespace ai, client ai/demo
Route ai/gpt-4o claims the model by name; strategy Weighted
Would be tried, in this order:
  1. azure  first for 100.0 %  AIProvider ai/azure, deployment gpt-4o-prod, priority 1, weight 10
Skipped now:
  openai: circuit open for 42s more (AIProvider ai/openai, model gpt-4o, priority 1, weight 90)
Ruled out:
  gone: ProviderGone, AIProvider ai/gone is not in force
Prices in US dollars, of tokens per million:
  azure   none: its answers count as unpriced, never as free
  openai  input 2.5, cached 1.25, output 10 (source: List of 2026-11-23)
Failover: at most 4 attempts within 1m; a backend that fails is asked again once, then the next one
`,
  );
});

test("strategy Cost: in the order of what a request would cost, with the cost of each", () => {
  const priced = (key: string, price: Price) => {
    const made = provider(key, "OpenAI", ["m"]);
    return { ...made, models: { m: { upstream: "m", price } } };
  };
  const costly = table(
    [
      priced("ai/in", { input: "1", output: "20" }),
      priced("ai/out", { input: "3", output: "10" }),
      provider("ai/none", "OpenAI", ["m"]),
    ],
    [
      route("ai/m", ["m"], { strategy: "Cost", backends: [backend("none"), backend("out"), backend("in")] }),
      route("ai/strict", ["m2"], {
        strategy: "Cost",
        cost: { unpriced: "Exclude" },
        backends: [backend("none", { model: "m" }), backend("in", { model: "m" })],
      }),
    ],
  );
  const told = (tokens?: HypotheticalRequest["tokens"]) =>
    explain(costly, ask("m", tokens && { tokens })).tried.map((b) => [b.backend, b.share, b.expectedCost]);
  assert.deepEqual(told(), [
    ["out", 1, 5_500_000],
    ["in", 0, 6_000_000],
    ["none", 0, undefined],
  ]);
  assert.deepEqual(told({ output: 100 }), [
    ["in", 1, 3_000_000],
    ["out", 0, 4_000_000],
    ["none", 0, undefined],
  ]);
  const failing = { unavailable: [{ provider: "ai/out", reason: "circuit open" }] };
  assert.deepEqual(
    explain(costly, ask("m"), failing).tried.map((b) => [b.backend, b.share]),
    [
      ["in", 1],
      ["none", 0],
    ],
  );
  assert.deepEqual(
    explain(costly, ask("m2")).excluded.map((e) => [e.backend, e.reason]),
    [["none", "Unpriced"]],
  );
});

test("a limit of calls at once is told where it holds", () => {
  const openai = { ...provider("ai/openai", "OpenAI", ["gpt-4o"]), concurrency: { max: 200, queue: 50 } };
  const azure = { ...provider("ai/azure", "AzureOpenAI", ["gpt-4o"]), concurrency: { max: 10, queue: 0 } };
  const both = [backend("openai"), backend("azure", { priority: 2 })];
  const told = explain(table([openai, azure], [route("ai/gpt-4o", ["gpt-4o"], { backends: both })], []), ask("gpt-4o"));
  assert.match(explanationText(told), /openai .*, at most 200 calls at once from a proxy and 50 waiting\n/);
  assert.match(explanationText(told), /azure .*, at most 10 calls at once from a proxy\n/);
});

test("a shadow is told, and that it gets nothing of a caller whose data may not go there", () => {
  const openai = { ...provider("ai/openai", "OpenAI", ["gpt-4o"]), zones: ["EU" as const] };
  const azure = provider("ai/azure", "AzureOpenAI", ["gpt-4o"]);
  const part = {
    backends: [backend("openai"), backend("azure", { weight: 0 })],
    shadow: { backend: "azure", percent: 20, maxInFlight: 32 },
  };
  const shadowed = table([openai, azure], [route("ai/gpt-4o", ["gpt-4o"], part)], []);
  assert.match(explanationText(explain(shadowed, ask("gpt-4o"))), /Copied to azure afterwards: 20 % /);
  const european = explain(shadowed, ask("gpt-4o", { residency: "EU" }));
  assert.deepEqual(european.shadow, { backend: "azure", percent: 20, keptOut: true });
  assert.match(explanationText(european), /Not copied: the shadow azure is ruled out/);
});

test("hedging is told with its price, where there is somebody to ask", () => {
  const failover = {
    retrySameProvider: 0,
    fallbackToNext: true,
    maxAttempts: 4,
    maxDuration: 60_000,
    hedgeAfter: 2000,
  };
  const backoff = { base: 250, max: 4000 };
  const told = (change: object) => {
    const backends = [backend("openai"), backend("azure", { priority: 2 })];
    const one = route("ai/gpt-4o", ["gpt-4o"], { backends, failover: { ...failover, backoff, ...change } });
    const both = [provider("ai/openai", "OpenAI", ["gpt-4o"]), provider("ai/azure", "AzureOpenAI", ["gpt-4o"])];
    return explanationText(explain(table(both, [one], []), ask("gpt-4o")));
  };
  const line =
    "Hedging: after 2s without a byte the next one is asked too, the first answer counts and both are paid\n";
  assert.ok(told({}).endsWith(line));
  assert.doesNotMatch(told({ fallbackToNext: false }), /Hedging/);
});

test("a hint about another model of the provider skips nothing", () => {
  const other = { unavailable: [{ provider: "ai/openai", model: "gpt-4o-mini", reason: "429" }] };
  assert.deepEqual(explain(canary, ask("gpt-4o"), other).skipped, []);
});

test("a backend that never fails over is told with its share, and does not take over", () => {
  const told = explain(canary, ask("careful"));
  assert.deepEqual(
    told.tried.map((b) => [b.backend, b.onlyFirst, Math.round(b.share * 100)]),
    [
      ["openai", false, 95],
      ["azure", true, 5],
    ],
  );
  assert.match(explanationText(told), /azure .* only when drawn first/);
  // Where azure is drawn it answers; the 95 % find nobody.
  const failing = explain(canary, ask("careful"), circuitOpen);
  assert.deepEqual(
    failing.tried.map((b) => [b.backend, Math.round(b.share * 100)]),
    [["azure", 5]],
  );
});

test("a sticky key gives its own order, from a header in any case, a field, or as given", () => {
  const byHeader = explain(canary, ask("gpt-4o", { headers: { "X-Session-ID": "s-1" } }));
  const byField = explain(canary, ask("gpt-4o", { fields: { user: "s-1" } }));
  const given = explain(canary, ask("gpt-4o", { stickyKey: "s-1" }));
  assert.equal(byHeader.stickyKey, "s-1");
  const order = (e: typeof byHeader) => e.tried.map((b) => b.backend);
  assert.deepEqual(order(byHeader), order(byField));
  assert.deepEqual(order(byHeader), order(given));
  const firsts = new Set(
    Array.from({ length: 60 }, (_, i) => explain(canary, ask("gpt-4o", { stickyKey: `k${i}` })).tried[0]?.backend),
  );
  assert.deepEqual([...firsts].sort(), ["azure", "openai"]);
});

test("who would be refused is told why, in the words of the answer", () => {
  const refusal = (request: HypotheticalRequest) => explain(canary, request).refusal;
  assert.deepEqual(refusal(ask("gpt-4o", { client: "narrow" })), {
    code: "model_not_found",
    message: "AIClient ai/narrow may not ask for gpt-4o: its spec.models does not name it",
  });
  assert.equal(refusal(ask("gpt-4o", { client: "nobody" }))?.code, "invalid_api_key");
  assert.deepEqual(refusal({ namespace: "elsewhere", model: "gpt-4o" }), {
    code: "model_not_found",
    message: "no route serves model gpt-4o for namespace elsewhere",
  });
  // Under "*" an Azure provider serves only what it lists.
  assert.equal(refusal(ask("o9"))?.code, "model_not_found");
  assert.equal(refusal(ask("held"))?.code, "no_backend_available");
  const allOut = { unavailable: [{ provider: "ai/azure", reason: "unhealthy" }, ...circuitOpen.unavailable] };
  assert.equal(explain(canary, ask("gpt-4o"), allOut).refusal?.code, "no_backend_available");
  assert.match(explanationText(explain(canary, ask("held"))), /^Would be refused: no_backend_available, /m);
});

test("residency rules backends out before anything else, and says so", () => {
  const sweden = provider("ai/azure", "AzureOpenAI", ["gpt-4o"]);
  const models = { "gpt-4o": { upstream: "gpt-4o-prod", zones: ["EU" as const] } };
  const compliance = {
    rules: [{ residency: "US" as const, allow: ["US" as const, "EU" as const] }],
    unknownResidency: "Deny" as const,
  };
  const t = table(
    [provider("ai/openai", "OpenAI", ["gpt-4o"]), { ...sweden, models }],
    [route("ai/gpt-4o", ["gpt-4o"], { backends: [backend("openai"), backend("azure", { priority: 2 })], compliance })],
    [client("ai/european", { residency: "EU" })],
  );
  const european = explain(t, ask("gpt-4o", { client: "european", residency: "US" }));
  assert.deepEqual([european.residency, european.zones], ["EU", ["EU"]]);
  assert.deepEqual(
    european.tried.map((b) => [b.backend, b.share]),
    [["azure", 1]],
  );
  const lines = explanationText(european).split("\n");
  assert.ok(lines.includes("Residency EU: data may be processed in EU"));
  assert.ok(
    lines.includes(
      "  openai: ResidencyNotAllowed, residency EU allows EU, and AIProvider ai/openai processes anywhere",
    ),
  );
  assert.deepEqual(explain(t, ask("gpt-4o", { residency: "US" })).zones, ["US", "EU"]);
  assert.equal(explain(t, ask("gpt-4o", { residency: "APAC" })).refusal?.code, "residency_unsatisfiable");
  assert.equal(explain(t, ask("gpt-4o")).refusal?.code, "residency_unsatisfiable");
});

test("verdicts tell why something is not in the table", () => {
  const verdict = (kind: Verdict["kind"], name: string, reason: string): Verdict => ({
    kind,
    namespace: "ai",
    name,
    generation: 1,
    conditions: [
      { type: "Accepted", status: "True", reason: "Accepted", message: "" },
      { type: "ResolvedRefs", status: "False", reason, message: `spec.x: ${reason} told.` },
    ],
    columns: {},
  });
  const verdicts = [
    verdict("AIProvider", "gone", "SecretNotFound"),
    verdict("AIRoute", "held", "Invalid"),
    verdict("AIClient", "lost", "PlaceholderValue"),
  ];
  const excluded = explain(canary, ask("gpt-4o"), { verdicts }).excluded;
  assert.equal(
    excluded[0]?.message,
    "AIProvider ai/gone is not in force (SecretNotFound: spec.x: SecretNotFound told)",
  );
  assert.match(explain(canary, ask("held"), { verdicts }).refusal?.message ?? "", /Invalid told/);
  const lost = explain(canary, ask("gpt-4o", { client: "ai/lost" }), { verdicts });
  assert.match(lost.refusal?.message ?? "", /AIClient ai\/lost is not in force \(PlaceholderValue/);
});
