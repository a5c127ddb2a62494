/** What exactly goes to the provider? */
import type { Readable } from "node:stream";
import type { Received } from "../body/receive.ts";
import { type Payload, withModel } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import type { AttemptRecord } from "../exchange.ts";
import { requestHeaders } from "../headers.ts";
import { pathAt, type Target } from "../snapshot.ts";
import type { UpstreamCall } from "./call.ts";

/** A body up to this size is joined once, and takes the place of its chunks: measured, a fifth of the CPU of 1 MB. */
const JOINED_BODY_BYTES = 2 * 1024 * 1024;
/** The three parts of a spliced body up to this size are joined as well. */
const JOINED_PARTS_BYTES = 64 * 1024;

export function send(context: RequestContext, target: Target, call: UpstreamCall, record: AttemptRecord): void {
  const { operation, path, query, body, exchange, request, services } = context;
  const where = operation && pathAt(target, operation, path, query);
  if (where === undefined || !body || !target.auth) throw new Error("an ineligible target was chosen");
  const payload = payloadOf(context, target, body);
  const headers = requestHeaders(request.headers, target.provider.type, exchange.id);
  headers["content-type"] = "application/json";
  headers.host = target.host;
  headers[target.auth[0]] = target.auth[1];
  Object.assign(headers, services.telemetry.tracing.startAttempt(exchange, record, target.provider));
  const length = lengthOf(context, payload, body);
  if (length !== undefined) headers["content-length"] = length;
  try {
    target.dispatcher.dispatch({ path: where, method: "POST", headers, body: bytesOf(payload, body) }, call);
  } catch (error) {
    call.onResponseError(undefined, error as Error);
  }
}

/** The body as it came, or with the upstream's name of the model in it. */
function payloadOf(context: RequestContext, target: Target, body: Received): Payload {
  const { scan } = body;
  if (!body.rest && scan.length <= JOINED_BODY_BYTES) scan.join();
  const named = scan.fields.has("model") && context.deployment === undefined;
  const asIs = !target.bodyModel || (named && context.exchange.model === target.upstreamModel);
  return asIs || !target.bodyModel ? scan : withModel(scan, target.bodyModel);
}

function lengthOf(context: RequestContext, payload: Payload, body: Received): string | undefined {
  if (!body.rest) return String(payload.length);
  const declared = context.request.headers["content-length"];
  if (declared === undefined) return undefined;
  // What is changed stands in the part that was read already.
  const readBytes = body.scan.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return String(Number(declared) + payload.length - readBytes);
}

/** undici takes iterables of buffers as they are (docs/api/Dispatcher.md, `body`); its types leave them out. */
function bytesOf(payload: Payload, body: Received): Buffer | Readable {
  const { chunks } = payload;
  if (body.rest) return joined(chunks, body.rest) as unknown as Readable;
  if (chunks.length === 1) return chunks[0] as Buffer;
  return payload.length <= JOINED_PARTS_BYTES ? Buffer.concat(chunks, payload.length) : (chunks as unknown as Readable);
}

async function* joined(head: readonly Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  yield* rest;
}
