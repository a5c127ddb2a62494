/**
 * How is a realtime operation over HTTP asked of a backend, and its answer given back?
 *
 * The answer is small and comes whole, so whatever must not reach the caller in it can be replaced before anything does.
 */
import type { Edit } from "../body/edits.ts";
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";
import { type Headers, responseHeaders } from "../headers.ts";
import type { Target } from "../snapshot.ts";
import { limit } from "../stages/limit.ts";
import { ownHeaders } from "../stages/relay.ts";
import { JsonProblem, withEdits } from "./json-places.ts";
import { pathOf } from "./places.ts";
import { post, type Whole } from "./post.ts";
import { headersTo } from "./provider-request.ts";
import { zonesFor } from "./routes.ts";
import { ForeignModel, type SessionModels, translations } from "./session-models.ts";
import { firstOf } from "./walk.ts";

/** Parameters that are the gateway's: never passed on as they are. */
const OWN_PARAMETERS = ["api-key", "api-version", "model", "deployment"];

/** Of the first backend that answers well. Undefined: the caller went away. Rejects with GatewayError or ProviderRefusal. */
export async function ask(context: RequestContext, bodyFor: (target: Target) => Buffer): Promise<Whole | undefined> {
  await limit(context);
  const { services, snapshot, ephemeral, query, path } = context;
  const operation = context.operation as Operation;
  const gone = new AbortController();
  context.response.once("close", () => gone.abort());
  const parameters = new URLSearchParams(query);
  const namesModel = parameters.has("model") || parameters.has("deployment");
  for (const name of OWN_PARAMETERS) parameters.delete(name);
  const pathAt = (target: Target) => {
    const own = new URLSearchParams(parameters);
    // Whose session it is was settled by that name.
    if (namesModel && operation.name === "realtime/calls") own.set("model", target.upstreamModel);
    return pathOf(target, operation, path, own);
  };
  return firstOf(context, {
    refusal(target) {
      if (pathAt(target) === undefined) return "operation_not_offered";
      return target.authorization.header || ephemeral ? undefined : target.authorization.missing;
    },
    attempt: (target, record) =>
      post({
        target,
        record,
        way: services.realtime.wayTo(target.provider, snapshot.credentials),
        path: pathAt(target) as string,
        headers: headersTo(context, target, record, ephemeral),
        sentKey: context.sentKey,
        body: bodyFor(target),
        resource: operation.name.includes("{"),
        gone: gone.signal,
      }),
  });
}

export function respond(context: RequestContext, answer: Whole, body: Buffer, more: Headers = {}): void {
  const { exchange, response, sentKey } = context;
  const { location: _location, ...headers } = responseHeaders(answer.headers, sentKey);
  headers["content-length"] = String(body.length);
  exchange.status = answer.status;
  exchange.outcome = "ok";
  exchange.firstByteAt = performance.now();
  exchange.responseBytes = body.length;
  const attempt = exchange.attempts.at(-1);
  if (attempt) attempt.endedAt = performance.now();
  response.writeHead(answer.status, ownHeaders(context, { ...headers, ...more }));
  response.end(body);
}

/** The body with the models in it as the target calls them. Throws GatewayError. */
export function translated(context: RequestContext, target: Target, body: Buffer, models: SessionModels): Buffer {
  const { client, exchange } = context;
  const { session, transcription } = models;
  const names = [exchange.model, session?.name ?? transcription?.name];
  const naming = { client, target, zones: zonesFor(context), names, transcribesOnly: models.isTranscription };
  return withEdits(
    body,
    reading((): Edit[] => translations(models, naming)),
  );
}

/** What is wrong with a body is the caller's to know. */
export function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof ForeignModel) throw new GatewayError("model_not_found", message, { param: "session.model" });
    if (!(error instanceof JsonProblem)) throw error;
    throw new GatewayError(error.code, message, error.field === undefined ? {} : { param: error.field });
  }
}
