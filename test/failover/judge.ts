/**
 * What is a scenario worth? By the catalogue's rules.
 *
 * `pass`: rescued, every check holds. `partial`: rescued, a check that only advises does not hold. `safe`: not rescued, but a
 * clean error in time. `fail`: a hang, a truncated answer as a success, or another check that does not hold.
 */
import type { Scenario, Timings } from "./catalogue.ts";
import type { Seen, Verdict } from "./seen.ts";

export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
}

export function judge(scenario: Scenario, seen: Seen, timings: Timings): Judgement {
  const { outcome, complete, error } = seen;
  const wantsError = scenario.ideal === "error";
  if (outcome === "hang") return { verdict: "fail", why: `no end within ${timings.patience} ms` };
  if (outcome === "success" && !complete && !wantsError) return { verdict: "fail", why: "truncated, as a success" };
  const broken = scenario.checks.filter(({ holds }) => !holds(seen, timings));
  const failed = broken.filter(({ advisory }) => !advisory).map(({ id }) => id);
  if (failed.length > 0) return { verdict: "fail", why: `not: ${failed.join(", ")}` };
  if (wantsError && outcome === "success") return { verdict: "partial", why: "answered by another model" };
  if (outcome === "error" && !wantsError) return { verdict: "safe", why: `a clean error: ${error}` };
  const advice = broken.map(({ id }) => id);
  return advice.length > 0
    ? { verdict: "partial", why: `rescued; not: ${advice.join(", ")}` }
    : { verdict: "pass", why: wantsError ? `a clean error: ${error}` : "rescued" };
}
