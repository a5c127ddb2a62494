/**
 * Which backend is asked next, and is anybody asked again?
 *
 * Remembers how far one request has gone over its backends. Which failure retries, goes on or stops is the table
 * ON_FAILURE; budgets are the route's `failover`. Nothing here sends anything.
 */
import type { RequestContext } from "../context.ts";
import { refusedField } from "../dialects/fields.ts";
import { fieldRulesAt, pathAt, type Target } from "../snapshot.ts";
import type { Circuit } from "../upstream/breaker.ts";
import { isSpent, mayHaveHappened } from "./final-error.ts";
import { tokensNeeded } from "./need.ts";
import { pause, placeInQueue } from "./pause.ts";
import type { Failure } from "./settled.ts";

/** Waiting is only for when nobody else is eligible, and at most this long for one request (milliseconds). */
const LONGEST_WAIT = 10_000;
/** So long a request waits for a place at one provider while another could take it (milliseconds). */
const QUEUE_WAIT = 1_000;

/** So long a request with nobody else to ask waits for the word of a breaker's probe (milliseconds). */
const PROBE_WAIT = 1_000;

/**
 * `again`: on the same provider up to `retrySameProvider`, then the next; `next`: the next backend;
 * `stop`: the caller's own fault, which no other provider mends.
 */
type Step = "again" | "next" | "stop";

const ON_FAILURE: Readonly<Record<Failure["outcome"], Step>> = {
  connect_error: "again",
  reset: "again",
  server_error: "again",
  malformed: "again",
  cut: "again",
  timeout: "next",
  rate_limited: "next",
  config_error: "next",
  client_error: "stop",
};

/** By the headers of its last answers the request does not fit into what its rate limit has left. */
const NEAR_LIMIT = "near_rate_limit";

/** Reasons to pass a backend over that no waiting changes. */
const LASTING = new Set(["operation_not_offered", "field_not_supported", "credential_missing", "context_too_small"]);

interface Failed {
  readonly target: Target;
  readonly failure: Failure;
}

/** How far the way over the backends has been gone. */
export class Walk {
  readonly context: RequestContext;
  readonly tried: Target[] = [];
  readonly failures: Failed[] = [];
  /** Why each backend was passed over. */
  readonly skipped = new Map<Target, string>();
  /** Taken although its breaker is open, since all are. */
  forced: Target | undefined;
  retries = 0;
  /** A second backend was asked beside a silent one, or might have been. */
  hedged = false;
  /** The one attempt that may have met a connection just closed by its provider: repeated, and counted for nothing. */
  stale: Failed | undefined;
  /** Milliseconds for which rate limits, and places where nobody else was left, were waited for. */
  waited = 0;
  /** Something has been passed on: the provider that broke off is not asked again. */
  recovering = false;
  /** A larger context is needed than this many tokens. */
  contextTokens: number | undefined;

  constructor(context: RequestContext) {
    this.context = context;
  }

  /** The answer that flowed from `target` broke off, and somebody else may go on with it. */
  recovers(target: Target, failure: Failure): void {
    this.recovering = true;
    this.failures.push({ target, failure });
  }

  /** Notes how an attempt failed. */
  failed(target: Target, failure: Failure): void {
    const failed = { target, failure };
    this.failures.push(failed);
    if (failure.isStale) this.stale ??= failed;
  }

  get last(): Failed | undefined {
    return this.failures.at(-1);
  }

  /** Milliseconds until no new attempt may begin. */
  get timeLeft(): number {
    const { exchange, plan } = this.context;
    return exchange.startedAt + (plan?.route.failover.maxDuration ?? 0) - performance.now();
  }

  get spent(): boolean {
    const { exchange, plan } = this.context;
    return (
      exchange.attempts.length - (this.stale ? 1 : 0) >= (plan?.route.failover.maxAttempts ?? 1) || this.timeLeft <= 0
    );
  }
}

/** Whether another attempt makes sense after this failure; notes what the next one needs. */
export function goesOn(walk: Walk, target: Target, failure: Failure): boolean {
  // Its bytes went out and are gone: there is nothing to send again.
  if (walk.context.body?.rest) return false;
  if (mayHaveHappened(walk.context, failure)) return false;
  if (failure.outcome === "client_error" && failure.error?.code === "context_length_exceeded") {
    walk.contextTokens = target.model.contextTokens ?? Number.POSITIVE_INFINITY;
    return true;
  }
  return ON_FAILURE[failure.outcome] !== "stop";
}

export function nextTarget(walk: Walk): Target | undefined | Promise<Target | undefined> {
  const { last } = walk;
  if (walk.recovering) return otherTarget(walk);
  if (last && last === walk.stale) return last.target;
  return last && ON_FAILURE[last.failure.outcome] === "again" ? againOrNext(walk, last.target) : otherTarget(walk);
}

async function againOrNext(walk: Walk, target: Target): Promise<Target | undefined> {
  return (await mayRetry(walk, target)) ? target : otherTarget(walk);
}

function otherTarget(walk: Walk): Target | undefined | Promise<Target | undefined> {
  for (const target of walk.context.order) {
    if (walk.tried.includes(target)) continue;
    const { pending } = target.authorization;
    if (pending) return tokenOrNext(walk, target, pending);
    if (isEligible(walk, target)) return target;
  }
  return walk.last?.failure.outcome === "client_error" ? undefined : waitForOne(walk);
}

