/**
 * How is a call served that Tandem does not translate?
 *
 * Its route comes from the model in a JSON body, else from `x-tandem-route`, the client's default, or the only route
 * it may use. It goes once, to the first backend in order whose provider has the operation.
 */
import { findRouteByName, mayUse, routesFor } from "../../routing/lookup.ts";
import type { Route } from "../../routing/table.ts";
import { BodyReceiver } from "../body/receive.ts";
import type { BodyScan } from "../body/scan.ts";
import { withModel } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import type { Operation } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";
import type { AttemptOutcome } from "../exchange.ts";
import { pathAt, type Target } from "../snapshot.ts";
import { newAttempt } from "./attempt.ts";
import { fieldsOf, isJsonRequest, modelNotFound, modelOf } from "./match.ts";
import { ownHeaders } from "./relay.ts";

const ROUTE_HEADER = "x-tandem-route";

export async function matchRoute(context: RequestContext): Promise<void> {
  const { operation, path, request, exchange } = context;
  refuseListing(operation as Operation, path, request.method ?? "");
  const named = await modelInBody(context);
  const model = context.deployment ?? named;
  exchange.bodyAt = performance.now();
  exchange.model = model;
  if (model !== undefined && !mayUse(context.client, model)) throw modelNotFound(model);
  const { snapshot, namespace } = context;
  if (model === undefined) {
    const route = routeWithoutModel(context);
    context.plan = snapshot.planOf(route, route.models.find((name) => name !== "*") ?? "*");
  } else context.plan = snapshot.planFor(namespace, model);
  if (!context.plan) throw modelNotFound(model ?? "");
  exchange.route = context.plan.route.key;
}

export async function pipe(context: RequestContext): Promise<void> {
  const { request, response, services, exchange, snapshot, body } = context;
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
      body: body && payloadOf(context, target, body.scan),
      answerHeaders: (headers) => ownHeaders(context, headers),
    });
  } finally {
    learn(target, ticket, attempt.outcome, attempt.detail ?? "", attempt.providerRequestID);
  }
}

/** One provider key serves all callers: a list would show everybody's files, batches and answers. */
function refuseListing(operation: Operation, path: string, method: string): void {
  if (!operation.stateful || method !== "GET" || path !== listPath(operation, path)) return;
  const message = `Listing ${path} is not allowed: the provider's key is shared, so the list would show everybody's.`;
  throw new GatewayError("listing_not_allowed", message);
}

/** The collection itself: `files`, `fine_tuning/jobs`. */
function listPath(operation: Operation, path: string): string {
  return operation.name === "fine_tuning" ? path.split("/").slice(0, 2).join("/") : operation.name;
}

async function modelInBody(context: RequestContext): Promise<string | undefined> {
  const { request, services } = context;
  if (request.method !== "POST" || !isJsonRequest(request.headers)) return undefined;
  const { requestBytes } = services.limits;
  context.receiver = new BodyReceiver(request, requestBytes, services.replayPool, fieldsOf(context), "whole");
  context.body = await context.receiver.receive();
  context.exchange.requestBytes = context.body.scan.length;
  return context.body.scan.fields.has("model") ? modelOf(context, context.body.scan) : undefined;
}

function routeWithoutModel(context: RequestContext): Route {
  const { snapshot, namespace, client, request } = context;
  const wanted = request.headers[ROUTE_HEADER];
  if (typeof wanted === "string") {
    const named = findRouteByName(snapshot.index, namespace, wanted);
    const usable = named && routesFor(snapshot.index, namespace, client).includes(named);
    if (usable) return named;
    throw new GatewayError("route_not_found", `There is no route '${wanted.slice(0, 200)}' that this key may use.`);
  }
  const byDefault = client?.defaultRoute && findRouteByName(snapshot.index, namespace, client.defaultRoute);
  if (byDefault) return byDefault;
  const [only, ...more] = routesFor(snapshot.index, namespace, client);
  if (only && more.length === 0) return only;
  const message = `This call names no model. Name a route in the header '${ROUTE_HEADER}', or set defaultRoute on the AIClient.`;
  throw new GatewayError("route_required", message);
}

function chosen(context: RequestContext): Target {
  const { order, operation, path, query, plan, exchange } = context;
  const able = order.filter((one) => one.auth && pathAt(one, operation as Operation, path, query) !== undefined);
  const target = able.find((one) => one.availability.usable().ok) ?? able[0];
  if (!target) {
    const message = `No provider of the route '${plan?.route.name}' has ${operation?.name}.`;
    throw new GatewayError("operation_not_supported", message);
  }
  if (target !== order[0])
    exchange.decision = able[0] === target ? "failover:operation_not_offered" : "failover:unavailable";
  return target;
}

/** The body as it came, or with the upstream's name of the model in it. */
function payloadOf({ exchange, operation }: RequestContext, target: Target, scan: BodyScan): readonly Buffer[] {
  if (exchange.model === undefined || exchange.model === target.upstreamModel) return scan.chunks;
  // Azure's dated form has the deployment in the body where its path has none (`/openai/responses`).
  const inBody = operation?.azureDated === "resource" ? Buffer.from(JSON.stringify(target.upstreamModel)) : undefined;
  const model = target.bodyModel ?? inBody;
  return model ? withModel(scan, model).chunks : scan.chunks;
}

function learn(target: Target, ticket: number, outcome: AttemptOutcome | undefined, detail: string, id?: string): void {
  const { availability } = target;
  if (outcome === "rate_limited") availability.rateLimited(ticket, undefined, id);
  else if (outcome === "connect_error") availability.failed(ticket, "provider", detail, id);
  else if (outcome === "ok" || outcome === "client_error" || outcome === "config_error") availability.succeeded(ticket);
  else if (outcome === "aborted" || outcome === undefined) availability.released(ticket);
  else availability.failed(ticket, "model", detail, id);
}
