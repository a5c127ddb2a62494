/** Does a rollout go through its steps, wait where it shall, and go back when it must? */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { advance, type Facts, type Judgement } from "../../../routing/rollout/machine.ts";
import { type Memory, positionOf, readMemory } from "../../../routing/rollout/memory.ts";
import { type RolloutSpec, rolloutSpec, type Step } from "../../../routing/rollout/spec.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const ANALYSIS = {
  interval: 30 * SECOND,
  failureLimit: 2,
  minRequests: 50,
  onInconclusive: "Pause" as const,
  metrics: [{ name: "ErrorPercent" as const, max: "1.0" }],
};

/** Manifest 05. */
const STEPS: readonly Step[] = [
  { setShadow: 20 },
  { analyze: 5 * MINUTE },
  { setWeight: 5 },
  { pause: 10 * MINUTE },
  { setWeight: 25 },
  { pause: undefined },
  { setWeight: 100 },
];

function specOf(changes: Partial<RolloutSpec> = {}): RolloutSpec {
  return { state: "Run", stable: "openai", candidate: "azure", steps: STEPS, analysis: ANALYSIS, ...changes };
}

const verdict = (is: Judgement["verdict"]): Judgement => ({
  verdict: is,
  metrics: [{ name: "ErrorPercent", stable: "0.5", candidate: "4", verdict: is }],
});

/** A rollout in virtual time, whose proxies take what they are given at once unless told otherwise. */
class Ride {
  now = 1_800_000_000_000;
  spec: RolloutSpec;
  memory: Memory | undefined;
  promotedStep: string | undefined;
  judgement: Judgement | undefined = verdict("Passed");
  lag = false;
  lagsSince: number | undefined;
  isHeld = false;
  wakeAt: number | undefined;
  judged = 0;
  readonly told: string[] = [];

  constructor(spec: RolloutSpec) {
    this.spec = spec;
  }

  look(): void {
    // As an operator does: what is moved is in force a moment later.
    for (let i = 0; i < 20; i++) {
      const inForce = this.lag || this.memory === undefined ? undefined : positionOf(this.memory);
      const facts: Facts = {
        now: this.now,
        inForce,
        lagsSince: this.lagsSince,
        isHeld: this.isHeld,
        promotedStep: this.promotedStep,
        judge: () => {
          this.judged++;
          return this.judgement;
        },
      };
      const { memory, events, wakeAt } = advance(this.spec, this.memory, facts);
      this.told.push(...events.map(({ reason }) => reason));
      this.wakeAt = wakeAt;
      assert.deepEqual(readMemory(JSON.parse(JSON.stringify(memory))), memory, "what is remembered can be read");
      if (memory === this.memory) return;
      this.memory = memory;
    }
    assert.fail("it does not come to rest");
  }

  /** Sleeps as long as it asks to, at most so long in all. */
  run(milliseconds: number): void {
    const end = this.now + milliseconds;
    this.look();
    while (this.wakeAt !== undefined && this.wakeAt <= end) {
      assert.ok(this.wakeAt > this.now, `it wants to be woken in the past, at ${this.at}`);
      this.now = this.wakeAt;
      this.look();
    }
    this.now = end;
    this.look();
  }

  get at(): string {
    const { stepIndex, phase, weight, shadowPercent, outcome } = this.memory ?? assert.fail("nothing is remembered");
    return `${stepIndex} ${outcome ?? phase} ${weight}/${shadowPercent}`;
  }
}