/** A provider's first token is on its way: nothing is passed over before that is known, while there is time. */
async function tokenOrNext(walk: Walk, target: Target, pending: Promise<void>): Promise<Target | undefined> {
  await pause(walk.context, Math.max(0, walk.timeLeft), pending);
  if (walk.context.closed) return undefined;
  if (!walk.spent) return otherTarget(walk);
  walk.skipped.set(target, target.authorization.missing);
  return undefined;
}

/** All places at the provider are taken: waits for one, for a moment, or longer when nobody else is left. */
export async function placeAt(walk: Walk, target: Target): Promise<boolean> {
  const isLast = !walk.context.order.some((other) => !walk.tried.includes(other) && !refusalOf(walk, other));
  const longest = isLast ? LONGEST_WAIT - walk.waited : QUEUE_WAIT;
  const begun = performance.now();
  const isServed = await placeInQueue(walk.context, target, Math.min(longest, walk.timeLeft));
  if (isLast) walk.waited += performance.now() - begun;
  if (!isServed) {
    walk.skipped.set(target, "concurrency_limit");
    return false;
  }
  // Others have learnt something of it meanwhile.
  if (target === walk.forced || isEligible(walk, target)) return true;
  target.places.give();
  return false;
}

async function mayRetry(walk: Walk, target: Target): Promise<boolean> {
  const failover = walk.context.plan?.route.failover;
  if (!failover || walk.retries >= failover.retrySameProvider || !target.availability.usable().ok) return false;
  walk.retries++;
  // Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
  const ceiling = Math.min(failover.backoff.max, failover.backoff.base * 2 ** (walk.retries - 1));
  const wait = ceiling * Math.random();
  if (wait >= walk.timeLeft) return false;
  await pause(walk.context, wait);
  return true;
}

function isEligible(walk: Walk, target: Target): boolean {
  const reason = refusalOf(walk, target);
  if (reason === undefined) return true;
  walk.skipped.set(target, reason);
  return false;
}

export function refusalOf(walk: Walk, target: Target): string | undefined {
  const { operation, path, query } = walk.context;
  if (!operation || pathAt(target, operation, path, query) === undefined) return "operation_not_offered";
  if (walk.context.body && refusedField(fieldRulesAt(target, operation), walk.context.body.scan)) {
    return "field_not_supported";
  }
  if (!target.authorization.header) return target.authorization.missing;
  if (walk.contextTokens !== undefined && !((target.model.contextTokens ?? 0) > walk.contextTokens)) {
    return "context_too_small";
  }
  const { availability } = target;
  const usability = availability.usable();
  if (!usability.ok) return usability.reason;
  return availability.scarce && !availability.fits(tokensNeeded(walk.context, target)) ? NEAR_LIMIT : undefined;
}

/**
 * Nobody is eligible: takes one that is only thought to be at its limit, for the provider alone knows; else waits for a
 * rate limit to pass, or takes the least bad of those that were passed over, one after the other: each may be back.
 */
async function waitForOne(walk: Walk): Promise<Target | undefined> {
  const near = walk.context.order.find((one) => walk.skipped.get(one) === NEAR_LIMIT && !walk.tried.includes(one));
  if (near) return near;
  const first = soonest(walk);
  if (first && walk.waited + first.wait <= LONGEST_WAIT && first.wait < walk.timeLeft) {
    walk.waited += first.wait;
    await pause(walk.context, first.wait);
    return first.target;
  }
  if (first) return undefined;
  const shut = [...walk.skipped].filter(([, reason]) => reason === "circuit_open" || reason === "unhealthy");
  const targets = shut.map(([target]) => target).filter((target) => !walk.tried.includes(target));
  walk.forced = targets[walk.context.services.availability.leastBad(targets.map((target) => target.availability))];
  const circuit = walk.forced?.availability.probed;
  return circuit ? afterProbe(walk, circuit) : walk.forced;
}

/** Somebody asks the only backend already whether it is back: its word is waited for a moment, else it is asked anyway. */
async function afterProbe(walk: Walk, circuit: Circuit): Promise<Target | undefined> {
  let leave = () => {};
  const ended = new Promise<void>((resolve) => {
    leave = circuit.onProbeEnd(resolve);
  });
  await pause(walk.context, Math.max(0, Math.min(PROBE_WAIT, walk.timeLeft)), ended);
  leave();
  if (walk.spent) return undefined;
  const other = walk.context.order.find((one) => !walk.tried.includes(one) && refusalOf(walk, one) === undefined);
  return other ?? walk.forced;
}

/** The rate-limited backend that is free again first. */
export function soonest(walk: Walk): { target: Target; wait: number } | undefined {
  let best: { target: Target; wait: number } | undefined;
  for (const target of walk.context.order) {
    if (walk.failures.some((failed) => failed.target === target && isSpent(failed.failure))) continue;
    if (LASTING.has(walk.skipped.get(target) ?? "")) continue;
    const usability = target.availability.usable();
    if (usability.ok || usability.reason !== "rate_limited" || usability.until === undefined) continue;
    const wait = Math.max(0, usability.until - performance.now());
    if (!best || wait < best.wait) best = { target, wait };
  }
  return best;
}
