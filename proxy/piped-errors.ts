/** How does a failure of a piped request look in the records and to the caller? */
import type { IncomingMessage } from "node:http";
import { GatewayError } from "./errors.ts";
import { type Headers, responseHeaders } from "./headers.ts";

/** OpenAI's `x-request-id`; Azure's `apim-request-id`, which its support asks for. */
export function idOf(answer: IncomingMessage): string | undefined {
  const id = answer.headers["apim-request-id"] ?? answer.headers["x-request-id"];
  return typeof id === "string" ? id : undefined;
}

export function tooLarge(limit: number): GatewayError {
  return new GatewayError(
    "request_too_large",
    `The request's body is larger than the gateway's limit of ${limit} bytes.`,
  );
}

export function unreachable(provider: string): GatewayError {
  return new GatewayError(
    "upstream_unreachable",
    `The provider ${provider} could not be reached. Ask again in a moment.`,
  );
}

export function invalid(provider: string): GatewayError {
  return new GatewayError("upstream_invalid", `The provider ${provider} answered with something that is not HTTP.`);
}

/** Of a provider's error whose body was rewritten in OpenAI's shape. */
export function errorHeaders(answer: IncomingMessage, length: number, key: string | undefined): Headers {
  const headers = responseHeaders(answer.headers, key);
  delete headers["content-encoding"];
  headers["content-type"] = "application/json";
  headers["content-length"] = String(length);
  headers["x-tandem-error-origin"] = "provider";
  return headers;
}
