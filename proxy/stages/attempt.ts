/**
 * Who answers, when the first choice fails?
 *
 * Walks the order of backends until one has something to pass on. Which failure retries, goes on or stops is the table
 * ON_FAILURE; budgets are the route's `failover`. Nothing here runs after a byte has been passed on.
 */
import type { RequestContext } from "../context.ts";
import { refusedField } from "../dialects/fields.ts";
import type { Operation } from "../dialects/operations.ts";
import { spilloverOf } from "../dialects/spillover.ts";
import type { AttemptRecord } from "../exchange.ts";
import { RESPONSE_EVENT } from "../ids/paths.ts";
import { tagIDs } from "../ids/tag-answer.ts";
import { fieldRulesAt, pathAt, type Target } from "../snapshot.ts";
import { streamProfileOf } from "../sse/profile.ts";
import type { ReaderOptions } from "../sse/reader.ts";
import { watch } from "../strategy/fastest.ts";
import { retryAfter } from "../upstream/retry-after.ts";
import { answerPlaces } from "./answer-places.ts";
import { refusedUsageOption } from "./ask-usage.ts";
import { newAttempt, originOf } from "./attempt-record.ts";
import { type CallOptions, type Failure, type Settled, UpstreamCall } from "./call.ts";
import { finalError, isSpent, mayHaveHappened, notOffered } from "./final-error.ts";
import { hedged, type Running } from "./hedge.ts";
import { tokensNeeded } from "./need.ts";
import { pause, placeInQueue } from "./pause.ts";
import { send } from "./send.ts";

/** Waiting is only for when nobody else is eligible, and at most this long for one request (milliseconds). */
const LONGEST_WAIT = 10_000;
/** So long a request waits for a place at one provider while another could take it (milliseconds). */
const QUEUE_WAIT = 1_000;

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

/** Only connect, DNS and TLS failures say something about the whole provider. */
const COUNTS_FOR_PROVIDER = new Set<Failure["outcome"]>(["connect_error"]);
/** Neither fault of the model nor of the provider's health. */
const COUNTS_FOR_NOTHING = new Set<Failure["outcome"]>(["client_error", "config_error"]);

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
  /** A second backend was asked beside a silent one. */
  hedged = false;
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
    return exchange.attempts.length >= (plan?.route.failover.maxAttempts ?? 1) || this.timeLeft <= 0;
  }
}

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
    walk.failures.push({ target: last, failure });
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

/** Whether another attempt makes sense after this failure; notes what the next one needs. */
function goesOn(walk: Walk, target: Target, failure: Failure): boolean {
  // Its bytes went out and are gone: there is nothing to send again.
  if (walk.context.body?.rest) return false;
  if (mayHaveHappened(walk.context, failure)) return false;
  if (failure.outcome === "client_error" && failure.error?.code === "context_length_exceeded") {
    walk.contextTokens = target.model.contextTokens ?? Number.POSITIVE_INFINITY;
    return true;
  }
  return ON_FAILURE[failure.outcome] !== "stop";
}

function nextTarget(walk: Walk): Target | undefined | Promise<Target | undefined> {
  const { last } = walk;
  if (walk.recovering) return otherTarget(walk);
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
async function placeAt(walk: Walk, target: Target): Promise<boolean> {
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

function refusalOf(walk: Walk, target: Target): string | undefined {
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
 * rate limit to pass, or takes the least bad of those that were passed over.
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
  if (first || walk.last) return undefined;
  const shut = [...walk.skipped].filter(([, reason]) => reason === "circuit_open" || reason === "unhealthy");
  const targets = shut.map(([target]) => target);
  walk.forced = targets[walk.context.services.availability.leastBad(targets.map((target) => target.availability))];
  return walk.forced;
}

/** The rate-limited backend that is free again first. */
function soonest(walk: Walk): { target: Target; wait: number } | undefined {
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
  const call = new UpstreamCall(target, record, callOptions(context));
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
  return context.operation?.handling === "inference" ? after : undefined;
}

/** At the next backend that can be asked at once, and not as a probe of its breaker: this is no time for experiments. */
function beginBeside(walk: Walk): Running | undefined {
  if (walk.spent) return undefined;
  for (const target of walk.context.order) {
    if (walk.tried.includes(target) || refusalOf(walk, target) !== undefined) continue;
    const usability = target.availability.usable();
    if (!usability.ok || usability.probe || !target.places.take()) continue;
    walk.tried.push(target);
    walk.hedged = true;
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
  walk.failures.push({ target, failure });
  return false;
}

/** What came of an attempt. Undefined when it settled well, or when the caller went away. */
async function conclude(walk: Walk, running: Running, settled: Settled): Promise<Failure | undefined> {
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
    if (call.complete) target.availability.succeeded(ticket);
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

function callOptions(context: RequestContext): CallOptions {
  const operation = context.operation as Operation;
  return {
    stream: context.exchange.stream,
    bytes: operation.answersBytes,
    translated: answerPlaces(context) !== undefined,
    reading: readingOf(context, operation),
    pool: context.services.replayPool,
    resource: operation.handling === "resource",
  };
}

/** How an answer that is an event stream is read. */
function readingOf(context: RequestContext, { name }: Operation): ReaderOptions {
  const profile = streamProfileOf(name);
  const carriesIDs = profile === "typed" && answerPlaces(context) !== undefined;
  const rewrite = carriesIDs ? (data: Buffer) => tagIDs(context, data, RESPONSE_EVENT) : undefined;
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
  } else if (COUNTS_FOR_NOTHING.has(failure.outcome)) {
    availability.succeeded(ticket);
  } else {
    const scope = COUNTS_FOR_PROVIDER.has(failure.outcome) ? "provider" : "model";
    availability.failed(ticket, scope, failure.detail, origin);
  }
}
