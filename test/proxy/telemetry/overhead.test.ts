import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram, RECENT_WINDOW_MS, Recent } from "../../../proxy/telemetry/histogram.ts";
import { overheadOf } from "../../../proxy/telemetry/overhead.ts";
import { attempt, exchange } from "./exchange-fixture.ts";

test("the caller's body, the provider and backoff are not Tandem's time", () => {
  const first = attempt({ startedAt: 1501, endedAt: 1700, outcome: "server_error" });
  const second = attempt({ startedAt: 1902, endedAt: 2500 });
  const own = overheadOf(
    // 0.5 let in + 1 to the first attempt + 2 beside the backoff + 0.25 to the answer's first byte
    exchange({
      admittedAt: 1000.5,
      bodyAt: 1500,
      attempts: [first, second],
      waited: 200,
      firstByteAt: 2500.25,
      endedAt: 3000,
    }),
  );
  assert.ok(Math.abs(own - 3.75) < 1e-9, String(own));
});

test("a stream's first byte lies inside the attempt and adds nothing", () => {
  const own = overheadOf(
    exchange({
      stream: true,
      bodyAt: 1000,
      attempts: [attempt({ startedAt: 1000.1, endedAt: 9000 })],
      firstByteAt: 1500,
      endedAt: 9001,
    }),
  );
  assert.ok(Math.abs(own - 0.1) < 1e-9, String(own));
});

test("of two attempts side by side neither the wait before the second nor what they share counts", () => {
  const at = (startedAt: number, endedAt: number, outcome: "ok" | "superseded" | "server_error") =>
    attempt({ startedAt, endedAt, outcome });
  const own = (hedge: "won" | "lost", waited: number | undefined, ...attempts: ReturnType<typeof attempt>[]) =>
    overheadOf(exchange({ bodyAt: 1000, hedge, waited, attempts, firstByteAt: 2000.5, endedAt: 2001 }));
  // 1 to the first attempt, 0.5 from the end of the one that answered
  assert.equal(own("won", 500, at(1001, 2000, "superseded"), at(1501, 2000, "ok")), 1.5);
  assert.equal(own("lost", undefined, at(1501, 2000, "superseded"), at(1001, 2000, "ok")), 1.5);
  assert.equal(own("lost", undefined, at(1501, 1600, "server_error"), at(1001, 2000, "ok")), 1.5);
  assert.equal(own("won", undefined, at(1001, 1700, "server_error"), at(1501, 2000, "ok")), 1.5);
});

test("a refusal is all Tandem's, but not while the body was awaited", () => {
  assert.equal(overheadOf(exchange({ attempts: [], bodyAt: undefined, endedAt: 1000.25 })), 0.25);
  assert.equal(overheadOf(exchange({ attempts: [], admittedAt: 1000.25, bodyAt: undefined, endedAt: 9000 })), 0.25);
  assert.equal(overheadOf(exchange({ attempts: [], admittedAt: 1000.25, bodyAt: 5000, endedAt: 5000.5 })), 0.75);
});

test("clocks that disagree never give a negative time", () => {
  assert.equal(overheadOf(exchange({ bodyAt: 1000, attempts: [attempt({ startedAt: 1000 })], waited: 1e6 })), 0);
});

test("a bucket's bound belongs to the bucket", () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [0.5, 1, 1.5, 2, 2.5]) histogram.observe(value);
  assert.deepEqual([...histogram.counts], [2, 2, 1]);
  assert.equal(histogram.sum, 7.5);
});

test("percentiles of what was seen lately, right to 9 %", () => {
  const recent = new Recent();
  for (let i = 1; i <= 1000; i++) recent.observe(i, RECENT_WINDOW_MS);
  const p = recent.percentiles(RECENT_WINDOW_MS + 1);
  assert.equal(p?.count, 1000);
  for (const [got, want] of [
    [p?.p50, 500],
    [p?.p95, 950],
    [p?.p99, 990],
  ] as const) {
    assert.ok(Math.abs((got ?? 0) / want - 1) < 0.09, `${got} for ${want}`);
  }
  assert.equal(recent.percentiles(2 * RECENT_WINDOW_MS + 1)?.count, 1000);
  assert.equal(recent.percentiles(4 * RECENT_WINDOW_MS + 1), undefined);
});

test("zero, tiny and huge values stay in range", () => {
  const recent = new Recent();
  for (const value of [0, 1e-9, 1e12]) recent.observe(value, 0);
  assert.equal(recent.percentiles(1)?.count, 3);
});
