/** Does the judge tell good candidates from bad ones, and say nothing where little was measured? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { bucketOf, percentile } from "../../../routing/rollout/histogram.ts";
import { judge, type MetricSpec, type Window } from "../../../routing/rollout/judge.ts";
import { type Measures, NOTHING_MEASURED, since, sum } from "../../../routing/rollout/measures.ts";
import { BUILT_IN } from "../../../routing/rollout/metrics.ts";
import { Side } from "./sides.ts";

const ERRORS: MetricSpec = { name: "ErrorPercent", max: "1.0" };

function measured(more: Partial<Measures>): Measures {
  return { ...NOTHING_MEASURED, ...more };
}

function verdictOf(metric: MetricSpec, candidate: Partial<Measures>, stable: Partial<Measures> = {}, minRequests = 50) {
  const window = { stable: measured(stable), candidate: measured(candidate) };
  return judge([metric], window, minRequests).metrics[0];
}

describe("histograms", () => {
  test("tell every percentile to 4 %", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1, max: 3_000_000, noNaN: true }), { minLength: 1 }), (values) => {
        const histogram: Record<string, number> = {};
        for (const value of values) histogram[bucketOf(value)] = (histogram[bucketOf(value)] ?? 0) + 1;
        const sorted = [...values].sort((a, b) => a - b);
        for (const p of [0.5, 0.95, 0.99, 1]) {
          const real = sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] as number;
          const told = percentile(histogram, p) as number;
          assert.ok(Math.abs(Math.log(told / real)) <= Math.log(1.0401), `${p}: ${told} instead of ${real}`);
        }
      }),
    );
  });

  test("keep what is out of bounds in their last buckets", () => {
    assert.equal(bucketOf(0), 0);
    assert.equal(bucketOf(-1), 0);
    assert.equal(bucketOf(Number.POSITIVE_INFINITY), bucketOf(3_600_000));
    assert.equal(percentile({}, 0.5), undefined);
  });
});

test("windows of several processes add up to what all saw", () => {
  const histogram = fc.dictionary(fc.constantFrom("3", "70", "200"), fc.nat(50));
  const part = fc.record({ requests: fc.nat(1000), errors: fc.nat(1000), latency: histogram }).map(measured);
  fc.assert(
    fc.property(part, part, part, (before, a, b) => {
      const later = sum(before, a);
      assert.deepEqual(nonZero(since(later, before)), nonZero(a));
      assert.deepEqual(nonZero(sum(since(later, before), b)), nonZero(sum(b, a)));
    }),
  );
});

function nonZero(measures: Measures): Measures {
  const latency = Object.fromEntries(Object.entries(measures.latency).filter(([, count]) => count > 0));
  return { ...measures, latency };
}

describe("a limit", () => {
  test("is not judged below minRequests", () => {
    const judged = verdictOf(ERRORS, { requests: 49, errors: 49 });
    assert.equal(judged?.verdict, "Inconclusive");
    assert.equal(judged.why, "49 of the 50 requests that a window needs came to the candidate");
  });

  test("is broken, kept, or neither", () => {
    assert.deepEqual(verdictOf(ERRORS, { requests: 500, errors: 20 }), {
      name: "ErrorPercent",
      candidate: "4",
      verdict: "Failed",
      why: "beyond max 1.0",
    });
    assert.equal(verdictOf(ERRORS, { requests: 500, errors: 0 })?.verdict, "Passed");
    // One of 50 is 2 %, and says nothing yet.
    assert.equal(verdictOf(ERRORS, { requests: 50, errors: 1 })?.verdict, "Inconclusive");
  });

  test("may be a lowest one", () => {
    const speed = (bucket: number) => ({ requests: 1000, speed: { [bucket]: 1000 } });
    const metric = { name: "TokensPerSecond", min: "20" };
    assert.equal(verdictOf(metric, speed(bucketOf(50_000)))?.verdict, "Passed");
    assert.equal(verdictOf(metric, speed(bucketOf(10_000)))?.verdict, "Failed");
    const fall = { name: "TokensPerSecond", maxDecreasePercent: 20 };
    assert.equal(verdictOf(fall, speed(bucketOf(30_000)), speed(bucketOf(50_000)))?.verdict, "Failed");
    assert.equal(verdictOf(fall, speed(bucketOf(48_000)), speed(bucketOf(50_000)))?.verdict, "Passed");
  });

  test("on stable's side needs enough of stable's requests", () => {
    const metric = { name: "ErrorPercent", maxIncreasePercent: 10 };
    const judged = verdictOf(metric, { requests: 500 }, { requests: 3 });
    assert.match(judged?.why ?? "", /^3 of the 50 requests .* stable$/);
  });

  test("on a share is kept where neither side has any", () => {
    const metric = { name: "ErrorPercent", maxIncreasePercent: 10 };
    assert.equal(verdictOf(metric, { requests: 1000 }, { requests: 9000 })?.verdict, "Passed");
  });

  test("on cost is not kept by answers without a price", () => {
    const metric = { name: "CostPerRequest", maxIncreasePercent: 15 };
    const judged = verdictOf(metric, { requests: 1000 }, { requests: 1000 });
    assert.equal(judged?.verdict, "Inconclusive");
    assert.equal(judged.why, "the cost of no answer is known");
  });

  test("on what nobody asked for holds: no streams, no tools", () => {
    for (const name of ["P95FirstTokenMilliseconds", "SchemaFailurePercent", "TokensPerSecond"]) {
      assert.equal(verdictOf({ name, max: "1", min: "1" }, { requests: 1000 })?.verdict, "Passed", name);
    }
  });

  test("on copies takes off what differs anyway", () => {
    const metrics = [{ name: "ShadowDisagreementPercent", max: "5" }];
    const shadow = { compared: 2000, different: 400, noiseCompared: 2000, noiseDifferent: 390 };
    const window = { stable: NOTHING_MEASURED, candidate: NOTHING_MEASURED };
    assert.equal(judge(metrics, { ...window, shadow }, 50).verdict, "Passed");
    assert.equal(judge(metrics, { ...window, shadow: { ...shadow, noiseDifferent: 20 } }, 50).verdict, "Failed");
    assert.equal(judge(metrics, window, 50).verdict, "Inconclusive");
  });

  test("on a query is held against what the server said", () => {
    const metrics = [{ name: "OpenTickets", max: "3" }];
    const window = (value?: number): Window => ({
      stable: NOTHING_MEASURED,
      candidate: NOTHING_MEASURED,
      values: new Map(value === undefined ? [] : [["OpenTickets", value]]),
    });
    assert.equal(judge(metrics, window(3), 50).verdict, "Passed");
    assert.equal(judge(metrics, window(4), 50).verdict, "Failed");
    assert.equal(judge(metrics, window(), 50).verdict, "Inconclusive");
  });

  test("in a dry run decides nothing", () => {
    const window = { stable: NOTHING_MEASURED, candidate: measured({ requests: 500, errors: 100 }) };
    const judgement = judge([{ ...ERRORS, dryRun: true }], window, 50);
    assert.equal(judgement.verdict, "Passed");
    assert.equal(judgement.metrics[0]?.verdict, "Failed");
  });
});

describe("all windows of a step together", () => {
  const window = (requests: number, errors: number): Window => ({
    stable: NOTHING_MEASURED,
    candidate: measured({ requests, errors }),
  });

  test("decide what one alone cannot", () => {
    assert.equal(judge([ERRORS], window(60, 2), 50).verdict, "Inconclusive");
    assert.equal(judge([ERRORS], window(60, 2), 50, window(600, 20)).verdict, "Failed");
  });

  test("do not hold a fault against the candidate that has passed", () => {
    const judgement = judge([ERRORS], window(60, 0), 50, window(600, 40));
    assert.equal(judgement.verdict, "Inconclusive");
    assert.equal(judgement.metrics[0]?.why, "beyond max 1.0, but the last window is within it");
  });

  test("do not cover up a fault that has just come", () => {
    assert.equal(judge([ERRORS], window(60, 20), 50, window(100_000, 25)).verdict, "Failed");
  });
});

test("every metric judges whatever was measured without an accident", () => {
  const count = fc.nat(2000);
  const histogram = fc.dictionary(fc.constantFrom("0", "90", "200", "384"), fc.nat(900));
  const measures = fc
    .record({ requests: count, nanoUsd: count, nanoUsdSquared: count, latency: histogram, speed: histogram })
    .chain((some) =>
      fc.nat(some.requests).map((part) =>
        measured({
          ...some,
          errors: part,
          refusals: part,
          schemaChecked: some.requests,
          schemaFailed: part,
          priced: part,
        }),
      ),
    );
  const metrics = BUILT_IN.map((name) =>
    name.startsWith("Shadow")
      ? { name, max: "5" }
      : { name, max: "5", min: "0", maxIncreasePercent: 10, maxDecreasePercent: 10 },
  );
  fc.assert(
    fc.property(measures, measures, (stable, candidate) => {
      for (const { verdict, why } of judge(metrics, { stable, candidate }, 20).metrics) {
        assert.match(verdict, /^(Passed|Failed|Inconclusive)$/);
        assert.notEqual(why, "");
      }
    }),
  );
});

describe("600 seeded candidates, looked at every 30 s with 50 requests a window at least", () => {
  const METRICS: readonly MetricSpec[] = [
    ERRORS,
    { name: "P95LatencyMilliseconds", maxIncreasePercent: 20 },
    { name: "P95FirstTokenMilliseconds", maxIncreasePercent: 25 },
    { name: "TruncationPercent", max: "3" },
    { name: "SchemaFailurePercent", max: "3" },
  ];
  const FAULTS = {
    none: {},
    "none, but noisy": { errors: 0.006, wider: 2 },
    "3 % more errors": { errors: 0.033 },
    "40 % slower": { slower: 1.4 },
    truncates: { truncated: 0.1 },
    "breaks tool arguments": { schemaFailed: 0.15 },
  };

  /** 20 % are copied, until a third window has failed or the candidate has been passed five times and 1,500 seen. */
  function outcome(seed: number, fault: (typeof FAULTS)[keyof typeof FAULTS]): { failed: boolean; requests: number } {
    const stable = new Side(`stable ${seed}`, "wider" in fault ? fault : {});
    const candidate = new Side(`candidate ${seed}`, fault);
    const rate = 0.5 * 100 ** (((seed * 7919) % 100) / 99);
    let failures = 0;
    let begun = [stable.measures(), candidate.measures()] as const;
    for (let second = 30; second <= 24 * 3600; second += 30) {
      stable.meet(Math.round(rate * second));
      candidate.meet(Math.round(rate * second * 0.2));
      const all = { stable: stable.measures(), candidate: candidate.measures() };
      const window = { stable: since(all.stable, begun[0]), candidate: since(all.candidate, begun[1]) };
      if (window.candidate.requests < 50) continue;
      begun = [all.stable, all.candidate];
      if (judge(METRICS, window, 50, all).verdict === "Failed" && ++failures > 2) {
        return { failed: true, requests: candidate.requests };
      }
      if (candidate.requests > 2000) break;
    }
    return { failed: false, requests: candidate.requests };
  }

  for (const [name, fault] of Object.entries(FAULTS)) {
    test(name, (t) => {
      const outcomes = Array.from({ length: 100 }, (_, seed) => outcome(seed, fault));
      const failed = outcomes.filter((one) => one.failed);
      const requests = failed.map((one) => one.requests).sort((a, b) => a - b);
      t.diagnostic(
        `${failed.length} of 100 failed, after ${requests[50] ?? 0} requests (median), ${requests.at(-1) ?? 0} at most`,
      );
      if (name.startsWith("none")) assert.ok(failed.length === 0, `${failed.length} false alarms`);
      else assert.ok(failed.length >= 99, `${100 - failed.length} misses`);
    });
  }
});
