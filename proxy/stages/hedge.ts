/**
 * Who answers first, when a second backend is asked beside a silent one? (`failover.hedgeAfter`)
 *
 * The first good end counts, and the other attempt is broken off: it says nothing about its provider. A failure ends
 * only its own side, unless it is the caller's fault. Both are paid, so it happens once for a request at most.
 */
import type { RequestContext } from "../context.ts";
import type { AttemptRecord, Exchange } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import type { UpstreamCall } from "./call.ts";
import type { Failure, Settled } from "./settled.ts";

/** An attempt under way. */
export interface Running {
  readonly target: Target;
  /** Of its availability: to be given back. */
  readonly ticket: number;
  readonly record: AttemptRecord;
  readonly call: UpstreamCall;
}

/** The end of the attempt that counts. */
export interface End {
  readonly running: Running;
  readonly settled: Settled;
}

export interface Hedge {
  /** Milliseconds of silence. */
  readonly after: number;
  /** Begins the second attempt; undefined when nobody can be asked now. */
  begin(): Running | undefined;
  /** One failed while the other goes on. True: the other need not, its answer could be no better. */
  failed(running: Running, failure: Failure): boolean;
}

/** Resolves with the end that counts. The other attempt, if there was one, is over by then. */
export async function hedged(context: RequestContext, first: Running, hedge: Hedge): Promise<End> {
  const early = await within(first.call, hedge.after);
  // Its headers came: it is not silent.
  if (early || first.record.respondedAt !== undefined) return endOf(first);
  const second = context.closed ? undefined : begun(hedge, first);
  if (!second) return endOf(first);
  context.rival = second.call;
  const end = await better(context, first, second, hedge);
  context.rival = undefined;
  note(context.exchange, first, second, end);
  return end;
}

function begun(hedge: Hedge, first: Running): Running | undefined {
  try {
    return hedge.begin();
  } catch (error) {
    supersede(first, true);
    throw error;
  }
}

function note(exchange: Exchange, first: Running, second: Running, { running, settled }: End): void {
  exchange.hedge = !settled.ok ? "failed" : running === second ? "won" : "lost";
  if (running === first) putLast(exchange.attempts, first.record);
  else if (first.record.outcome === "superseded") {
    // Until the second was asked was waited on purpose.
    exchange.waited = (exchange.waited ?? 0) + second.record.startedAt - first.record.startedAt;
  }
}

/**
 * What the attempt that was broken off costs, once it is known what the answer did: nobody tells, so as much. Some
 * providers go on to the end for nobody.
 */
export function noteTwicePaid({ attempts, usage }: Exchange): void {
  if (!usage) return;
  for (const attempt of attempts) if (attempt.outcome === "superseded") attempt.usage = { ...usage, estimated: true };
}

async function better(context: RequestContext, first: Running, second: Running, hedge: Hedge): Promise<End> {
  const sooner = await Promise.race([endOf(first), endOf(second)]);
  const other = sooner.running === first ? second : first;
  if (!context.closed && !sooner.settled.ok && !hedge.failed(sooner.running, sooner.settled.failure))
    return endOf(other);
  supersede(other, context.closed);
  return sooner;
}

async function endOf(running: Running): Promise<End> {
  return { running, settled: await running.call.settled };
}

/** Breaks off the attempt that nobody waits for any more. */
function supersede({ target, ticket, record, call }: Running, isAborted: boolean): void {
  record.outcome = isAborted ? "aborted" : "superseded";
  record.endedAt = performance.now();
  target.availability.released(ticket);
  call.abort("another attempt answered first");
}

/** Undefined when it has not settled in time. */
async function within(call: UpstreamCall, milliseconds: number): Promise<Settled | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  const settled = await Promise.race([call.settled, late]);
  clearTimeout(timer);
  return settled;
}

/** The last attempt is the one whose end the request shares. */
function putLast(attempts: AttemptRecord[], record: AttemptRecord): void {
  attempts.splice(attempts.indexOf(record), 1);
  attempts.push(record);
}
