/** What exactly goes to the provider? */
import type { Readable } from "node:stream";
import { keyIn } from "../authorization/authorization.ts";
import { type Edit, edited } from "../body/edits.ts";
import { fieldOf, settingField } from "../body/form.ts";
import type { Received } from "../body/receive.ts";
import { type FieldEdit, type Payload, placed, scalarOf, withModel } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import { batchEdits, endpointAt } from "../dialects/batch.ts";
import { type Changes, changesFor, tooLateFields } from "../dialects/fields.ts";
import type { Operation } from "../dialects/operations.ts";
import type { AttemptRecord } from "../exchange.ts";
import { requestHeaders } from "../headers.ts";
import { bodyModelAt, fieldRulesAt, pathAt, type Target } from "../snapshot.ts";
import { usageEdit } from "./ask-usage.ts";
import type { UpstreamCall } from "./call.ts";
import { upstreamIn } from "./plan.ts";

/** A body up to this size is joined once, and takes the place of its chunks: measured, a fifth of the CPU of 1 MB. */
const JOINED_BODY_BYTES = 2 * 1024 * 1024;
/** The three parts of a spliced body up to this size are joined as well. */
const JOINED_PARTS_BYTES = 64 * 1024;

const LONGEST_ENDPOINT_BYTES = 128;

export function send(context: RequestContext, target: Target, call: UpstreamCall, record: AttemptRecord): void {
  const { path, query, body, exchange, request, services } = context;
  const operation = context.operation as Operation;
  const where = pathAt(target, operation, path, query);
  const { header } = target.authorization;
  if (where === undefined || !header) throw new Error("an ineligible target was chosen");
  const changes = changesOf(context, operation, target);
  record.changed = changes?.note;
  const payload = payloadOf(context, operation, target, call, changes);
  const headers = requestHeaders(request.headers, target.provider.type, exchange.id);
  if (body) headers["content-type"] = "application/json";
  else if (!payload) delete headers["content-type"];
  headers.host = target.host;
  headers[header[0]] = header[1];
  call.key = keyIn(header);
  Object.assign(headers, services.telemetry.tracing.startAttempt(exchange, record, target.provider));
  const length = lengthOf(context, payload);
  if (length !== undefined) headers["content-length"] = length;
  const { method } = operation;
  try {
    target.dispatcher.dispatch({ path: where, method, headers, body: payload ? bytesOf(payload, body) : null }, call);
  } catch (error) {
    call.onResponseError(undefined, error as Error);
  }
}

/** What this provider cannot take of the body, as far as it has been read. */
function changesOf({ body }: RequestContext, operation: Operation, target: Target): Changes | undefined {
  const rules = body && fieldRulesAt(target, operation);
  if (!rules) return undefined;
  if (body.rest) body.scan.tooLate = new Set([...(body.scan.tooLate ?? []), ...tooLateFields(rules, body.scan)]);
  return changesFor(rules, body.scan);
}

/**
 * The body as it came, or with the upstream's name of the model, the provider's own ids, the wish for usage, and only
 * fields it takes.
 */
function payloadOf(
  context: RequestContext,
  operation: Operation,
  target: Target,
  call: UpstreamCall,
  changes: Changes | undefined,
): Payload | undefined {
  if (context.form) return formPayload(context, operation, target);
  if (!context.body) return undefined;
  const { scan, rest } = context.body;
  if (!rest && scan.length <= JOINED_BODY_BYTES) scan.join();
  const model = modelFor(context, operation, target);
  const edits = [...(context.ids?.edits ?? []), ...endpointEdit(context, operation, target)];
  const asking = usageEdit(context, target);
  if (asking) {
    edits.push(asking);
    call.reading = { ...call.reading, withholdUsage: true };
  }
  if (edits.length === 0 && !changes && !context.fieldEdits) return model ? withModel(scan, model) : scan;
  // All in one go: where no field is left, no comma may stand behind one that is put in.
  const fields: FieldEdit[] = [...(changes?.edits ?? []), ...(context.fieldEdits ?? [])];
  if (model) fields.push({ field: "model", action: "set", value: model });
  return edited(scan.chunks, [...edits, ...placed(scan, fields)]);
}

/** The endpoint of a new batch, as the provider writes it. */
function endpointEdit({ body }: RequestContext, { name }: Operation, { provider }: Target): readonly Edit[] {
  const field = name === "batches" ? body?.scan.fields.get("endpoint") : undefined;
  const endpoint = body && scalarOf(body.scan, field, LONGEST_ENDPOINT_BYTES);
  if (!field || typeof endpoint !== "string") return [];
  return [{ ...field, replacement: Buffer.from(JSON.stringify(endpointAt(provider, endpoint))) }];
}

/** What to put into the body's `model`; undefined when it is right as it is. */
function modelFor(context: RequestContext, operation: Operation, target: Target): Buffer | undefined {
  const { exchange, body, deployment } = context;
  if (exchange.model === undefined) return undefined;
  const named = body?.scan.fields.has("model") && deployment === undefined;
  return named && exchange.model === target.upstreamModel ? undefined : bodyModelAt(target, operation);
}

function formPayload(context: RequestContext, operation: Operation, target: Target): Payload | undefined {
  const { form, exchange } = context;
  if (!form) return undefined;
  const edits: Edit[] = [];
  const named = exchange.model !== undefined && bodyModelAt(target, operation) !== undefined;
  if (named && fieldOf(form, "model") !== target.upstreamModel) {
    edits.push(settingField(form, "model", target.upstreamModel));
  }
  edits.push(...(context.ids?.edits ?? []));
  if (context.batch) {
    edits.push(...batchEdits(context.batch, target.provider, (model) => upstreamIn(context, target, model)));
  }
  return edited([form.bytes], edits);
}

function lengthOf(context: RequestContext, payload: Payload | undefined): string | undefined {
  const { body } = context;
  if (!payload) return undefined;
  if (!body?.rest) return String(payload.length);
  const declared = context.request.headers["content-length"];
  if (declared === undefined) return undefined;
  // What is changed stands in the part that was read already.
  const readBytes = body.scan.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return String(Number(declared) + payload.length - readBytes);
}

/** undici takes iterables of buffers as they are (docs/api/Dispatcher.md, `body`); its types leave them out. */
function bytesOf(payload: Payload, body: Received | undefined): Buffer | Readable {
  const { chunks } = payload;
  if (body?.rest) return joined(chunks, body.rest) as unknown as Readable;
  if (chunks.length === 1) return chunks[0] as Buffer;
  return payload.length <= JOINED_PARTS_BYTES ? Buffer.concat(chunks, payload.length) : (chunks as unknown as Readable);
}

async function* joined(head: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  yield* rest;
}
