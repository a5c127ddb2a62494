/** How does a failure look to the caller? */
import type { RequestContext } from "../context.ts";
import { GatewayError, retryAfterHeaders } from "../errors.ts";
import { type Headers, responseHeaders } from "../headers.ts";
import { ProviderRefusal } from "./final-error.ts";
import { ownHeaders } from "./relay.ts";

/** An unread body up to this size is read and thrown away, so that the caller gets to read the answer. */
const DRAINED_BYTES = 64 * 1024 * 1024;

export function answerError(context: RequestContext, error: unknown): void {
  const { response } = context;
  if (context.closed || response.headersSent) {
    if (!context.closed) {
      report(context, error);
      response.destroy();
    }
    return;
  }
  if (error instanceof ProviderRefusal) answerRefusal(context, error);
  else answerGatewayError(context, error instanceof GatewayError ? error : defect(context, error));
}

function defect(context: RequestContext, error: unknown): GatewayError {
  report(context, error);
  const { id } = context.exchange;
  const message = `The gateway failed to serve this request. Its operator finds it by the id ${id}.`;
  return new GatewayError("internal_error", message);
}

function report(context: RequestContext, err: unknown): void {
  context.services.telemetry.log.error(
    { err, request_id: context.exchange.id },
    "a request met a defect of the gateway",
  );
}

function answerRefusal(context: RequestContext, refusal: ProviderRefusal): void {
  const { exchange } = context;
  exchange.outcome = "provider_error";
  exchange.errorCode = refusal.code ?? String(refusal.status);
  exchange.errorOrigin = "provider";
  const headers = responseHeaders(refusal.headers, refusal.key);
  delete headers["content-encoding"];
  headers["content-type"] = "application/json";
  headers["x-tandem-error-origin"] = "provider";
  if (refusal.retry !== undefined) headers["x-should-retry"] = String(refusal.retry);
  Object.assign(headers, retryAfterHeaders(refusal.retryAfter));
  write(context, refusal.status, headers, refusal.body);
}

function answerGatewayError(context: RequestContext, error: GatewayError): void {
  const { exchange } = context;
  exchange.outcome = exchange.attempts.length > 0 ? "upstream_failed" : "rejected";
  exchange.errorCode = error.code;
  exchange.errorOrigin = "gateway";
  write(context, error.status, error.headers(), error.body());
}

function write(context: RequestContext, status: number, headers: Headers, text: string): void {
  const { request, response, exchange } = context;
  const body = Buffer.from(text);
  exchange.status = status;
  exchange.responseBytes = body.length;
  exchange.firstByteAt = performance.now();
  headers["content-length"] = String(body.length);
  if (!request.complete && !(Number(request.headers["content-length"]) <= DRAINED_BYTES))
    response.shouldKeepAlive = false;
  response.writeHead(status, ownHeaders(context, headers));
  response.end(request.method === "HEAD" ? undefined : body);
}
