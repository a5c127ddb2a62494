/** Is what is known of latencies bounded, told apart as it should be, and forgotten? */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ELSEWHERE, Latencies, NOWHERE } from "../../../proxy/strategy/latencies.ts";
import { Length } from "../../../proxy/strategy/length.ts";
import { Meter, type Pending } from "../../../proxy/strategy/meter.ts";
import { Series } from "../../../proxy/strategy/series.ts";
import type { RoutingTable } from "../../../routing/table.ts";

const HOUR = 3_600_000;

test("32 locations are told apart; a deserted one gives up its place", () => {
  const latencies = new Latencies();
  assert.equal(latencies.placeOf(undefined, 0), NOWHERE);
  for (let i = 1; i < 31; i++) assert.equal(latencies.placeOf(`l${i}`, i), `l${i}`);
  assert.equal(latencies.placeOf("l31", 100), ELSEWHERE);
  assert.equal(latencies.placeOf("l30", 100), "l30");
  assert.equal(latencies.placeOf("l31", HOUR + 10), "l31");
});

test("what is in no table any more is forgotten, what is stays", () => {
  const latencies = new Latencies();
  const kept = latencies.timingOf("ai/a", "m", "one", "ai/p");
  for (const timing of [kept, latencies.timingOf("ai/gone", "m", "one", "ai/p")]) {
    timing.meter.observe("answer", "here", 100, 0);
  }
  const backends = [{ name: "one", provider: "ai/p" }];
  const routes = [{ key: "ai/a", strategy: "Latency", models: ["m"], backends }];
  latencies.sweep({ routes } as unknown as RoutingTable);
  assert.equal(latencies.timingOf("ai/a", "m", "one", "ai/p"), kept);
  assert.deepEqual([...new Set(latencies.shown(1).map(({ route }) => route))], ["ai/a"]);
  assert.equal(latencies.named(1).length, 2);
});

test("names that callers choose are bounded, in groups and in metrics", () => {
  const latencies = new Latencies();
  const seen = new Set<unknown>();
  for (let i = 0; i < 3000; i++) seen.add(latencies.timingOf("ai/any", `model-${i}`, "one", "ai/p"));
  assert.ok(seen.size <= 1026, `${seen.size}`);
});

test("an answer's time is told as if it had been of the usual length", () => {
  const length = new Length();
  for (let i = 0; i < 200; i++) {
    const tokens = i % 2 === 0 ? 100 : 300;
    length.normal(500 + 10 * tokens, tokens);
  }
  assert.ok(Math.abs(length.normal(3500, 300) - 2500) < 50);
  assert.ok(Math.abs(length.normal(1500, 100) - 2500) < 50);
  assert.equal(length.normal(1234, undefined), 1234);
});

test("one answer alone moves an estimate little, two in a row move it; silence brings it back", () => {
  const series = new Series();
  let now = 0;
  for (; now < 60_000; now += 500) series.observe(300, now);
  series.observe(30_000, now);
  assert.ok(series.estimateAt(now) < 450, `${series.estimateAt(now)}`);
  assert.ok(series.estimateAt(now + 120_000) < 330);
  series.observe(30_000, now + 500);
  assert.ok(series.estimateAt(now + 500) > 3000);
  assert.ok(Math.abs(series.percentile(0.5) / 300 - 1) < 0.1);
});

test("what failed early does not look fast, and what is over does not look late", () => {
  const meter = new Meter({ left: 10 });
  for (let i = 0; i < 10; i++) meter.observe("answer", "here", 300, i * 1000);
  meter.atLeast("answer", "here", 5, 10_000);
  assert.ok(meter.estimate("answer", undefined, 10_000) > 290);
  const record = { startedAt: 10_000, outcome: undefined } as Pending["record"];
  meter.began({ record, location: "here", exchange: { stream: false, firstTokenAt: undefined } });
  assert.ok(meter.estimate("answer", undefined, 20_000) > 600);
  record.outcome = "server_error";
  assert.ok(meter.estimate("answer", undefined, 20_000) < 310);
});
