/**
 * What is asked, and which route answers for it?
 *
 * Reads the path (OpenAI's `/v1/…`, Azure's `/openai/v1/…` and `/openai/deployments/{deployment}/…`), then for
 * translated operations the body as far as routing needs it.
 */
import type { IncomingHttpHeaders } from "node:http";
import { mayUse } from "../../routing/lookup.ts";
import { BodyReceiver } from "../body/receive.ts";
import type { BodyScan } from "../body/scan.ts";
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import { operationOf } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";

const DEPLOYMENT_PATH = /^\/openai\/deployments\/([^/]+)\/(.+)$/;
/** Longest model name and sticky field that is read, in bytes of JSON text. */
const LONGEST_MODEL_BYTES = 512;
const LONGEST_STICKY_BYTES = 4096;
const LONGEST_FLAG_BYTES = 32;
/** Most choices of a chat completion (OpenAI's documented bound of `n`). */
const MOST_CHOICES = 128;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
/** Fields that routing reads of every body. */
const READ_FIELDS = ["model", "stream", "n"];

export function readPath(context: RequestContext): void {
  const url = context.request.url ?? "/";
  const mark = url.indexOf("?");
  const path = mark === -1 ? url : url.slice(0, mark);
  context.query = mark === -1 ? "" : url.slice(mark);
  if (path.startsWith("/v1/")) context.path = path.slice(4);
  else if (path.startsWith("/openai/v1/")) context.path = path.slice(11);
  else {
    const dated = DEPLOYMENT_PATH.exec(path);
    if (dated) {
      context.deployment = decoded(dated[1] as string);
      context.path = dated[2] as string;
    } else if (path.startsWith("/openai/")) context.path = path.slice(8);
    else throw unknownUrl(path);
  }
  const operation = isPlainPath(context.path) ? operationOf(context.path) : undefined;
  if (!operation) throw unknownUrl(path);
  context.operation = operation;
  context.exchange.operation = operation.name;
}

/** Reads the body of a translated operation and finds the route of its model. */
export async function matchBody(context: RequestContext): Promise<void> {
  const { request, services, snapshot, exchange } = context;
  if (request.method !== "POST") throw methodNotAllowed(context, "POST");
  if (context.path !== context.operation?.name) throw unknownUrl(exchange.path);
  checkType(context);
  const receiver = new BodyReceiver(request, services.limits.requestBytes, services.replayPool, fieldsOf(context));
  context.receiver = receiver;
  const body = await receiver.receive();
  context.body = body;
  exchange.bodyAt = performance.now();
  exchange.requestBytes = body.scan.length;
  const model = modelOf(context, body.scan);
  exchange.stream = flagOf(body.scan, "stream");
  context.choices = choicesOf(body.scan);
  exchange.model = model;
  if (!mayUse(context.client, model)) throw modelNotFound(model);
  const plan = snapshot.planFor(context.namespace, model);
  if (!plan) throw modelNotFound(model);
  context.plan = plan;
  exchange.route = plan.route.key;
}

/** What sticks a request to its backend, or undefined: the first of the route's rules that finds something. */
export function stickyKeyOf(context: RequestContext): string | undefined {
  for (const rule of context.plan?.sticky ?? []) {
    if ("header" in rule) {
      const value = context.request.headers[rule.header.toLowerCase()];
      if (value !== undefined && value !== "") return String(value);
    } else if (context.body) {
      const { scan } = context.body;
      const value = scalarOf(scan, scan.fields.get(rule.bodyField), LONGEST_STICKY_BYTES);
      if (value !== undefined && value !== null && value !== "") return String(value);
    }
  }
  return undefined;
}

export function modelNotFound(model: string): GatewayError {
  const message = `The model '${model}' does not exist or you do not have access to it. GET /v1/models lists yours.`;
  return new GatewayError("model_not_found", message, { param: "model" });
}

export function methodNotAllowed(context: RequestContext, allowed: string): GatewayError {
  context.response.setHeader("allow", allowed);
  const message = `${context.exchange.method} is not possible on ${context.exchange.path}. Use ${allowed}.`;
  return new GatewayError("method_not_allowed", message);
}

function unknownUrl(path: string): GatewayError {
  const message = `Unknown request URL: ${path.slice(0, 200)}. The OpenAI API is under /v1/.`;
  return new GatewayError("unknown_url", message);
}

export function isJsonRequest(headers: IncomingHttpHeaders): boolean {
  return JSON_TYPE.test(headers["content-type"] ?? "") && headers["content-encoding"] === undefined;
}

function checkType(context: RequestContext): void {
  const type = context.request.headers["content-type"];
  const coding = context.request.headers["content-encoding"];
  if (type !== undefined && !JSON_TYPE.test(type)) {
    const message = `The content-type '${type.slice(0, 100)}' is not possible here. Send 'content-type: application/json'.`;
    throw new GatewayError("unsupported_media_type", message);
  }
  if (coding !== undefined && coding !== "identity") {
    const message = `The content-encoding '${coding.slice(0, 100)}' is not possible here. Send the body as it is.`;
    throw new GatewayError("unsupported_media_type", message);
  }
}

export function fieldsOf(context: RequestContext): ReadonlySet<string> {
  return context.snapshot.bodyFields(READ_FIELDS);
}

/** The body's model; on Azure's dated paths the deployment, which stands for a model name. */
export function modelOf(context: RequestContext, scan: BodyScan): string {
  if (context.deployment !== undefined) return context.deployment;
  const field = scan.fields.get("model");
  if (!field) {
    throw new GatewayError("missing_field", "The field 'model' is missing. Name the model to use.", { param: "model" });
  }
  const model = scalarOf(scan, field, LONGEST_MODEL_BYTES);
  if (typeof model === "string" && model !== "") return model;
  throw new GatewayError("invalid_field", "The field 'model' must be a model's name, a string.", { param: "model" });
}

function flagOf(scan: BodyScan, name: string): boolean {
  const field = scan.fields.get(name);
  if (!field) return false;
  const value = scalarOf(scan, field, LONGEST_FLAG_BYTES);
  if (typeof value === "boolean" || value === null) return value === true;
  throw new GatewayError("invalid_field", `The field '${name}' must be true or false.`, { param: name });
}

/** `n`. What is not a number is for the provider to refuse. */
function choicesOf(scan: BodyScan): number {
  const value = scalarOf(scan, scan.fields.get("n"), LONGEST_FLAG_BYTES);
  return typeof value === "number" && value >= 1 && value <= MOST_CHOICES ? value : 1;
}

/** No dot segments, no empty ones, no encoded slashes: the provider must not read another path than Tandem did. */
function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/%2f|%5c|%2e|\\/i.test(part));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
