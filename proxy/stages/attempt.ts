/**
 * Who answers, when the first choice fails?
 *
 * Asks one backend after the other (`walk.ts` says which) until one has something to pass on, and tells what is remembered of
 * providers how each attempt ended. Nothing here runs after a byte has been passed on.
 */
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import { spilloverOf } from "../dialects/spillover.ts";
import type { AttemptRecord } from "../exchange.ts";
import { RESPONSE_EVENT, SPOKEN_CHUNK } from "../ids/paths.ts";
import { tagIDs } from "../ids/tag-answer.ts";
import type { Target } from "../snapshot.ts";
import { streamProfileOf } from "../sse/profile.ts";
import type { ReaderOptions } from "../sse/reader.ts";
import { watch } from "../strategy/fastest.ts";
import { retryAfter } from "../upstream/retry-after.ts";
import { answerPlaces } from "./answer-places.ts";
import { refusedUsageOption } from "./ask-usage.ts";
import { newAttempt, originOf } from "./attempt-record.ts";
import { type CallOptions, UpstreamCall } from "./call.ts";
import { finalError, notOffered } from "./final-error.ts";
import { hedged, type Running } from "./hedge.ts";
import type { HedgeBudget } from "./hedge-budget.ts";
import { send } from "./send.ts";
import type { Failure, Settled } from "./settled.ts";
import { goesOn, nextTarget, placeAt, refusalOf, soonest, Walk } from "./walk.ts";

/** Only connect, DNS and TLS failures say something about the whole provider. */
const COUNTS_FOR_PROVIDER = new Set<Failure["outcome"]>(["connect_error"]);
/** Neither fault of the model nor of the provider's health. */
const COUNTS_FOR_NOTHING = new Set<Failure["outcome"]>(["client_error", "config_error"]);

/**
 * Ends with `context.call` settled well, or throws GatewayError or ProviderRefusal. Called again after an answer broke off
 * while it flowed, it goes on where it was.
 */
export async function attempt(context: RequestContext): Promise<void> {
  context.walk ??= new Walk(context);
  const { walk } = context;
  for (;;) {
    // The first choice is usually there at once, and then nothing is waited for.
    const next = walk.spent ? undefined : nextTarget(walk);
    const target = next instanceof Promise ? await next : next;
    if (context.closed) return;
    if (!target) break;
    walk.tried.push(target);
    if (!target.places.take() && !(await placeAt(walk, target))) {
      if (context.closed) return;
      continue;
    }
    const { header, missing } = target.authorization;
    const ticket = header ? target.availability.begin(target === walk.forced) : 0;
    if (ticket === 0) {
      // Its token ended while something else was waited for, or another request took the half-open breaker's one probe.
      walk.skipped.set(target, header ? "circuit_open" : missing);
      target.places.give();
      continue;
    }
    const failure = await tryOnce(walk, target, ticket);
    if (!failure || context.closed) return noteSkipped(walk);
    // The one beside it, when that was asked too and failed later.
    const last = context.target ?? target;
    walk.failed(last, failure);
    if (!goesOn(walk, last, failure)) break;
  }
  noteSkipped(walk);
  if (!walk.last && nobodyOffers(walk)) throw notOffered(context);
  throw finalError(context, walk.last?.failure, soonest(walk)?.wait);
}

function noteSkipped({ context: { exchange }, skipped }: Walk): void {
  if (skipped.size === 0) return;
  const excluded = [...skipped].map(([target, reason]) => ({ backend: target.backend.name, reason }));
  exchange.excluded = [...(exchange.excluded ?? []), ...excluded];
}

function nobodyOffers(walk: Walk): boolean {
  return walk.skipped.size > 0 && [...walk.skipped.values()].every((reason) => reason === "operation_not_offered");
}

/** One attempt. Undefined when it settled well, or when the caller went away. */
async function tryOnce(walk: Walk, target: Target, ticket: number): Promise<Failure | undefined> {
  const { context } = walk;
  if (target !== context.order[0]) {
    const reason = walk.last?.failure.outcome ?? walk.skipped.values().next().value ?? "unavailable";
    context.exchange.decision = `failover:${reason}`;
  }
  walk.skipped.delete(target);
  const first = begin(context, target, ticket);
  context.target = target;
  context.call = first.call;
  const after = hedgeAfter(walk);
  if (after === undefined) return conclude(walk, first, await first.call.settled);
  const { running, settled } = await hedged(context, first, {
    after,
    begin: () => beginBeside(walk),
    failed: (one, failure) => hasFailed(walk, one, failure),
  });
  if (running !== first) {
    context.target = running.target;
    context.call = running.call;
    if (settled.ok) context.exchange.decision = "hedged";
  }
  return conclude(walk, running, settled);
}

function begin(context: RequestContext, target: Target, ticket: number): Running {
  const record = newAttempt(target);
  context.exchange.attempts.push(record);
  if (target.timing) watch(context, target.timing, record);
  const call = new UpstreamCall(target, record, callOptions(context, target));
  try {
    send(context, target, call, record);
  } catch (error) {
    target.availability.released(ticket);
    call.abort("not sent");
    throw error;
  }
  return { target, ticket, record, call };
}

