import assert from "node:assert/strict";
import { test } from "node:test";
import { type MetricSources, Metrics } from "../../../proxy/telemetry/metrics.ts";
import { indexTable } from "../../../routing/lookup.ts";
import { attempt, exchange, TABLE } from "./exchange-fixture.ts";
import { checkHistogram, type Family, parsePrometheus } from "./prometheus-text.ts";

const SOURCES: MetricSources = {
  circuits: () => [{ provider: "openai", model: "gpt-4o", state: "open" }],
  load: () => ({ inFlight: 5, limit: 100 }),
  latencies: () => [],
  calls: () => [{ provider: "openai", inFlight: 3, waiting: 1 }],
  providers: () => [{ provider: "openai", healthy: false }],
  droppedLogLines: () => 3,
};

function metrics(): Metrics {
  const metrics = new Metrics(SOURCES);
  metrics.useNames(indexTable(TABLE).modelNames);
  metrics.config.applied("abc123", performance.now(), undefined);
  return metrics;
}

async function scrape(metrics: Metrics): Promise<(name: string) => Record<string, number>> {
  const families = parsePrometheus(await metrics.text());
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return (name) => flat(families.get(name));
}

/** `{a="1"}` → value; keys as `label=value,…` in the metric's order. */
function flat(family: Family | undefined): Record<string, number> {
  assert.ok(family, "the metric is missing");
  return Object.fromEntries(
    family.samples.map(({ labels, value }) => [
      Object.entries(labels)
        .map(([k, v]) => `${k}=${v}`)
        .join(","),
      value,
    ]),
  );
}

test("a plain answer", async () => {
  const m = metrics();
  m.record(exchange());
  m.record(exchange());
  const of = await scrape(m);
  assert.deepEqual(of("tandem_requests_total"), {
    "route=ai/gpt-4o,provider=openai,backend=openai,model=gpt-4o,status=200": 2,
  });
  assert.deepEqual(of("tandem_attempts_total"), { "provider=openai,model=gpt-4o,outcome=ok": 2 });
  assert.deepEqual(of("tandem_routing_decisions_total"), { "route=ai/gpt-4o,backend=openai,reason=priority": 2 });
  const tokens = "provider=openai,backend=openai,model=gpt-4o,client=ai/demo,kind=";
  assert.deepEqual(of("tandem_tokens_total"), {
    [`${tokens}input`]: 20,
    [`${tokens}cached_input`]: 8,
    [`${tokens}output`]: 40,
    [`${tokens}reasoning`]: 10,
  });
  assert.deepEqual(of("tandem_errors_total"), {});
  assert.deepEqual(of("tandem_failovers_total"), {});
});

test("durations are in seconds, and overhead begins at 50 microseconds", async () => {
  const m = metrics();
  m.record(
    exchange({
      startedAt: 1000,
      bodyAt: 1000,
      attempts: [attempt({ startedAt: 1000.04, endedAt: 1100 })],
      firstByteAt: 1100,
      endedAt: 1100.5,
    }),
  );
  m.record(exchange({ stream: true, firstTokenAt: 1700, endedAt: 2500 }));
  const families = parsePrometheus(await m.text());
  const find = (name: string, le?: string) =>
    families.get(name.replace(/_(bucket|sum|count)$/, ""))?.samples.find((s) => s.name === name && s.labels.le === le)
      ?.value;
  assert.equal(find("tandem_request_duration_seconds_count"), 2);
  assert.ok(Math.abs((find("tandem_request_duration_seconds_sum") ?? 0) - 1.6005) < 1e-9);
  assert.equal(find("tandem_gateway_overhead_seconds_bucket", "0.00005"), 1);
  assert.equal(find("tandem_time_to_first_token_seconds_count"), 1);
  assert.equal(find("tandem_time_to_first_token_seconds_sum"), 0.7);
});

test("a failover names both backends and the reason", async () => {
  const m = metrics();
  const failed = attempt({ outcome: "rate_limited", status: 429 });
  const answered = attempt({ provider: "azure", backend: "azure", upstreamModel: "gpt-4o-prod", model: "gpt-4o" });
  m.record(exchange({ attempts: [failed, failed, answered], decision: "failover:rate_limited" }));
  const of = await scrape(m);
  assert.deepEqual(of("tandem_failovers_total"), { "route=ai/gpt-4o,from=openai,to=azure,reason=rate_limited": 1 });
  assert.deepEqual(of("tandem_attempts_total"), {
    "provider=openai,model=gpt-4o,outcome=rate_limited": 2,
    "provider=azure,model=gpt-4o,outcome=ok": 1,
  });
  assert.deepEqual(of("tandem_requests_total"), {
    "route=ai/gpt-4o,provider=azure,backend=azure,model=gpt-4o,status=200": 1,
  });
});

