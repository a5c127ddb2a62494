/**
 * How is a backend asked once more, for nobody?
 *
 * As a caller's request would be sent: translated, with the backend's own credentials. What comes back reaches no caller,
 * no breaker, no cool-down and no statistics of latency.
 */
import type { IncomingMessage } from "node:http";
import { costOf } from "../../routing/cost.ts";
import type { ReplayPool } from "../body/replay-pool.ts";
import type { FieldEdit } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import type { Exchange, Usage } from "../exchange.ts";
import { structureIn } from "../measures/measure.ts";
import type { Attempted } from "../measures/measuring.ts";
import type { Target } from "../snapshot.ts";
import { streamProfileOf } from "../sse/profile.ts";
import { refusedUsageOption } from "../stages/ask-usage.ts";
import { newAttempt } from "../stages/attempt-record.ts";
import { UpstreamCall } from "../stages/call.ts";
import { send } from "../stages/send.ts";
import type { Failure } from "../stages/settled.ts";
import { KeptAnswer } from "./kept.ts";

/** What came of it. */
export interface Asked {
  readonly target: Target;
  /** 0: no answer came. */
  readonly status: number;
  readonly failure: Failure | undefined;
  readonly isStream: boolean;
  /** Undefined: too large, or no whole answer. */
  readonly body: Buffer | undefined;
  /** Undefined: the provider did not say. */
  readonly usage: Usage | undefined;
  /** Nano-dollars; undefined: not known. */
  readonly cost: number | undefined;
  /** From sending it to its end. */
  readonly milliseconds: number;
  readonly providerRequestID: string | undefined;
  /** For a rollout's analysis. */
  readonly attempted: Attempted;
}

export interface AskOptions {
  readonly target: Target;
  /** Ends the id under which the provider sees it. */
  readonly suffix: string;
  readonly pool: ReplayPool;
  /** Calls under way: to be broken off at the end of the gateway. */
  readonly running: Set<UpstreamCall>;
}

/** Responses are kept by the provider unless they say otherwise: a copy leaves nothing behind. */
const KEEP_NOTHING: readonly FieldEdit[] = [{ field: "store", action: "set", value: Buffer.from("false") }];

/** `target.places` must have a place for it. Never rejects. */
export async function ask(context: RequestContext, options: AskOptions): Promise<Asked> {
  const { target } = options;
  const first = await askOnce(context, options);
  const { failure, mayRefuseUsage } = first;
  if (!mayRefuseUsage || !failure || !refusedUsageOption(target, failure)) return first;
  // It refused what only Tandem had asked for, and is not asked for that again.
  target.places.takeAnyway();
  return askOnce(context, options);
}

async function askOnce(
  context: RequestContext,
  { target, suffix, pool, running }: AskOptions,
): Promise<Asked & { readonly mayRefuseUsage: boolean }> {
  const copy = copyOf(context, suffix);
  const record = newAttempt(target);
  const operation = copy.operation as Operation;
  const call = new UpstreamCall(target, record, {
    stream: copy.exchange.stream,
    bytes: false,
    translated: false,
    reading: { profile: streamProfileOf(operation.name), choices: copy.choices },
    pool,
    resource: false,
  });
  const kept = new KeptAnswer(pool);
  running.add(call);
  try {
    send(copy, target, call, record);
    const settled = await call.settled;
    const { cut, firstTokenAt } = settled.ok ? await collect(call, kept) : NOTHING_CAME;
    const isWhole = settled.ok && cut === undefined;
    const failure = settled.ok ? undefined : settled.failure;
    if (failure?.error?.rule.fix !== undefined) {
      context.services.onConfigFault(target, failure, record.providerRequestID);
    }
    const usage = settled.ok ? call.usage() : undefined;
    const cost = usage && target.rates && costOf(target.rates, usage)?.total;
    const milliseconds = (record.endedAt ?? performance.now()) - record.startedAt;
    return {
      target,
      status: isWhole ? call.status : (failure?.status ?? 0),
      failure,
      isStream: call.mode === "events",
      body: isWhole ? kept.body : undefined,
      usage,
      cost,
      milliseconds,
      providerRequestID: record.providerRequestID,
      mayRefuseUsage: call.reading.withholdUsage === true,
      attempted: {
        outcome: isWhole ? "ok" : (failure?.outcome ?? "cut"),
        detail: failure?.detail,
        took: milliseconds,
        firstToken: firstTokenAt === undefined ? undefined : firstTokenAt - record.startedAt,
        outputTokens: usage?.output,
        cost,
        structure: isWhole && context.plan?.route.rollout ? structureIn(context, call, [kept.body]) : undefined,
      },
    };
  } catch {
    call.abort("not sent");
    return { ...NOTHING, target };
  } finally {
    running.delete(call);
    kept.release();
  }
}

interface Came {
  /** One clause: it broke off. */
  readonly cut: string | undefined;
  readonly firstTokenAt: number | undefined;
}

const NOTHING_CAME: Came = { cut: undefined, firstTokenAt: undefined };

const NOTHING = {
  status: 0,
  failure: undefined,
  isStream: false,
  body: undefined,
  usage: undefined,
  cost: undefined,
  milliseconds: 0,
  providerRequestID: undefined,
  mayRefuseUsage: false,
  attempted: { outcome: "aborted", took: 0 },
} as const;

/** Resolves at the end of the answer. */
async function collect(call: UpstreamCall, kept: KeptAnswer): Promise<Came> {
  if (call.held.complete) {
    for (const chunk of call.held.chunks) kept.add(chunk);
    return NOTHING_CAME;
  }
  let firstTokenAt: number | undefined;
  return new Promise((resolve) => {
    call.pipe({
      write(chunk) {
        kept.add(chunk);
        if (call.mode === "events" && call.events.contentSeen) firstTokenAt ??= performance.now();
        return true;
      },
      whole: () => resolve({ cut: undefined, firstTokenAt }),
      cut: (detail) => resolve({ cut: detail, firstTokenAt }),
    });
  });
}

function copyOf(context: RequestContext, suffix: string): RequestContext {
  const { exchange, request, operation, body } = context;
  // What makes a repetition harmless would bring back the first answer.
  const { "idempotency-key": _, ...headers } = request.headers;
  const own: Exchange = { ...exchange, id: `${exchange.id}${suffix}`, attempts: [], trace: undefined };
  const keepsAnswers = operation?.name === "responses" && body !== undefined;
  return {
    ...context,
    request: { headers } as IncomingMessage,
    exchange: own,
    call: undefined,
    rival: undefined,
    walk: undefined,
    ...(keepsAnswers && { fieldEdits: KEEP_NOTHING }),
  };
}