/** Milliseconds of silence after which another backend is asked too; undefined: none is. */
function hedgeAfter({ context, hedged }: Walk): number | undefined {
  const after = context.plan?.route.failover.hedgeAfter;
  if (after === undefined || hedged || context.body?.rest) return undefined;
  // What makes a thing would make two.
  if (context.operation?.handling !== "inference") return undefined;
  if (context.exchange.attempts.length === 1) hedgeBudgetOf(context)?.earn();
  return after;
}

function hedgeBudgetOf({ plan, services }: RequestContext): HedgeBudget | undefined {
  return plan && services.hedges.of(plan.route.key);
}

/** At the next backend that can be asked at once, and not as a probe of its breaker: this is no time for experiments. */
function beginBeside(walk: Walk): Running | undefined {
  if (walk.spent) return undefined;
  for (const target of walk.context.order) {
    if (walk.tried.includes(target) || refusalOf(walk, target) !== undefined) continue;
    const usability = target.availability.usable();
    if (!usability.ok || usability.probe || !target.places.take()) continue;
    walk.hedged = true;
    if (!hedgeBudgetOf(walk.context)?.spend()) {
      target.places.give();
      walk.context.exchange.hedge = "capped";
      return undefined;
    }
    walk.tried.push(target);
    return begin(walk.context, target, target.availability.begin());
  }
  return undefined;
}

/** One of two has failed while the other goes on. True: the other's answer could be no better. */
function hasFailed(walk: Walk, running: Running, failure: Failure): boolean {
  const { target, ticket, record } = running;
  if (!goesOn(walk, target, failure)) return true;
  noteHeaders(running);
  record.outcome = failure.outcome;
  record.detail = failure.detail;
  judge(walk.context, target, ticket, failure, record);
  walk.failed(target, failure);
  return false;
}

/** What came of an attempt. Undefined when it settled well, or when the caller went away; a promise when it is made again. */
function conclude(walk: Walk, running: Running, settled: Settled): Failure | undefined | Promise<Failure | undefined> {
  const { context } = walk;
  const { target, ticket, record, call } = running;
  noteHeaders(running);
  if (context.closed) {
    record.outcome = "aborted";
    target.availability.released(ticket);
    return undefined;
  }
  if (settled.ok) {
    record.outcome = "ok";
    // What flows may still break off: the relay says how it ended.
    if (call.held.complete) target.availability.succeeded(ticket);
    else context.ticket = ticket;
    return undefined;
  }
  const { failure } = settled;
  context.call = undefined;
  const refusal = context.receiver?.refusal ?? call.refusal;
  if (refusal) {
    // The body broke off for what is wrong with itself, or the answer found no room: no fault of the provider's.
    record.outcome = call.refusal ? "aborted" : "client_error";
    record.detail = refusal.code;
    target.availability.released(ticket);
    throw refusal;
  }
  record.outcome = failure.outcome;
  record.detail = failure.detail;
  judge(context, target, ticket, failure, record);
  if (call.reading.withholdUsage && refusedUsageOption(target, failure)) {
    const again = target.availability.begin(target === walk.forced);
    if (again !== 0) {
      target.places.takeAnyway();
      return tryOnce(walk, target, again);
    }
  }
  return failure;
}

/** What every answer says beside itself. */
function noteHeaders({ target, ticket, record, call }: Running): void {
  target.availability.told(ticket, call.headers);
  if (target.provider.type === "AzureOpenAI") record.spillover = spilloverOf(call.headers, target.upstreamModel);
}

function callOptions(context: RequestContext, target: Target): CallOptions {
  const operation = context.operation as Operation;
  return {
    stream: context.exchange.stream,
    bytes: operation.answersBytes,
    translated: answerPlaces(context) !== undefined,
    reading: readingOf(context, operation, target),
    pool: context.services.replayPool,
    resource: operation.handling === "resource",
  };
}

/** How an answer of `target` that is an event stream is read: another one may be asked beside it. */
function readingOf(context: RequestContext, { name }: Operation, target: Target): ReaderOptions {
  const profile = streamProfileOf(name);
  const spoken = context.spoken ? SPOKEN_CHUNK : undefined;
  const places = profile === "chat" ? spoken : answerPlaces(context) && RESPONSE_EVENT;
  const rewrite = places && ((data: Buffer) => tagIDs(context, data, places, target));
  return { profile, choices: context.choices, rewrite };
}

/** What the failure teaches about the provider. */
function judge(context: RequestContext, target: Target, ticket: number, failure: Failure, record: AttemptRecord): void {
  const { availability } = target;
  if (failure.error?.rule.fix !== undefined) {
    context.services.onConfigFault(target, failure, record.providerRequestID);
  }
  const origin = originOf(context, record);
  if (failure.outcome === "rate_limited") {
    const wait = retryAfter(failure.headers, failure.error?.message, Date.now());
    availability.rateLimited(ticket, wait, origin);
  } else if (failure.isStale && !context.walk?.stale) {
    availability.released(ticket);
  } else if (COUNTS_FOR_NOTHING.has(failure.outcome)) {
    availability.succeeded(ticket);
  } else {
    const scope = COUNTS_FOR_PROVIDER.has(failure.outcome) ? "provider" : "model";
    availability.failed(ticket, scope, failure.detail, origin);
  }
}
