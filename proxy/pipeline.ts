/**
 * What happens to one request, from its first byte to its last?
 *
 *   request ─▶ admit ─▶ readPath ─▶ locate ─┬─▶ readBody ─▶ identify ─▶ match ─▶ limit ─▶ find ─▶ withhold ─▶ plan ─▶ afford ─▶ draw ─▶ attempt ─▶ relay
 *                                           │                                                  inference, resources
 *                                           ├─▶ identify ─▶ match ─▶ limit ─▶ find ─▶ plan ─▶ afford ─▶ pipe   content of resources
 *                                           ├─▶ models                                         answered here
 *                                           └─▶ callRealtime    client secrets and calls (sockets: realtime/upgrade.ts)
 *   …and whatever happened: answerError where a stage threw, then record, and the copy of what was drawn.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afford } from "./budgets/afford.ts";
import { charge } from "./budgets/charge.ts";
import type { RequestContext } from "./context.ts";
import type { Handling } from "./dialects/operations.ts";
import { notReady } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import { measureSides } from "./measures/measure.ts";
import { callRealtime } from "./realtime/http.ts";
import { newRequestID } from "./request-id.ts";
import type { Services } from "./services.ts";
import { draw, follow } from "./shadow/sample.ts";
import type { Snapshot } from "./snapshot.ts";
import { admit } from "./stages/admit.ts";
import { answerError } from "./stages/answer-error.ts";
import { attempt } from "./stages/attempt.ts";
import { countUsage } from "./stages/count-usage.ts";
import { find } from "./stages/find.ts";
import { noteTwicePaid } from "./stages/hedge.ts";
import { identify } from "./stages/identify.ts";
import { leave, limit, settleTokens } from "./stages/limit.ts";
import { locate } from "./stages/locate.ts";
import { match } from "./stages/match.ts";
import { models } from "./stages/models.ts";
import { pipe } from "./stages/pipe.ts";
import { plan } from "./stages/plan.ts";
import { readBody, readPath } from "./stages/read.ts";
import { reckon } from "./stages/reckon.ts";
import { relay } from "./stages/relay.ts";
import { withhold } from "./stages/withhold.ts";
import { settle } from "./strategy/cheapest.ts";
import { learn } from "./strategy/expect.ts";
import { measure } from "./strategy/fastest.ts";

type Stage = (context: RequestContext) => Promise<void> | void;

const FIRST: readonly ((context: RequestContext) => void)[] = [admit, readPath];

const TRANSLATED: readonly Stage[] = [
  locate,
  readBody,
  identify,
  match,
  limit,
  find,
  withhold,
  plan,
  afford,
  draw,
  attempt,
  relay,
];

const THEN: Readonly<Record<Handling, readonly Stage[]>> = {
  inference: TRANSLATED,
  resource: TRANSLATED,
  content: [locate, identify, match, limit, find, plan, afford, pipe],
  models: [locate, models],
  realtime: [locate, callRealtime],
};

/** Serves one request. Never rejects. */
export async function serve(
  services: Services,
  snapshot: Snapshot | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const context = begin(services, snapshot as Snapshot, request, response);
  services.load.inFlight++;
  try {
    services.load.admit(response);
    if (!snapshot) throw notReady();
    for (const stage of FIRST) stage(context);
    // What arrived along with the head is parsed when this turn is over: then a small body is whole, and waits for nothing.
    await undefined;
    const stages = THEN[context.operation?.handling ?? "models"];
    // Stages that need not wait are not waited for: a turn of the microtask queue each would add up.
    for (let i = 0; i < stages.length; i++) {
      const pending = (stages[i] as Stage)(context);
      if (pending) await pending;
    }
  } catch (error) {
    answerError(context, error);
  }
  finish(context);
}

export function begin(
  services: Services,
  snapshot: Snapshot,
  request: IncomingMessage,
  response: ServerResponse,
): RequestContext {
  const exchange = newExchange(request);
  const context: RequestContext = {
    request,
    response,
    exchange,
    snapshot,
    services,
    client: undefined,
    namespace: "",
    caller: {},
    operation: undefined,
    path: "",
    query: "",
    deployment: undefined,
    receiver: undefined,
    body: undefined,
    form: undefined,
    batch: undefined,
    ids: undefined,
    plan: undefined,
    choices: 1,
    stored: false,
    spoken: false,
    order: [],
    walk: undefined,
    target: undefined,
    sentKey: undefined,
    call: undefined,
    rival: undefined,
    ticket: 0,
    unread: 0,
    closed: false,
    wake: undefined,
  };
  services.telemetry.tracing.startServer(request.headers, exchange);
  response.on("close", () => onClose(context));
  // A broken connection is told by `close`; without a listener its error would end the process.
  response.on("error", ignore);
  request.on("error", ignore);
  return context;
}

function ignore(): void {}

/** The caller went away before the answer was whole: whatever is under way for it ends. */
function onClose(context: RequestContext): void {
  if (context.response.writableFinished) return;
  context.closed = true;
  context.wake?.();
  context.call?.abort("the caller went away");
  context.rival?.abort("the caller went away");
}

function newExchange(request: IncomingMessage): Exchange {
  const url = request.url ?? "";
  const mark = url.indexOf("?");
  return {
    id: newRequestID(),
    method: request.method ?? "",
    path: mark === -1 ? url : url.slice(0, mark),
    operation: undefined,
    startedAt: performance.now(),
    time: Date.now(),
    client: undefined,
    namespace: undefined,
    route: undefined,
    model: undefined,
    stream: false,
    decision: undefined,
    attempts: [],
    status: 0,
    outcome: undefined,
    errorCode: undefined,
    errorOrigin: undefined,
    requestBytes: 0,
    responseBytes: 0,
    admittedAt: undefined,
    bodyAt: undefined,
    waited: undefined,
    excluded: undefined,
    firstByteAt: undefined,
    firstTokenAt: undefined,
    endedAt: undefined,
    usage: undefined,
    trace: undefined,
  };
}

export function finish(context: RequestContext): void {
  const { exchange, services } = context;
  exchange.endedAt = performance.now();
  services.load.inFlight--;
  context.receiver?.release();
  if (context.taken) leave(context, context.taken);
  if (context.closed && exchange.outcome === undefined) exchange.outcome = "client_closed";
  const counting = countUsage(context);
  if (counting) void counting.then(() => record(context));
  else record(context);
}

function record(context: RequestContext): void {
  const { exchange, services } = context;
  if (exchange.hedge) noteTwicePaid(exchange);
  reckon(context);
  settle(context);
  learn(context);
  if (context.timed) measure(context, context.timed);
  if (context.taken) settleTokens(context, context.taken);
  charge(context);
  services.telemetry.record(exchange);
  const route = context.plan?.route;
  if (route?.rollout) measureSides(context, route, route.rollout);
  if (context.sample) follow(context, context.sample, services.shadows);
}