test("errors by class and origin; a caller that went away is no error", async () => {
  const m = metrics();
  const refused = { attempts: [], decision: undefined, usage: undefined, bodyAt: undefined };
  m.record(
    exchange({
      ...refused,
      route: undefined,
      client: undefined,
      status: 401,
      outcome: "rejected",
      errorCode: "invalid_api_key",
      errorOrigin: "gateway",
    }),
  );
  m.record(
    exchange({
      attempts: [attempt({ outcome: "client_error", status: 400 })],
      status: 400,
      outcome: "provider_error",
      errorCode: "a free text of the provider",
      errorOrigin: "provider",
    }),
  );
  m.record(exchange({ attempts: [attempt({ outcome: "cut" })], outcome: "cut" }));
  m.record(
    exchange({
      attempts: [attempt({ outcome: "aborted" })],
      outcome: "client_closed",
      firstByteAt: undefined,
      status: 200,
    }),
  );
  const of = await scrape(m);
  assert.deepEqual(of("tandem_errors_total"), {
    "route=,provider=,model=,class=invalid_api_key,origin=gateway": 1,
    "route=ai/gpt-4o,provider=openai,model=gpt-4o,class=client_error,origin=provider": 1,
    "route=ai/gpt-4o,provider=openai,model=gpt-4o,class=cut,origin=provider": 1,
  });
  const statuses = Object.keys(of("tandem_requests_total")).map((key) => key.replace(/.*status=/, ""));
  assert.deepEqual(statuses.sort(), ["200", "400", "401", "499"]);
});

test("names that a caller invents never become label values", async () => {
  const m = metrics();
  const nasty = 'evil"\n}';
  for (let i = 0; i < 100; i++) {
    m.record(exchange({ route: undefined, model: `${nasty}${i}`, attempts: [], status: 404, outcome: "rejected" }));
    m.record(exchange({ route: "ai/all", model: `x${i}`, attempts: [attempt({ upstreamModel: `x${i}` })] }));
  }
  const text = await m.text();
  assert.ok(!text.includes("evil"));
  const of = await scrape(m);
  assert.deepEqual(of("tandem_requests_total"), {
    "route=,provider=,backend=,model=,status=404": 100,
    "route=ai/all,provider=openai,backend=openai,model=other,status=200": 100,
  });
});

test("series stay bounded however many names a configuration has", async () => {
  const m = metrics();
  for (let i = 0; i < 6000; i++) m.record(exchange({ route: `ai/route-${i}` }));
  const requests = (await scrape(m))("tandem_requests_total");
  assert.equal(Object.keys(requests).length, 2001);
  assert.equal(requests["route=other,provider=other,backend=other,model=other,status=200"], 4000);
});

test("metrics that lack a label of the cell are added up, not repeated", async () => {
  const m = metrics();
  m.record(exchange({ attempts: [attempt({ backend: "b" })] }));
  m.record(exchange({ attempts: [attempt({ backend: "b", upstreamModel: "elsewhere" })] }));
  m.record(exchange({ route: "ai/two", attempts: [attempt({ backend: "b" })] }));
  const of = await scrape(m);
  assert.equal(of("tandem_routing_decisions_total")["route=ai/gpt-4o,backend=b,reason=priority"], 2);
  assert.equal(of("tandem_tokens_total")["provider=openai,backend=b,model=gpt-4o,client=ai/demo,kind=output"], 40);
});

test("states are read when scraped", async () => {
  const m = metrics();
  m.openStreams = 7;
  m.config.refused();
  m.record(exchange({ excluded: [{ backend: "azure", reason: "CircuitOpen" }] }));
  const of = await scrape(m);
  assert.deepEqual(of("tandem_circuit_state"), { "provider=openai,model=gpt-4o": 2 });
  assert.deepEqual(of("tandem_provider_healthy"), { "provider=openai": 0 });
  assert.deepEqual(of("tandem_open_streams"), { "": 7 });
  assert.deepEqual(of("tandem_config_info"), { "hash=abc123": 1 });
  assert.deepEqual(of("tandem_config_reloads_total"), { "result=success": 1, "result=failure": 1 });
  assert.deepEqual(of("tandem_exclusions_total"), { "route=ai/gpt-4o,backend=azure,reason=CircuitOpen": 1 });
  assert.deepEqual(of("tandem_log_lines_dropped_total"), { "": 3 });
  const age = of("tandem_config_age_seconds")[""] ?? -1;
  assert.ok(age >= 0 && age < 60);
  assert.ok((of("process_resident_memory_bytes")[""] ?? 0) > 0);
});

test("one record costs microseconds", () => {
  const m = metrics();
  const one = exchange();
  for (let i = 0; i < 20_000; i++) m.record(one);
  const each = cheapest(() => m.record(one));
  assert.ok(each < 3, `${each} µs`);
});

/** CPU microseconds of one call, in the best of five rounds: the machine has other things to do. */
function cheapest(call: () => void): number {
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < 10_000; i++) call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 10_000;
  });
  return Math.min(...rounds);
}
