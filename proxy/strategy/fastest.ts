/**
 * Which backend answers this caller the fastest, and what does a request teach about that when it has ended?
 *
 * Each attempt is measured from its own start, so that a backend is not charged for those that failed before it. What
 * failed or was given up counts only when it took longer than usual: a quick error is no quick answer.
 */
import { type Score, tiers } from "../../routing/choose.ts";
import { LATENCY_RULES, type LatencyRules } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import type { AttemptOutcome, AttemptRecord } from "../exchange.ts";
import type { Plan, Target } from "../snapshot.ts";
import type { Timing } from "./latencies.ts";
import { bestOf, type Contender, isAmongFastest, leadOf } from "./lead.ts";
import type { Measure, Pending } from "./meter.ts";

/** An attempt at a backend that is measured. */
export interface Timed {
  readonly timing: Timing;
  readonly pending: Pending;
}

export interface Fastest {
  readonly score: Score<Target>;
  /** As `x-tandem-decision` says it. */
  readonly why: string;
}

interface Entrant extends Contender {
  readonly target: Target;
}

/** These say nothing about how fast an answer would have been. */
const TELLS_NOTHING = new Set<AttemptOutcome | undefined>(["client_error", "config_error", "rate_limited"]);

/** The backends of the tier that leads and have weight; worked out once for each plan. */
const leading = new WeakMap<Plan, readonly Target[]>();

export function fastest(context: RequestContext, plan: Plan, stickyKey: string | undefined): Fastest {
  const now = performance.now();
  const rules = plan.route.latency ?? LATENCY_RULES;
  const measure = measureOf(rules, context.exchange.stream);
  const place = context.services.strategies.latencies.placeOf(context.caller.location, now);
  const able = leadOfPlan(plan).filter(isUsable);
  const location = levelOf(able, measure, place, now);
  const entrants = able.map((target) => entrant(target, measure, location, now));
  const score = (target: Target) => rank(estimateOf(target, measure, location, now));
  const lead = leadOf(entrants, rules, Math.random);
  if (!lead) return { score, why: "latency" };
  if (stickyKey === undefined || lead.why === "latency:explore") return alone(lead.first.target, lead.why, score);
  const best = bestOf(entrants);
  if (best === undefined) return { score, why: "latency:unknown" };
  if (lead.why === "latency:unknown") return alone(lead.first.target, lead.why, score);
  // The conversation's key draws among the fastest: it stays where it is while that is one of them.
  const fast = new Set(entrants.filter((one) => isAmongFastest(rank(one.estimate), best, rules)).map((e) => e.target));
  return { score: (target) => (fast.has(target) ? 0 : score(target)), why: "latency" };
}

function alone(first: Target, why: string, score: Score<Target>): Fastest {
  return { score: (target) => (target === first ? -1 : score(target)), why };
}

function leadOfPlan(plan: Plan): readonly Target[] {
  const known = leading.get(plan);
  if (known) return known;
  const lead = (tiers(plan.targets)[0] ?? []).filter(({ backend }) => backend.weight > 0);
  leading.set(plan, lead);
  return lead;
}

function isUsable({ availability, authorization }: Target): boolean {
  return authorization.header !== undefined && availability.usable().ok;
}

function measureOf({ metric }: LatencyRules, stream: boolean): Measure {
  if (!stream) return "answer";
  return metric === "Total" ? "stream" : "firstToken";
}

/** The caller's location when enough is known there of all that are compared; undefined: what all callers saw. */
function levelOf(able: readonly Target[], measure: Measure, place: string, now: number): string | undefined {
  const isFine = able.every(({ timing }) => {
    return !timing?.meter.isKnown(measure, now) || timing.meter.isKnownAt(place, measure, now);
  });
  return isFine ? place : undefined;
}

function entrant(target: Target, measure: Measure, location: string | undefined, now: number): Entrant {
  return {
    target,
    weight: target.backend.weight,
    estimate: estimateOf(target, measure, location, now),
    inFlight: target.timing?.meter.inFlight ?? 0,
    silence: target.timing?.meter.silence(measure, now) ?? 0,
  };
}

function estimateOf({ timing }: Target, measure: Measure, location: string | undefined, now: number) {
  return timing?.meter.isKnown(measure, now) ? timing.meter.estimate(measure, location, now) : undefined;
}

/** What is unknown comes behind what is known. */
function rank(estimate: number | undefined): number {
  return estimate ?? Number.POSITIVE_INFINITY;
}

/** An attempt begins at a backend that is measured. */
export function watch(context: RequestContext, timing: Timing, record: AttemptRecord): void {
  if (context.operation?.handling !== "inference") return;
  const { exchange, caller, services } = context;
  const location = services.strategies.latencies.placeOf(caller.location, record.startedAt);
  const pending = { record, location, exchange };
  timing.meter.began(pending);
  context.timed ??= [];
  context.timed.push({ timing, pending });
}

/** At once: a stream may go on for minutes. */
export function measureFirstToken({ exchange, timed }: RequestContext, firstTokenAt: number): void {
  const record = exchange.attempts.at(-1);
  for (const { timing, pending } of timed ?? []) {
    if (pending.record !== record) continue;
    timing.meter.observe("firstToken", pending.location, firstTokenAt - record.startedAt, firstTokenAt);
  }
}

/** When the request has ended: what its attempts took, delivery to the caller included. */
export function measure(context: RequestContext, timed: readonly Timed[]): void {
  const { response, exchange } = context;
  if (exchange.outcome !== "ok" || response.writableFinished || response.destroyed) {
    for (const one of timed) conclude(context, one, exchange.endedAt ?? performance.now());
    return;
  }
  // All is written, and waits for the caller to take it.
  let isDone = false;
  const done = () => {
    if (isDone) return;
    isDone = true;
    for (const one of timed) conclude(context, one, performance.now());
  };
  response.once("finish", done);
  response.once("close", done);
}

function conclude({ exchange, response }: RequestContext, { timing, pending }: Timed, endedAt: number): void {
  const { record, location } = pending;
  const { meter, group } = timing;
  meter.ended(pending);
  if (TELLS_NOTHING.has(record.outcome)) return;
  const isLast = record === exchange.attempts.at(-1);
  const isWhole = isLast && record.outcome === "ok" && exchange.outcome === "ok" && response.writableFinished;
  const end = isLast && record.outcome === "ok" ? endedAt : (record.endedAt ?? endedAt);
  const took = end - record.startedAt;
  const total: Measure = exchange.stream ? "stream" : "answer";
  if (isWhole) {
    const normal = group.lengths[total].normal(took, exchange.usage?.output);
    meter.observe(total, location, normal, end);
  } else meter.atLeast(total, location, took, end);
  // What came is measured already.
  if (exchange.stream && exchange.firstTokenAt === undefined && !isWhole) {
    meter.atLeast("firstToken", location, took, end);
  }
}
