/**
 * What becomes of a request to upgrade?
 *
 *   readAsk ─▶ admit ─▶ route ─▶ limit ─▶ dial* ─▶ 101 ─▶ session ─▶ record
 *
 * Until the provider has answered 101 the caller has not, and any backend may still be asked; a refusal is a plain HTTP
 * answer in OpenAI's shape. From the caller's 101 on the session's sockets say how it ends.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { afford } from "../budgets/afford.ts";
import { watchSpending } from "../budgets/session.ts";
import type { RequestContext } from "../context.ts";
import { operationNamed } from "../dialects/operations.ts";
import { GatewayError, notReady } from "../errors.ts";
import type { RealtimeRecord } from "../exchange.ts";
import { ServerResponse as Response } from "../node-http.ts";
import { begin, finish } from "../pipeline.ts";
import type { Services } from "../services.ts";
import type { Snapshot, Target } from "../snapshot.ts";
import { admitWith } from "../stages/admit.ts";
import { answerError } from "../stages/answer-error.ts";
import { limit } from "../stages/limit.ts";
import { locate } from "../stages/locate.ts";
import { ownHeaders } from "../stages/relay.ts";
import { leaving } from "../stages/withhold.ts";
import { accept } from "./accept.ts";
import { type Ask, readAsk } from "./ask.ts";
import { isContent, SERVICE_RESTART } from "./close-codes.ts";
import { dial } from "./dial.ts";
import type { Entitled } from "./open-sessions.ts";
import { formHeaders, socketPath, speaks } from "./places.ts";
import { headersTo } from "./provider-request.ts";
import { routeByCall, routeByKey, routeByModel, zonesFor } from "./routes.ts";
import { RealtimeSession } from "./session.ts";
import { Tally } from "./tally.ts";
import { firstOf } from "./walk.ts";

/** The intent of a session that names no model before it is open. */
const TRANSCRIPTION = "transcription";
/** Of a close frame: at most 123 bytes. */
const SPENT = "insufficient_quota: the budget of the AIClient is spent";

/** Serves one request to upgrade. Never rejects. */
export async function serveUpgrade(
  services: Services,
  snapshot: Snapshot | undefined,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const response = new Response(request);
  const context = begin(services, snapshot as Snapshot, request, response);
  const gone = new AbortController();
  const unwatch = onGone(socket, () => {
    context.closed = true;
    context.wake?.();
    gone.abort();
  });
  services.load.inFlight++;
  try {
    services.load.admit(response);
    if (!snapshot) throw notReady();
    if (services.draining()) throw goingAway();
    const ask = readAsk(request);
    context.operation = operationNamed("GET", ask.operation);
    context.exchange.operation = ask.operation;
    admitWith(context, ask.key);
    await locate(context);
    const callID = route(context, ask);
    await limit(context);
    await afford(context);
    context.exchange.bodyAt = performance.now();
    const { stopping } = services.realtime;
    const provider = await open(context, ask, callID, AbortSignal.any([gone.signal, stopping]));
    // A connection that was reset is told closed in a later turn, and would never be accepted.
    if (!socket.readable || !socket.writable) context.closed = true;
    if (context.closed || stopping.aborted) provider?.terminate();
    if (stopping.aborted) throw goingAway();
    if (provider && !context.closed) {
      unwatch();
      await serveSession(context, ask, provider, { socket, head });
    }
  } catch (error) {
    answer(context, response, socket as Socket, error);
  }
  // Its other half would stay open.
  if (context.closed) socket.destroy();
  finish(context);
}

/**
 * Calls back when the caller goes away. A socket that nobody reads would not tell: this reads it, and leaves what
 * comes in its buffer. Returns what ends the watching.
 */
function onGone(socket: Duplex, callback: () => void): () => void {
  const onReadable = () => {
    if (socket.readableLength === 0) socket.read();
  };
  socket.on("error", () => undefined);
  socket.on("close", callback).on("end", callback).on("readable", onReadable);
  return () => socket.off("close", callback).off("end", callback).off("readable", onReadable);
}

function goingAway(): GatewayError {
  return new GatewayError("not_ready", "The gateway is going away. Connect again.");
}

/** Finds the backends. The provider's id of the call, when it is one that exists. */
function route(context: RequestContext, ask: Ask): string | undefined {
  const { ephemeral } = context;
  if (ask.callID !== undefined) return routeByCall(context, ask.callID);
  if (ephemeral) {
    routeByKey(context, ephemeral, ask.model);
  } else if (ask.model === undefined && ask.intent !== TRANSCRIPTION) {
    const message = "The query names no model. Connect to /v1/realtime?model=NAME.";
    throw new GatewayError("missing_field", message, { param: "model" });
  } else {
    routeByModel(context, ask.model);
  }
  return undefined;
}