describe("a rollout", () => {
  test("goes through all steps of manifest 05, and waits for a promotion", () => {
    const ride = new Ride(specOf());
    ride.run(0);
    assert.equal(ride.at, "1 Running 0/20");
    ride.run(5 * MINUTE - 1);
    assert.equal(ride.at, "1 Running 0/20");
    ride.run(1);
    assert.equal(ride.at, "3 Running 5/20");
    ride.run(10 * MINUTE);
    assert.equal(ride.at, "5 Waiting 25/20");
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "5 Waiting 25/20");
    ride.promotedStep = "5";
    ride.run(0);
    assert.equal(ride.at, "7 Promoted 100/0");
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "7 Promoted 100/0");
    const story = ["RolloutStarted", "ShadowAdvanced", "AnalysisPassed", "WeightAdvanced", "AnalysisPassed"];
    assert.deepEqual(ride.told, [...story, "WeightAdvanced", "RolloutPaused", "WeightAdvanced", "RolloutPromoted"]);
  });

  test("judges a candidate without the proxies that lag for three intervals, and only to send it back", () => {
    const ride = new Ride(specOf({ steps: [{ setWeight: 50 }, { pause: MINUTE }, { setWeight: 100 }] }));
    ride.lag = true;
    ride.run(MINUTE);
    assert.equal(ride.at, "0 Spreading 50/0");
    assert.equal(ride.judged, 0, "it may be late only");
    ride.lagsSince = ride.now - 90 * SECOND;
    ride.run(10 * MINUTE);
    assert.equal(ride.at, "0 Spreading 50/0", "what passes does not lead on");
    assert.equal(ride.memory?.passedWindows, 0);
    ride.judgement = verdict("Failed");
    ride.run(90 * SECOND);
    assert.equal(ride.at, "0 RolledBack 0/0");
    assert.match(ride.memory?.message ?? "", /3 windows failed/);
  });

  test("begins its windows anew when the last proxy follows at last", () => {
    const ride = new Ride(specOf({ steps: [{ setWeight: 50 }, { pause: MINUTE }, { setWeight: 100 }] }));
    ride.lag = true;
    ride.lagsSince = ride.now - 5 * MINUTE;
    ride.run(MINUTE);
    ride.lagsSince = ride.now - 5 * MINUTE;
    ride.run(15 * SECOND);
    ride.lag = false;
    ride.look();
    ride.lagsSince = undefined;
    assert.equal(ride.at, "1 Running 50/0");
    assert.equal(ride.memory?.evidenceSince, new Date(ride.now).toISOString());
    ride.run(MINUTE);
    assert.equal(ride.at, "3 Promoted 100/0");
  });

  test("stands still while its route is held, and loses neither step nor time", () => {
    const { analysis: _, ...rest } = specOf({ steps: [{ setWeight: 50 }, { pause: 10 * MINUTE }, { setWeight: 100 }] });
    const ride = new Ride(rest);
    ride.run(4 * MINUTE);
    ride.isHeld = true;
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "1 Running 50/0");
    ride.isHeld = false;
    ride.run(6 * MINUTE - 1);
    assert.equal(ride.at, "1 Running 50/0");
    ride.run(1);
    assert.equal(ride.at, "3 Promoted 100/0");
  });

  test("rolls back with the third failed window", () => {
    const ride = new Ride(specOf());
    ride.run(6 * MINUTE);
    assert.equal(ride.at, "3 Running 5/20");
    ride.judgement = verdict("Failed");
    ride.run(MINUTE);
    assert.equal(ride.at, "3 Running 5/20");
    ride.run(30 * SECOND);
    assert.equal(ride.at, "3 RolledBack 0/0");
    assert.match(
      ride.memory?.message ?? "",
      /3 windows failed.*ErrorPercent 4, on stable 0\.5.*openai has all traffic/,
    );
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "3 RolledBack 0/0");
    assert.equal(ride.told.filter((reason) => reason === "AnalysisFailed").length, 3);
  });

  test("begins windows, and the time of a step, only when every proxy runs its weights", () => {
    const ride = new Ride(specOf({ steps: [{ setWeight: 50 }, { pause: MINUTE }] }));
    ride.lag = true;
    ride.judgement = verdict("Failed");
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "0 Spreading 50/0");
    assert.equal(ride.judged, 0);
    ride.lag = false;
    ride.run(0);
    assert.equal(ride.at, "1 Running 50/0");
    assert.equal(ride.memory?.windowSince, new Date(ride.now).toISOString());
  });

  test("leaves out no judgement when nobody looked for an hour", () => {
    const ride = new Ride(specOf({ steps: [{ setWeight: 5 }, { pause: 10 * MINUTE }, { setWeight: 100 }] }));
    ride.run(MINUTE);
    ride.now += 60 * MINUTE;
    ride.look();
    assert.equal(ride.at, "1 Running 5/0");
    ride.run(8 * MINUTE);
    assert.equal(ride.at, "1 Running 5/0");
    ride.run(MINUTE);
    assert.equal(ride.at, "3 Promoted 100/0");
    assert.equal(ride.judged, 20);
  });

  test("begins a window anew when what was measured is not known any more", () => {
    const ride = new Ride(specOf());
    ride.run(MINUTE);
    const { judgement } = ride;
    ride.judgement = undefined;
    ride.now += 30 * SECOND;
    ride.look();
    ride.judgement = judgement;
    assert.equal(ride.memory?.windowSince, new Date(ride.now).toISOString());
    assert.equal(ride.memory.runMilliseconds, MINUTE);
  });

  test("a left-over annotation promotes nothing, one that is set anew does", () => {
    const ride = new Ride(specOf({ steps: [{ pause: undefined }, { setWeight: 100 }] }));
    ride.promotedStep = "0";
    ride.run(MINUTE);
    assert.equal(ride.at, "0 Waiting 0/0");
    ride.promotedStep = "1";
    ride.run(MINUTE);
    assert.equal(ride.at, "0 Waiting 0/0");
    ride.promotedStep = "0";
    ride.run(MINUTE);
    assert.equal(ride.at, "2 Promoted 100/0");
  });

  test("a promotion set while nobody looked counts", () => {
    const ride = new Ride(specOf({ steps: [{ pause: undefined }, { setWeight: 100 }] }));
    ride.run(0);
    ride.memory = readMemory(JSON.parse(JSON.stringify(ride.memory)));
    ride.promotedStep = "0";
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "2 Promoted 100/0");
  });

  test("stands still while paused, is judged all the same, and goes on", () => {
    const steps: Step[] = [{ setWeight: 5 }, { pause: 10 * MINUTE }, { setWeight: 100 }];
    const ride = new Ride(specOf({ steps }));
    ride.run(MINUTE);
    ride.spec = specOf({ steps, state: "Pause" });
    ride.run(60 * MINUTE);
    assert.equal(ride.at, "1 Running 5/0");
    ride.spec = specOf({ steps });
    ride.run(9 * MINUTE);
    assert.equal(ride.at, "3 Promoted 100/0");
    assert.deepEqual(ride.told.slice(2, 4), ["RolloutPaused", "RolloutResumed"]);
    const bad = new Ride(specOf({ steps }));
    bad.run(MINUTE);
    bad.spec = specOf({ steps, state: "Pause" });
    bad.judgement = verdict("Failed");
    bad.run(2 * MINUTE);
    assert.equal(bad.at, "1 RolledBack 0/0");
  });

  test("a pause freezes the time of a step that is not judged, too", () => {
    const steps: Step[] = [{ setWeight: 5 }, { pause: 10 * MINUTE }, { setWeight: 100 }];
    const { analysis: _, ...plain } = specOf({ steps });
    const ride = new Ride(plain);
    ride.run(4 * MINUTE);
    ride.spec = { ...plain, state: "Pause" };
    ride.run(60 * MINUTE);
    ride.spec = plain;
    ride.run(6 * MINUTE - 1);
    assert.equal(ride.at, "1 Running 5/0");
    ride.run(1);
    assert.equal(ride.at, "3 Promoted 100/0");
  });

  test("does not even begin while paused", () => {
    const ride = new Ride(specOf({ state: "Pause" }));
    ride.run(MINUTE);
    assert.equal(ride.at, "0 Held 0/0");
  });

  test("goes back when aborted, and begins again when run again", () => {
    const ride = new Ride(specOf());
    ride.run(6 * MINUTE);
    ride.spec = specOf({ state: "Abort" });
    ride.run(MINUTE);
    assert.equal(ride.at, "3 Aborted 0/0");
    ride.spec = specOf();
    ride.run(0);
    assert.equal(ride.at, "1 Running 0/20");
    assert.equal(ride.told.at(-2), "RolloutStarted");
  });

  test("one that was rolled back is tried again by Abort and Run", () => {
    const ride = new Ride(specOf());
    ride.judgement = verdict("Failed");
    ride.run(5 * MINUTE);
    assert.equal(ride.at, "1 RolledBack 0/0");
    ride.spec = specOf({ state: "Abort" });
    ride.run(0);
    ride.spec = specOf();
    ride.run(0);
    assert.equal(ride.at, "1 Running 0/20");
    assert.equal(ride.memory?.failedWindows, 0);
  });

  test("begins anew with other steps, not with another metric", () => {
    const ride = new Ride(specOf());
    ride.run(6 * MINUTE);
    ride.spec = specOf({ analysis: { ...ANALYSIS, failureLimit: 1, metrics: [{ name: "ErrorPercent", max: "2" }] } });
    ride.run(0);
    assert.equal(ride.at, "3 Running 5/20");
    ride.spec = specOf({ steps: [{ setWeight: 1 }, { pause: undefined }] });
    ride.run(0);
    assert.equal(ride.at, "1 Waiting 1/0");
  });

  for (const [onInconclusive, then] of [
    ["Pause", "1 Waiting 5/0"],
    ["Continue", "3 Promoted 100/0"],
    ["Abort", "1 RolledBack 0/0"],
  ] as const) {
    test(`that ends a step without a verdict does as told: ${onInconclusive}`, () => {
      const steps: Step[] = [{ setWeight: 5 }, { pause: 10 * MINUTE }, { setWeight: 100 }];
      const ride = new Ride(specOf({ steps, analysis: { ...ANALYSIS, onInconclusive } }));
      ride.judgement = verdict("Inconclusive");
      const began = ride.now;
      ride.run(9 * MINUTE);
      assert.equal(ride.at, "1 Running 5/0");
      assert.equal(ride.memory?.evidenceSince, new Date(began).toISOString(), "what was measured is carried on");
      ride.run(MINUTE);
      assert.equal(ride.at, then);
      assert.ok(ride.told.includes("AnalysisInconclusive"));
      ride.promotedStep = "1";
      ride.run(MINUTE);
      if (onInconclusive === "Pause") assert.equal(ride.at, "3 Promoted 100/0");
    });
  }

  test("twenty windows that passed in a row clear those that failed", () => {
    const ride = new Ride(specOf({ steps: [{ setWeight: 5 }, { pause: undefined }] }));
    ride.judgement = verdict("Failed");
    ride.run(MINUTE);
    assert.equal(ride.memory?.failedWindows, 2);
    ride.judgement = verdict("Passed");
    ride.run(10 * MINUTE);
    assert.equal(ride.memory.failedWindows, 0);
  });
});

