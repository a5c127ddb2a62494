/**
 * Which sixteen failures does the public catalogue try, and what would be right?
 *
 * After Failover Bench, methodology 0.1 (github.com/failoverbench/failoverbench, scenarios/catalogue.yaml and
 * METHODOLOGY.md): the same faults, limits and checks, made by the simulators. The published times are those of its full
 * profile; the short ones are for every day.
 */
import type { Seen, Served } from "./seen.ts";

/** Milliseconds, unless said otherwise. */
export interface Timings {
  /** `timeouts` of the first provider. */
  readonly timeouts: { readonly firstByte: string; readonly firstToken: string; readonly idle: string };
  readonly circuitBreaker: object;
  readonly perTokenMs: number;
  readonly slowFirstToken: number;
  /** An answer that took no longer than this did not wait for the slow token. */
  readonly beforeSlowToken: number;
  readonly silenceBudget: number;
  readonly stallBudget: number;
  /** When a call counts as hanging. */
  readonly patience: number;
  readonly flap: { readonly down: number; readonly count: number; readonly interval: number; readonly back: number };
}

export const SHORT: Timings = {
  timeouts: { firstByte: "2s", firstToken: "2s", idle: "2s" },
  circuitBreaker: { failureThreshold: 3, recoveryTimeout: "2s" },
  perTokenMs: 2,
  slowFirstToken: 20_000,
  beforeSlowToken: 15_000,
  silenceBudget: 20_000,
  stallBudget: 20_000,
  patience: 30_000,
  flap: { down: 4_000, count: 10, interval: 1_000, back: 30_000 },
};

export const PUBLISHED: Timings = {
  timeouts: { firstByte: "10s", firstToken: "10s", idle: "10s" },
  circuitBreaker: {},
  perTokenMs: 15,
  slowFirstToken: 20_000,
  beforeSlowToken: 15_000,
  silenceBudget: 100_000,
  stallBudget: 45_000,
  patience: 130_000,
  flap: { down: 60_000, count: 20, interval: 4_000, back: 30_000 },
};

export interface Check {
  readonly id: string;
  /** Failing, it makes a pass a partial; any other makes a fail of whatever it was. */
  readonly advisory?: true;
  readonly holds: (seen: Seen, timings: Timings) => boolean;
}

export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** What the first provider does; undefined: nothing, the sequence does it. */
  readonly fault: (timings: Timings) => string;
  /** How many requests it meets; all when absent. */
  readonly times?: number;
  /** What a caller should get; the answer when absent. */
  readonly ideal?: "error";
  /** Many requests over an outage that ends. */
  readonly sequence?: true;
  /** There is no other provider. Not one of the sixteen. */
  readonly alone?: true;
  readonly checks: readonly Check[];
}

const attemptsAtMost = (most: number): Check => ({
  id: "bounded attempts",
  holds: ({ first }) => first.length <= most,
});
const noHammer = (within: number, most: number): Check => ({
  id: `at most ${most} attempts in ${within} ms`,
  holds: ({ first }) => first.filter(({ at }) => at - (first[0] as Served).at < within).length <= most,
});
const attemptsAtLeast = (least: number): Check => ({
  id: "asked the same provider again",
  advisory: true,
  holds: ({ first }) => first.length >= least,
});
const oneAttempt: Check = { id: "the same model is asked once", holds: ({ first }) => first.length === 1 };
const noTruncatedSuccess: Check = {
  id: "nothing truncated as a success",
  holds: ({ outcome, complete }) => outcome !== "success" || complete,
};
const aliveAfter: Check = { id: "alive afterwards", holds: ({ alive }) => alive };
const noPrefillMasking: Check = {
  id: "asked anew, not with a prefill",
  holds: ({ second }) => second.every(({ lastRole }) => lastRole === "user"),
};
const within = (limit: (timings: Timings) => number, advisory?: true): Check => ({
  id: "in time",
  ...(advisory && { advisory }),
  holds: ({ tookMs }, timings) => tookMs <= limit(timings),
});
const usageTold: Check = { id: "usage told", advisory: true, holds: ({ usage }) => usage };
const waitedAsAsked: Check = {
  id: "waited as asked",
  advisory: true,
  holds: ({ first: [one, two] }) => one !== undefined && two !== undefined && two.at - one.at >= 1_800,
};

const RATE_LIMITED_ONCE = {
  fault: () => "429;retry-after=2",
  times: 1,
  checks: [attemptsAtLeast(2), waitedAsAsked, noHammer(1_500, 2)],
} as const;

export const SCENARIOS: readonly Scenario[] = [
  { id: "S01", title: "429 with Retry-After", ...RATE_LIMITED_ONCE },
  { id: "S01 alone", title: "the same, and nobody else to ask", alone: true, ...RATE_LIMITED_ONCE },
  {
    id: "S02",
    title: "429 without Retry-After, persistent",
    fault: () => "429",
    checks: [noHammer(3_000, 4), attemptsAtMost(6)],
  },
  { id: "S03", title: "500 once, then healthy", fault: () => "500", times: 1, checks: [attemptsAtLeast(2)] },
  { id: "S04", title: "503 persistent", fault: () => "503", checks: [attemptsAtMost(6)] },
  { id: "S05", title: "TCP reset before headers", fault: () => "reset", times: 1, checks: [] },
  {
    id: "S06",
    title: "no response at all",
    fault: () => "silence",
    checks: [
      within(({ silenceBudget }) => silenceBudget),
      { id: "the silent one is not asked again", advisory: true, holds: ({ first }) => first.length <= 1 },
    ],
  },
  {
    id: "S07",
    title: "slow first token",
    fault: ({ slowFirstToken }) => `slow-first-token;ms=${slowFirstToken};every=${slowFirstToken}`,
    checks: [within(({ beforeSlowToken }) => beforeSlowToken, true)],
  },
  { id: "S08", title: "stream cut mid-answer", fault: () => "cut;after=40", checks: [noTruncatedSuccess] },
  {
    id: "S09",
    title: "stream stalls",
    fault: () => "stall;after=20",
    checks: [within(({ stallBudget }) => stallBudget), noTruncatedSuccess, aliveAfter],
  },
  {
    id: "S10",
    title: "malformed chunk in the stream",
    fault: () => "garbage;after=10",
    checks: [
      aliveAfter,
      noTruncatedSuccess,
      { id: "recovered in place", advisory: true, holds: ({ complete }) => complete },
    ],
  },
  {
    id: "S11",
    title: "stream ends without [DONE]",
    fault: () => "no-done",
    checks: [within(() => 8_000), usageTold],
  },
  { id: "S12", title: "context length exceeded", fault: () => "context-length", checks: [oneAttempt] },
  { id: "S13", title: "content-filter rejection", fault: () => "content-filter", ideal: "error", checks: [oneAttempt] },
  {
    id: "S14",
    title: "fallback target rejects prefill",
    fault: () => "cut;after=40",
    checks: [noPrefillMasking, noTruncatedSuccess],
  },
  {
    id: "S15",
    title: "primary flaps: down, then healthy",
    fault: () => "503",
    sequence: true,
    checks: [
      { id: "served during the outage", holds: ({ unserved }) => unserved === 0 },
      {
        id: "the first provider answers again in time",
        holds: ({ backAfter }, { flap }) => backAfter !== undefined && backAfter <= flap.back,
      },
    ],
  },
  {
    id: "S16",
    title: "fail-over accounting",
    fault: () => "503",
    checks: [
      { id: "the answer names the fallback's model", holds: ({ model }) => model?.startsWith("gpt-4o-mini") ?? false },
      usageTold,
      attemptsAtMost(6),
    ],
  },
];
