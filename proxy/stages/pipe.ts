/**
 * How do the bytes of a resource reach the caller?
 *
 * Piped once and untouched, from the provider that has the resource.
 */
import { keyIn } from "../authorization/authorization.ts";
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import type { AttemptRecord } from "../exchange.ts";
import { BatchOutput, isBatchOutput } from "../ids/batch-output.ts";
import { pathAt, type Target } from "../snapshot.ts";
import type { Origin } from "../upstream/availability.ts";
import { newAttempt, originOf } from "./attempt-record.ts";
import { notOffered, placesTaken, tokenUnavailable } from "./final-error.ts";
import { decodedPart } from "./path-part.ts";
import { placeInQueue } from "./pause.ts";
import { ownHeaders } from "./relay.ts";

/** Nobody else has the thing (milliseconds). */
const QUEUE_WAIT = 10_000;

export async function pipe(context: RequestContext): Promise<void> {
  const { request, response, services, exchange, snapshot } = context;
  for (const { authorization } of context.order) {
    const { pending } = authorization;
    if (pending) await pending;
  }
  const target = chosen(context);
  const { header } = target.authorization;
  if (!header) throw tokenUnavailable();
  if (!target.places.take() && !(await placeInQueue(context, target, QUEUE_WAIT))) {
    if (context.closed) return;
    throw placesTaken(context);
  }
  const path = pathAt(target, context.operation as Operation, context.path, context.query) as string;
  const attempt = newAttempt(target);
  exchange.attempts.push(attempt);
  context.target = target;
  const trace = services.telemetry.tracing.startAttempt(exchange, attempt, target.provider);
  const ticket = target.availability.begin(true);
  try {
    await services.passthrough(request, response, {
      provider: target.provider,
      credentials: snapshot.credentials,
      path,
      headers: { ...trace, [header[0]]: header[1] },
      key: keyIn(header),
      exchange,
      attempt,
      limit: services.limits.requestBytes,
      readerPatience: services.readerPatience,
      translator: isOutput(context) ? new BatchOutput(context) : undefined,
      answerHeaders: (headers) => ownHeaders(context, headers),
    });
  } finally {
    target.places.give();
    learn(target, ticket, attempt, originOf(context, attempt));
  }
}

/** A file in a container is nobody's but the caller's. */
function isOutput(context: RequestContext): boolean {
  const [kind, id = ""] = context.path.split("/");
  return kind === "files" && isBatchOutput(context, decodedPart(id));
}

function chosen(context: RequestContext): Target {
  const { order, operation, path, query, exchange } = context;
  const offered = order.filter((one) => pathAt(one, operation as Operation, path, query) !== undefined);
  const able = offered.filter((one) => one.authorization.header);
  const target = able.find((one) => one.availability.usable().ok) ?? able[0];
  if (!target) {
    if (offered.some((one) => one.authorization.missing === "token_unavailable")) throw tokenUnavailable();
    throw notOffered(context);
  }
  if (target !== order[0])
    exchange.decision = able[0] === target ? `failover:${reasonOf(order[0], offered)}` : "failover:unavailable";
  return target;
}

/** Why the first choice was passed over. */
function reasonOf(first: Target | undefined, offered: readonly Target[]): string {
  return first && offered.includes(first) ? first.authorization.missing : "operation_not_offered";
}

function learn({ availability }: Target, ticket: number, attempt: AttemptRecord, origin: Origin): void {
  const { outcome, detail = "" } = attempt;
  if (outcome === "rate_limited") availability.rateLimited(ticket, undefined, origin);
  else if (outcome === "connect_error") availability.failed(ticket, "provider", detail, origin);
  else if (outcome === "ok" || outcome === "client_error" || outcome === "config_error") availability.succeeded(ticket);
  else if (outcome === "aborted" || outcome === undefined) availability.released(ticket);
  else availability.failed(ticket, "model", detail, origin);
}
