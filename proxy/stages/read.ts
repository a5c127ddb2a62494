/**
 * What is asked?
 *
 * Reads the path (OpenAI's `/v1/…`, Azure's `/openai/v1/…` and `/openai/deployments/{deployment}/…`), then the body as
 * far as routing needs it.
 */
import type { IncomingHttpHeaders } from "node:http";
import { type Form, fieldOf, fileOf, isFormType, readForm } from "../body/form.ts";
import { BodyReceiver, KeptBody, type Rest } from "../body/receive.ts";
import { BodyScan } from "../body/scan.ts";
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import { type BatchLine, batchLines } from "../dialects/batch.ts";
import { RULED_FIELDS } from "../dialects/fields.ts";
import { type Operation, operationsAt, operationsWithoutID } from "../dialects/operations.ts";
import { GatewayError } from "../errors.ts";
import { placesOf } from "../ids/paths.ts";
import { modelNotFound } from "./match.ts";
import { ANSWER_BOUNDS } from "./need.ts";
import { decodedPart } from "./path-part.ts";

const DEPLOYMENT_PATH = /^\/openai\/deployments\/([^/]+)\/(.+)$/;
/** Longest model name that is read, in bytes of JSON text. */
const LONGEST_MODEL_BYTES = 512;
const LONGEST_FLAG_BYTES = 32;
/** Most choices of a chat completion (OpenAI's documented bound of `n`). */
const MOST_CHOICES = 128;
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
/** Fields that routing reads of every body. */
const READ_FIELDS = ["model", "stream", "n", "store", "endpoint"];
/**
 * Of a JSON body also those that decide whether usage is asked for, that say how long an answer may be, and that some
 * provider cannot take.
 */
const JSON_FIELDS = [
  ...new Set([
    ...READ_FIELDS,
    "audio",
    "stream_options",
    "data_sources",
    "logprobs",
    ...ANSWER_BOUNDS,
    ...RULED_FIELDS,
  ]),
];
/** They decide how the answer is read, so they must not turn up in the part of a body that is only passed on. */
const NEEDED_BEFORE: ReadonlySet<string> = new Set(["audio", "store"]);
/** Fields of forms that Tandem reads; `purpose` and `stream` decide what becomes of the rest. */
const FORM_FIELDS: ReadonlySet<string> = new Set([...READ_FIELDS, "purpose", "file"]);

export function readPath(context: RequestContext): void {
  const url = context.request.url ?? "/";
  const mark = url.indexOf("?");
  const path = mark === -1 ? url : url.slice(0, mark);
  context.query = mark === -1 ? "" : withoutKey(url.slice(mark));
  if (path.startsWith("/v1/")) context.path = path.slice(4);
  else if (path.startsWith("/openai/v1/")) context.path = path.slice(11);
  else {
    const dated = DEPLOYMENT_PATH.exec(path);
    if (dated) {
      context.deployment = deploymentIn(dated[1] as string);
      context.path = dated[2] as string;
      // The preview's name of it (Azure's realtime over WebRTC).
    } else if (path.startsWith("/openai/realtimeapi/")) context.path = `realtime/${path.slice(20)}`;
    else if (path.startsWith("/openai/")) context.path = path.slice(8);
    else throw unknownUrl(path);
  }
  // Without an id there is nothing in a known path that could be read in two ways.
  const operations =
    operationsWithoutID(context.path) ?? (isPlainPath(context.path) ? operationsAt(context.path) : undefined);
  if (!operations) throw unknownUrl(path);
  const operation = operations.get(context.request.method === "HEAD" ? "GET" : (context.request.method ?? ""));
  if (!operation) throw methodNotAllowed(context, [...operations.keys()].join(", "));
  context.operation = operation;
  context.exchange.operation = operation.name;
}

/** Nothing to wait for where the operation takes no body. */
export function readBody(context: RequestContext): Promise<void> | void {
  const { operation, request, exchange } = context;
  const kind = kindOf(operation as Operation, request.headers);
  if (kind === "form") return readFormBody(context);
  if (kind === "json") return readJsonBody(context);
  exchange.stream = new URLSearchParams(context.query).get("stream") === "true";
  exchange.bodyAt = performance.now();
  exchange.model = context.deployment;
  return undefined;
}

/** What the body is read as; an operation on a resource may do without one. */
function kindOf(operation: Operation, headers: IncomingHttpHeaders): "json" | "form" | "none" {
  if (operation.body === "none") return "none";
  const type = headers["content-type"];
  const isForm = isFormType(type);
  if (operation.body === "form" || (operation.body === "either" && isForm)) {
    if (!isForm) throw wrongType(type, "multipart/form-data");
    refuseCoding(headers);
    return "form";
  }
  const empty = headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0;
  if (empty && operation.handling === "resource") return "none";
  if (type !== undefined && !JSON_TYPE.test(type)) throw wrongType(type, "application/json");
  refuseCoding(headers);
  return "json";
}