function open(
  context: RequestContext,
  ask: Ask,
  callID: string | undefined,
  gone: AbortSignal,
): Promise<WebSocket | undefined> {
  const { services, snapshot, ephemeral, order } = context;
  const { realtime } = services;
  refuseOtherForm(context, order, ask);
  return firstOf(context, {
    refusal(target) {
      if (!speaks(target, ask.form) || socketPath(target, ask, callID) === undefined) return "operation_not_offered";
      return target.authorization.header || ephemeral ? undefined : target.authorization.missing;
    },
    attempt: (target, record) =>
      dial({
        target,
        record,
        way: realtime.wayTo(target.provider, snapshot.credentials),
        path: socketPath(target, ask, callID) as string,
        headers: { ...headersTo(context, target, record, ephemeral), ...formHeaders(target, ask.form) },
        sentKey: context.sentKey,
        frameBytes: realtime.limits.frameBytes,
        resource: callID !== undefined,
        gone,
      }),
    onEnd: (provider, callback) => provider.once("close", callback),
  });
}

/** Events of another form than the caller's would only be misunderstood. */
function refuseOtherForm(context: RequestContext, order: readonly Target[], { form }: Ask): void {
  if (order.length === 0 || order.some((target) => speaks(target, form))) return;
  const fix =
    form === "ga"
      ? "the preview's events only. Connect with the header 'OpenAI-Beta: realtime=v1', or set apiVersion: v1"
      : "the events of /v1/realtime without 'OpenAI-Beta: realtime=v1' only";
  const message = `The backends of the route '${context.plan?.route.name}' speak ${fix}.`;
  throw new GatewayError("operation_not_supported", message);
}

interface Upgraded {
  readonly socket: Duplex;
  readonly head: Buffer;
}

async function serveSession(
  context: RequestContext,
  ask: Ask,
  provider: WebSocket,
  { socket, head }: Upgraded,
): Promise<void> {
  const { services, exchange, request } = context;
  const { realtime, telemetry } = services;
  exchange.status = 101;
  exchange.stream = true;
  exchange.firstByteAt = performance.now();
  const { frameBytes } = realtime.limits;
  const client = await accept({ request, socket, head, headers: ownHeaders(context, {}), frameBytes });
  const tally = new Tally(ask.intent === TRANSCRIPTION);
  const { taken } = context;
  if (taken) tally.onTokens = (tokens) => services.rateLimits.charge(taken, tokens);
  const naming = {
    client: context.client,
    target: context.target as Target,
    zones: zonesFor(context),
    names: [exchange.model, ask.model],
  };
  const judge = context.caller.residency === undefined ? undefined : (json: Buffer) => leaving(context, json);
  const session = new RealtimeSession({ client, provider, naming, tally, limits: realtime.limits, judge });
  realtime.sessions.add(session, entitlementOf(context, ask.key));
  if (realtime.stopping.aborted) session.close();
  telemetry.streamOpened();
  const unwatch = watchSpending(
    context,
    () => tally.usage,
    () => session.refuse(SPENT),
  );
  const record = await session.ended;
  telemetry.streamClosed();
  unwatch();
  exchange.usage = tally.usage;
  conclude(context, record);
}

/** By the key that opened it; an ephemeral key by its owner. */
function entitlementOf({ client, ephemeral }: RequestContext, key: string | undefined): Entitled {
  if (client === undefined) return () => true;
  if (ephemeral || key === undefined) return (snapshot) => snapshot.hasClient(client.key);
  return (snapshot) => snapshot.clientOf(key)?.key === client.key;
}

/** How the session's end looks in the records. */
function conclude({ exchange }: RequestContext, record: RealtimeRecord): void {
  const { closeCode, closedBy, unfinished } = record;
  const attempt = exchange.attempts.at(-1);
  exchange.realtime = record;
  exchange.requestBytes = record.bytesIn;
  exchange.responseBytes = record.bytesOut;
  if (attempt) attempt.endedAt = performance.now();
  if (isContent(closeCode) || (closeCode === SERVICE_RESTART && unfinished === 0)) exchange.outcome = "ok";
  else if (closedBy === "client") exchange.outcome = "client_closed";
  else {
    exchange.outcome = closedBy === "provider" && closeCode !== 1006 ? "provider_error" : "cut";
    exchange.errorCode = closedBy === "provider" && closeCode !== 1006 ? `ws_${closeCode}` : "stream_interrupted";
    exchange.errorOrigin = closedBy;
    if (attempt && closedBy === "provider") {
      attempt.outcome = "cut";
      attempt.detail = `closed with ${closeCode}`;
    }
  }
}

/** Over the connection that asked to be another: Node gives no response for it. */
function answer(context: RequestContext, response: ServerResponse, socket: Socket, error: unknown): void {
  if (context.closed || socket.destroyed) return;
  response.assignSocket(socket);
  response.shouldKeepAlive = false;
  response.once("finish", () => socket.destroySoon());
  answerError(context, error);
}