describe("what a status says", () => {
  const good = () => {
    const ride = new Ride(specOf());
    ride.run(6 * MINUTE);
    return ride.memory as Memory;
  };
  for (const [what, change] of [
    ["no object", undefined],
    ["a weight above 100", { weight: 101 }],
    ["a time that is none", { startedAt: "yesterday" }],
    ["an unknown phase", { phase: "Sleeping" }],
    ["an outcome while it goes on", { outcome: "Promoted" }],
    ["a step below 0", { stepIndex: -1 }],
  ] as const) {
    test(`is not taken for a memory when it has ${what}`, () => {
      assert.equal(readMemory(change && { ...good(), ...change }), undefined);
    });
  }
});

/** Small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("whatever happens, weights only rise while it runs, never above what is written, and end at a side", () => {
  const VERDICTS = ["Passed", "Passed", "Passed", "Inconclusive", "Failed"] as const;
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomOf(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const written = { weight: 0 };
    const steps = Array.from({ length: 1 + Math.floor(random() * 8) }, (): Step => {
      const weight = Math.min(100, written.weight + Math.floor(random() * 40));
      if (random() < 0.4) {
        written.weight = weight;
        return { setWeight: weight };
      }
      return pick<Step>([{ setShadow: 20 }, { analyze: MINUTE }, { pause: MINUTE }, { pause: undefined }]);
    });
    const most = Math.max(0, ...steps.map((step) => ("setWeight" in step ? step.setWeight : 0)));
    const ride = new Ride(specOf({ steps }));
    let before = 0;
    for (let i = 0; i < 60; i++) {
      ride.judgement = random() < 0.1 ? undefined : verdict(pick(VERDICTS));
      ride.lag = random() < 0.2;
      ride.promotedStep = pick([undefined, "0", "1", "2", "3", "4"]);
      ride.spec = { ...ride.spec, state: random() < 0.2 ? "Pause" : "Run" };
      // A restart: what it goes on from was written.
      if (random() < 0.2 && ride.memory) ride.memory = readMemory(JSON.parse(JSON.stringify(ride.memory)));
      ride.run(Math.floor(random() * 90 * SECOND));
      const { weight, outcome, windowSince, stepIndex } = ride.memory as Memory;
      if (outcome === undefined || outcome === "Promoted") {
        assert.ok(weight >= before, `seed ${seed}: ${weight} % after ${before} %`);
        assert.ok(outcome === "Promoted" || weight <= most, `seed ${seed}: ${weight} %, written ${most} %`);
      } else assert.equal(weight, 0);
      if (outcome === "Promoted") assert.equal(weight, 100);
      if (outcome !== undefined || stepIndex >= steps.length) assert.equal(windowSince, undefined);
      before = weight;
    }
  }
});

test("a written rollout is read with its defaults", () => {
  const written = {
    state: "Run" as const,
    stable: "a",
    candidate: "b",
    steps: [{ setShadow: 20 }, { analyze: { duration: "5m" } }, { pause: {} }, { pause: { duration: "1m30s" } }],
    shadow: { noisePercent: 0, maxInFlight: 32, tools: "Deny" as const },
  };
  const { steps } = rolloutSpec(written);
  assert.deepEqual(steps, [{ setShadow: 20 }, { analyze: 300_000 }, { pause: undefined }, { pause: 90_000 }]);
});