function readJsonBody(context: RequestContext): Promise<void> | void {
  const { request, services, operation } = context;
  const scan = new BodyScan(context.snapshot.bodyFields(JSON_FIELDS), placesOf(operation as Operation).watched);
  const { requestBytes } = services.limits;
  // Only what is asked for with every second request of the world may go on without being kept, and nothing of what must
  // not send content elsewhere.
  const mayFlow = operation?.handling === "inference" && operation.model === "required";
  const need = mayFlow && context.caller.residency === undefined ? "model" : "whole";
  context.receiver = new BodyReceiver(request, requestBytes, services.replayPool, scan, need);
  const arriving = context.receiver.receive();
  return arriving ? arriving.then((rest) => noteJson(context, scan, rest)) : noteJson(context, scan, undefined);
}

function noteJson(context: RequestContext, scan: BodyScan, rest: Rest | undefined): void {
  const { exchange, operation } = context;
  context.body = { scan, rest };
  if (rest) scan.tooLate = NEEDED_BEFORE;
  exchange.bodyAt = performance.now();
  exchange.requestBytes = scan.length;
  exchange.stream = flagOf(scan, "stream");
  context.choices = choicesOf(scan);
  context.stored = scalarOf(scan, scan.fields.get("store"), LONGEST_FLAG_BYTES) === true;
  context.spoken = scan.fields.get("audio")?.kind === "nested";
  exchange.model = context.deployment ?? modelIn(operation as Operation, scan);
}

async function readFormBody(context: RequestContext): Promise<void> {
  const { request, services, exchange, operation } = context;
  const kept = new KeptBody();
  context.receiver = new BodyReceiver(request, services.limits.requestBytes, services.replayPool, kept, "whole");
  await context.receiver.receive();
  exchange.bodyAt = performance.now();
  exchange.requestBytes = kept.length;
  const form = readForm(kept.bytes(), request.headers["content-type"] ?? "", FORM_FIELDS);
  context.form = form;
  if (operation?.name === "files" && isForBatch(form)) context.batch = batchIn(form);
  if (operation?.model === "none") return;
  exchange.stream = fieldOf(form, "stream") === "true";
  context.choices = boundedChoices(Number(fieldOf(form, "n")));
  exchange.model = context.deployment ?? fieldOf(form, "model");
  if (exchange.model === undefined) throw missingModel();
}

/** In whatever spelling: lines that are not read could name anything. */
function isForBatch(form: Form): boolean {
  const purpose = fieldOf(form, "purpose");
  if (purpose === undefined && form.parts.some(({ name }) => name === "purpose")) {
    const message = "The field 'purpose' must be a plain field of the form, and short. Send it without a file name.";
    throw new GatewayError("invalid_form", message, { param: "purpose" });
  }
  return purpose?.trim().toLowerCase() === "batch";
}

function batchIn(form: Form): readonly BatchLine[] {
  const file = fileOf(form, "file");
  if (!file)
    throw new GatewayError("missing_field", "The file of the batch is missing in the form.", { param: "file" });
  return batchLines(form.bytes, file.start, file.end);
}

function modelIn(operation: Operation, scan: BodyScan): string | undefined {
  if (operation.model === "none") return undefined;
  const field = scan.fields.get("model");
  if (!field) {
    if (operation.model === "optional") return undefined;
    throw missingModel();
  }
  const model = scalarOf(scan, field, LONGEST_MODEL_BYTES);
  if (typeof model === "string" && model !== "") return model;
  throw new GatewayError("invalid_field", "The field 'model' must be a model's name, a string.", { param: "model" });
}

function missingModel(): GatewayError {
  return new GatewayError("missing_field", "The field 'model' is missing. Name the model to use.", { param: "model" });
}

/** Longer than any name: it would only be remembered as one more that nobody has. */
function deploymentIn(part: string): string {
  const name = decodedPart(part);
  if (name.length > LONGEST_MODEL_BYTES) throw modelNotFound(name);
  return name;
}

/** A key that stands in the query as well is the gateway's to know, not the provider's. */
function withoutKey(query: string): string {
  if (!query.includes("api-key")) return query;
  const parameters = new URLSearchParams(query);
  parameters.delete("api-key");
  return parameters.size === 0 ? "" : `?${parameters}`;
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

function wrongType(type: string | undefined, wanted: string): GatewayError {
  const what = type === undefined ? "A body without content-type" : `The content-type '${type.slice(0, 100)}'`;
  return new GatewayError("unsupported_media_type", `${what} is not possible here. Send 'content-type: ${wanted}'.`);
}

function refuseCoding(headers: IncomingHttpHeaders): void {
  const coding = headers["content-encoding"];
  if (coding === undefined || coding === "identity") return;
  const message = `The content-encoding '${coding.slice(0, 100)}' is not possible here. Send the body as it is.`;
  throw new GatewayError("unsupported_media_type", message);
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
  return typeof value === "number" ? boundedChoices(value) : 1;
}

function boundedChoices(count: number): number {
  return count >= 1 && count <= MOST_CHOICES ? count : 1;
}

/** No dot segments, no empty ones, no encoded slashes: the provider must not read another path than Tandem did. */
function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/%2f|%5c|%2e|\\/i.test(part));
}
