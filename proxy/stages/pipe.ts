/**
 * How do the bytes of a resource reach the caller?
 *
 * Piped once and untouched, from the provider that has the resource.
 */
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import type { AttemptOutcome } from "../exchange.ts";
import { BatchOutput, isBatchOutput } from "../ids/batch-output.ts";
import { pathAt, type Target } from "../snapshot.ts";
import { newAttempt } from "./attempt.ts";
import { notOffered } from "./final-error.ts";
import { ownHeaders } from "./relay.ts";

export async function pipe(context: RequestContext): Promise<void> {
  const { request, response, services, exchange, snapshot } = context;
  const target = chosen(context);
  const path = pathAt(target, context.operation as Operation, context.path, context.query) as string;
  const attempt = newAttempt(target);
  exchange.attempts.push(attempt);
  context.target = target;
  const [name, value] = target.auth as readonly [string, string];
  const trace = services.telemetry.tracing.startAttempt(exchange, attempt, target.provider);
  const ticket = target.availability.begin(true);
  try {
    await services.passthrough(request, response, {
      provider: target.provider,
      credentials: snapshot.credentials,
      path,
      headers: { ...trace, [name]: value },
      exchange,
      attempt,
      limit: services.limits.requestBytes,
      translate: (beginning) => (isBatchOutput(beginning) ? new BatchOutput(context) : undefined),
      answerHeaders: (headers) => ownHeaders(context, headers),
    });
  } finally {
    learn(target, ticket, attempt.outcome, attempt.detail ?? "", attempt.providerRequestID);
  }
}

function chosen(context: RequestContext): Target {
  const { order, operation, path, query, exchange } = context;
  const able = order.filter((one) => one.auth && pathAt(one, operation as Operation, path, query) !== undefined);
  const target = able.find((one) => one.availability.usable().ok) ?? able[0];
  if (!target) throw notOffered(context);
  if (target !== order[0])
    exchange.decision = able[0] === target ? "failover:operation_not_offered" : "failover:unavailable";
  return target;
}

function learn(target: Target, ticket: number, outcome: AttemptOutcome | undefined, detail: string, id?: string): void {
  const { availability } = target;
  if (outcome === "rate_limited") availability.rateLimited(ticket, undefined, id);
  else if (outcome === "connect_error") availability.failed(ticket, "provider", detail, id);
  else if (outcome === "ok" || outcome === "client_error" || outcome === "config_error") availability.succeeded(ticket);
  else if (outcome === "aborted" || outcome === undefined) availability.released(ticket);
  else availability.failed(ticket, "model", detail, id);
}
