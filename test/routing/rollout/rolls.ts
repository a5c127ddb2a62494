/**
 * What becomes of 500 rollouts, good candidates and bad ones?
 *
 * The real machine, driver and judge in virtual time; only the requests are made up, by seeded chance.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { NO_TOTALS, RolloutDriver } from "../../../routing/rollout/driver.ts";
import { type Outcome, positionOf } from "../../../routing/rollout/memory.ts";
import type { Analysis, RolloutSpec, Step } from "../../../routing/rollout/spec.ts";
import { Random } from "../../contracts/random.ts";
import { type Faults, Side } from "./sides.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Virtual time after which a rollout that still waits is left alone. */
const HORIZON = 8 * 60 * MINUTE;

/** As manifest 05, and one that copies nothing: what needs tools is seldom seen in copies. */
const COPIES_FIRST: readonly Step[] = [
  { setShadow: 20 },
  { analyze: 10 * MINUTE },
  { setWeight: 5 },
  { pause: 10 * MINUTE },
  { setWeight: 25 },
  { pause: 10 * MINUTE },
  { setWeight: 100 },
];
const ONE_PERCENT_FIRST: readonly Step[] = [
  { setWeight: 1 },
  { analyze: 30 * MINUTE },
  { setWeight: 5 },
  { pause: 10 * MINUTE },
  { setWeight: 25 },
  { pause: 10 * MINUTE },
  { setWeight: 100 },
];

const ANALYSIS: Analysis = {
  interval: 30 * SECOND,
  failureLimit: 2,
  minRequests: 50,
  onInconclusive: "Pause",
  metrics: [
    { name: "ErrorPercent", max: "1.0" },
    { name: "P95LatencyMilliseconds", maxIncreasePercent: 20 },
    { name: "P95FirstTokenMilliseconds", maxIncreasePercent: 25 },
    { name: "TruncationPercent", maxIncreasePercent: 100 },
    { name: "SchemaFailurePercent", maxIncreasePercent: 100 },
  ],
};

interface Kind {
  readonly count: number;
  readonly faults: Faults;
  readonly shall: Outcome;
}

const KINDS: Readonly<Record<string, Kind>> = {
  identical: { count: 150, faults: {}, shall: "Promoted" },
  noisy: { count: 150, faults: { wider: 1.05, errors: 0.005 }, shall: "Promoted" },
  "3 % more errors": { count: 50, faults: { errors: 0.033 }, shall: "RolledBack" },
  "40 % slower": { count: 50, faults: { slower: 1.4 }, shall: "RolledBack" },
  "truncates 10 %": { count: 50, faults: { truncated: 0.11 }, shall: "RolledBack" },
  "breaks 15 % of tool arguments": { count: 50, faults: { schemaFailed: 0.155 }, shall: "RolledBack" },
};

/** Requests a second of stable that are measured: more would only be slower to make up. */
const MOST_MEASURED = 3;

interface End {
  readonly outcome: Outcome | undefined;
  /** Of all requests until the end, those that the candidate answered. */
  readonly met: number;
}

function roll(seed: string, steps: readonly Step[], faults: Faults): End {
  const random = new Random(seed);
  // 5 to 50 requests a second, evenly in their logarithm.
  const perSecond = 5 * 10 ** random.next();
  const spec: RolloutSpec = { state: "Run", stable: "a", candidate: "b", steps, analysis: ANALYSIS };
  const sides = {
    stable: new Side(`${seed} a`, {}),
    candidate: new Side(`${seed} b`, faults),
    copies: new Side(`${seed} c`, faults),
  };
  const total = { stable: 0, candidate: 0, copies: 0, all: 0 };
  const driver = new RolloutDriver();
  const begin = 1_800_000_000_000;
  let now = begin;
  let inForce = { weight: 0, shadowPercent: 0 };
  let promotedStep: string | undefined;
  for (;;) {
    const totals = {
      ...NO_TOTALS,
      stable: sides.stable.measures(),
      candidate: sides.candidate.measures(),
      copies: sides.copies.measures(),
    };
    const move = driver.move({ key: "r", spec, promotedStep, remembered: undefined }, { now, inForce, totals });
    driver.keep(move);
    const { outcome, phase, passedWindows, stepIndex } = move.memory;
    if (outcome !== undefined || now - begin > HORIZON)
      return { outcome, met: total.candidate / Math.max(1, total.all) };
    // Who watches lets it go on when the last window of a wait has passed.
    if (phase === "Waiting" && passedWindows > 0) promotedStep = String(stepIndex);
    const isMoved = inForce.weight !== move.position.weight || inForce.shadowPercent !== move.position.shadowPercent;
    inForce = positionOf(move.position);
    const wait =
      isMoved || promotedStep === String(stepIndex) ? SECOND : Math.max(SECOND, (move.wakeAt ?? now + SECOND) - now);
    now += wait;
    const requests = (perSecond * wait) / SECOND;
    total.all += requests;
    total.candidate += (requests * inForce.weight) / 100;
    total.copies += (requests * inForce.shadowPercent) / 100;
    total.stable += (Math.min(MOST_MEASURED, perSecond) * wait) / SECOND;
    sides.stable.meet(total.stable);
    sides.candidate.meet(total.candidate);
    sides.copies.meet(total.copies);
  }
}

/** Every `nth` of 500. */
export function rollAll(t: TestContext, nth: number): void {
  let falseAlarms = 0;
  let misses = 0;
  let unfinished = 0;
  let mostMet = 0;
  for (const [name, { count, faults, shall }] of Object.entries(KINDS)) {
    const met: number[] = [];
    let wrong = 0;
    for (let i = 0; i < count; i += nth) {
      const end = roll(`${name} ${i}`, (i / nth) % 2 === 0 ? COPIES_FIRST : ONE_PERCENT_FIRST, faults);
      if (shall === "RolledBack") {
        met.push(end.met);
        if (end.outcome !== shall) wrong++;
      } else if (end.outcome === "RolledBack") wrong++;
      else if (end.outcome === undefined) unfinished++;
    }
    if (shall === "RolledBack") misses += wrong;
    else falseAlarms += wrong;
    const worst = Math.max(0, ...met);
    mostMet = Math.max(mostMet, worst);
    const share = met.length === 0 ? "" : `, met by at most ${(100 * worst).toFixed(2)} % of the requests`;
    t.diagnostic(`${name}: ${wrong} of ${Math.ceil(count / nth)} wrong${share}`);
  }
  t.diagnostic(`${unfinished} good ones still wait for a verdict after ${HORIZON / (60 * MINUTE)} hours`);
  assert.ok(falseAlarms <= 4, `${falseAlarms} false alarms`);
  assert.ok(misses <= 4, `${misses} misses`);
  assert.ok(mostMet < 0.02, `one was met by ${(100 * mostMet).toFixed(2)} % of the requests`);
}
