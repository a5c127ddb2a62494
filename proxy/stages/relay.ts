/** How does an answer reach the caller? */
import type { JsonPaths } from "../body/json-strings.ts";
import type { RequestContext } from "../context.ts";
import { withEndpoints } from "../dialects/batch.ts";
import type { Usage } from "../exchange.ts";
import { type Headers, responseHeaders } from "../headers.ts";
import { noteOutputs } from "../ids/batch-output.ts";
import { tagIDs } from "../ids/tag-answer.ts";
import { isJson } from "./answer-head.ts";
import { answerPlaces } from "./answer-places.ts";
import type { UpstreamCall } from "./call.ts";
import { flow } from "./flow.ts";
import { ENDING_BYTES, joined } from "./held-answer.ts";
import { awaitReader } from "./slow-reader.ts";

/** Answers up to this size that came in several chunks are joined: one write is cheaper than a copy. */
const JOINED_BYTES = ENDING_BYTES;

export function relay(context: RequestContext): Promise<void> | void {
  const { call, exchange, target } = context;
  if (!call) return undefined;
  if (context.closed) {
    if (!call.held.complete) target?.availability.released(context.ticket);
    return undefined;
  }
  exchange.status = call.status;
  const headers = answerHeaders(context, call);
  if (call.held.complete) return endAtOnce(context, call, headers);
  return flow(context, call, headers);
}

/** Tandem's own headers of every answer that a route has to do with. */
export function ownHeaders(context: RequestContext, headers: Headers): Headers {
  const { exchange, target, plan, client } = context;
  headers["x-request-id"] = exchange.id;
  if (client?.limits) context.services.rateLimits.addHeaders(headers, client, client.limits);
  if (plan) headers["x-tandem-route"] = plan.route.name;
  if (exchange.attempts.length > 0) headers["x-tandem-attempts"] = String(exchange.attempts.length);
  if (!target) return headers;
  headers["x-tandem-provider"] = target.provider.name;
  headers["x-tandem-backend"] = target.backend.name;
  if (target.upstreamModel !== "") headers["x-tandem-model"] = headerText(target.upstreamModel);
  if (exchange.decision !== undefined) headers["x-tandem-decision"] = exchange.decision;
  const changed = exchange.attempts.at(-1)?.changed;
  if (changed !== undefined) headers["x-tandem-changed"] = changed;
  return headers;
}

/** Under `*` the caller chooses the name: line ends and letters beyond ASCII in it would be no header. */
function headerText(name: string): string {
  return /^[\x20-\x7e]*$/.test(name) ? name : encodeURIComponent(name.toWellFormed());
}

function answerHeaders(context: RequestContext, call: UpstreamCall): Headers {
  const headers = ownHeaders(context, responseHeaders(call.headers, call.key));
  if (call.mode === "events") {
    delete headers["content-length"];
    // nginx and its like would hold the events back.
    headers["x-accel-buffering"] = "no";
  }
  return headers;
}

function translated(context: RequestContext, answer: Buffer, places: JsonPaths): Buffer {
  const isBatch = context.operation?.name.startsWith("batches");
  if (isBatch) noteOutputs(context, answer);
  const tagged = tagIDs(context, answer, places);
  return isBatch ? withEndpoints(tagged) : tagged;
}

/** The whole plain answer is here: headers and body in one write. */
function endAtOnce(context: RequestContext, call: UpstreamCall, headers: Headers): void {
  const { response, exchange } = context;
  exchange.usage = usageOf(context, call);
  const places = answerPlaces(context);
  if (places && isJson(call.headers)) call.held.chunks = [translated(context, joined(call.held.chunks), places)];
  let length = 0;
  for (const chunk of call.held.chunks) length += chunk.length;
  headers["content-length"] = String(length);
  exchange.responseBytes = length;
  exchange.firstByteAt = performance.now();
  exchange.outcome = "ok";
  response.writeHead(call.status, headers);
  if (length <= JOINED_BYTES) {
    // As a string of bytes: Node joins it with the headers, and one plain write goes out instead of a gathered one.
    response.end(places ? joined(call.held.chunks).toString("latin1") : call.ending, "latin1");
  } else {
    for (const chunk of call.held.chunks) response.write(chunk);
    response.end();
  }
  awaitReader(context);
}

/** Who looks at an answer once more does not pay for it once more. */
function usageOf({ operation }: RequestContext, call: UpstreamCall): Usage | undefined {
  return operation?.handling === "inference" ? call.usage() : undefined;
}
