/** What is noted of one attempt, for the record and for who asks later why a breaker opened? */
import type { RequestContext } from "../context.ts";
import type { AttemptRecord } from "../exchange.ts";
import type { Target } from "../snapshot.ts";
import type { Origin } from "../upstream/availability.ts";

export function originOf({ exchange }: RequestContext, { providerRequestID }: AttemptRecord): Origin {
  return { requestId: exchange.id, providerRequestId: providerRequestID };
}

export function newAttempt(target: Target): AttemptRecord {
  return {
    provider: target.provider.name,
    backend: target.backend.name,
    upstreamModel: target.upstreamModel,
    model: target.modelName,
    startedAt: performance.now(),
    respondedAt: undefined,
    endedAt: undefined,
    status: undefined,
    outcome: undefined,
    detail: undefined,
    providerRequestID: undefined,
  };
}
