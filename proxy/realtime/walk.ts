/**
 * Which backend opens the session, or answers the call, when the first choice fails?
 *
 * Walks the order once: what cannot be asked is passed over, and failures that are not the caller's fault go on to the
 * next, within the route's `failover`. Nothing here runs after the provider's 101 or its answer.
 */
import type { RequestContext } from "../context.ts";
import type { AttemptRecord } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import { unauthorised } from "../stages/admit.ts";
import { newAttempt, originOf } from "../stages/attempt-record.ts";
import { finalError, notOffered } from "../stages/final-error.ts";
import { placeInQueue } from "../stages/pause.ts";
import type { Failure } from "../stages/settled.ts";
import { retryAfter } from "../upstream/retry-after.ts";

/** Undefined: the caller went away. */
export type Tried<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: Failure }
  | undefined;

/** So long it waits for a place at one provider (milliseconds). */
const QUEUE_WAIT = 1_000;

export interface Walkable<T> {
  /** Why a backend cannot be asked at all; undefined: it can. */
  refusal(target: Target): string | undefined;
  /** Must not throw for what a provider does. */
  attempt(target: Target, record: AttemptRecord): Promise<Tried<T>>;
  /** What was opened goes on taking a place at the provider: calls back when it has ended. Absent: it has ended. */
  onEnd?(value: T, callback: () => void): void;
}

/** Undefined: the caller went away. Throws GatewayError or ProviderRefusal. */
export async function firstOf<T>(context: RequestContext, walkable: Walkable<T>): Promise<T | undefined> {
  const { exchange, plan, order } = context;
  for (const { authorization } of order) {
    // A first token of Entra ID is on its way.
    if (authorization.pending) await authorization.pending;
  }
  const skipped = new Map<Target, string>();
  const able = order.filter((target) => {
    const reason = walkable.refusal(target);
    if (reason !== undefined) skipped.set(target, reason);
    return reason === undefined;
  });
  const failover = plan?.route.failover;
  let last: Failure | undefined;
  let attempts = 0;
  for (const target of ready(able, skipped)) {
    const isLate = performance.now() - exchange.startedAt > (failover?.maxDuration ?? Number.POSITIVE_INFINITY);
    if (attempts > 0 && (isLate || attempts >= (failover?.maxAttempts ?? 1))) break;
    if (!target.places.take() && !(await placeInQueue(context, target, QUEUE_WAIT))) {
      if (context.closed) return undefined;
      skipped.set(target, "concurrency_limit");
      continue;
    }
    const ticket = target.availability.begin(attempts === 0);
    if (ticket === 0) {
      skipped.set(target, "circuit_open");
      target.places.give();
      continue;
    }
    attempts++;
    if (target !== order[0]) {
      exchange.decision = `failover:${last?.outcome ?? skipped.values().next().value ?? "unavailable"}`;
    }
    const record = newAttempt(target);
    exchange.attempts.push(record);
    context.target = target;
    const tried = await attemptAt(walkable, target, record);
    if (!tried || context.closed) {
      note(record, "aborted");
      target.availability.released(ticket);
      return tried?.ok ? tried.value : undefined;
    }
    if (tried.ok) {
      record.outcome = "ok";
      target.availability.succeeded(ticket);
      return tried.value;
    }
    last = tried.failure;
    note(record, last.outcome, last.detail);
    learn(context, target, ticket, last, record);
    if (last.outcome === "client_error") break;
  }
  if (skipped.size > 0) {
    const excluded = [...skipped].map(([target, reason]) => ({ backend: target.backend.name, reason }));
    exchange.excluded = [...(exchange.excluded ?? []), ...excluded];
  }
  if (context.ephemeral && last?.status === 401) throw unauthorised("The provider takes the ephemeral key no more.");
  if (able.length === 0 && [...skipped.values()].every((reason) => reason === "operation_not_offered")) {
    throw notOffered(context);
  }
  throw finalError(context, last, limitOf(able));
}

/** Gives the place back when what it was taken for has ended. */
async function attemptAt<T>(walkable: Walkable<T>, target: Target, record: AttemptRecord): Promise<Tried<T>> {
  let isLasting = false;
  try {
    const tried = await walkable.attempt(target, record);
    if (tried?.ok && walkable.onEnd) {
      isLasting = true;
      walkable.onEnd(tried.value, () => target.places.give());
    }
    return tried;
  } finally {
    if (!isLasting) target.places.give();
  }
}

/** Those that can be asked now. When none can, the first of those whose breaker is open: better than nobody. */
function ready(able: readonly Target[], skipped: Map<Target, string>): readonly Target[] {
  const usable: Target[] = [];
  let shut: Target | undefined;
  for (const target of able) {
    const usability = target.availability.usable();
    if (usability.ok) usable.push(target);
    else {
      skipped.set(target, usability.reason);
      if (usability.reason !== "rate_limited") shut ??= target;
    }
  }
  return usable.length > 0 || !shut ? usable : [shut];
}

/** Milliseconds until the first rate limit is over. */
function limitOf(able: readonly Target[]): number | undefined {
  const waits = able.flatMap(({ availability }) => {
    const usability = availability.usable();
    return usability.ok || usability.reason !== "rate_limited" || usability.until === undefined
      ? []
      : [usability.until - performance.now()];
  });
  return waits.length === 0 ? undefined : Math.max(0, Math.min(...waits));
}

function note(record: AttemptRecord, outcome: AttemptRecord["outcome"], detail?: string): void {
  record.outcome = outcome;
  record.detail = detail;
  record.endedAt = performance.now();
}

/** What the failure teaches about the provider, as in the attempt loop of plain requests. */
function learn(context: RequestContext, target: Target, ticket: number, failure: Failure, record: AttemptRecord): void {
  const { availability } = target;
  const origin = originOf(context, record);
  // The caller's ephemeral key is no part of the configuration.
  if (failure.error?.rule.fix !== undefined && !context.ephemeral) {
    context.services.onConfigFault(target, failure, record.providerRequestID);
  }
  switch (failure.outcome) {
    case "rate_limited":
      availability.rateLimited(ticket, retryAfter(failure.headers, failure.error?.message, Date.now()), origin);
      return;
    case "config_error":
    case "client_error":
      availability.succeeded(ticket);
      return;
    default:
      availability.failed(ticket, failure.outcome === "connect_error" ? "provider" : "model", failure.detail, origin);
  }
}
