/** Who is calling, and may they? */
import type { IncomingHttpHeaders } from "node:http";
import type { Client } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { admitEphemeral } from "../realtime/ephemeral.ts";

/** Longer than any key: what is longer is not hashed. */
const LONGEST_KEY = 1024;
const BEARER = /^Bearer +(\S+) *$/i;

export function admit(context: RequestContext): void {
  admitWith(context, keyIn(context.request.headers));
}

/** With a key that may have stood elsewhere. */
export function admitWith(context: RequestContext, key: string | undefined): void {
  const { exchange, services } = context;
  if (key === undefined) {
    if (services.allowAnonymous === undefined) throw unauthorised("No API key was sent.");
    context.namespace = services.allowAnonymous;
  } else {
    const client = key.length <= LONGEST_KEY ? context.snapshot.clientOf(key) : undefined;
    if (!client && !admitEphemeral(context, key)) throw unauthorised("The API key is not one of this gateway's.");
    if (client) admitClient(context, client);
  }
  exchange.namespace = context.namespace;
  exchange.admittedAt = performance.now();
}

export function admitClient(context: RequestContext, client: Client): void {
  context.client = client;
  context.namespace = client.namespace;
  context.exchange.client = client.key;
}

/** As OpenAI's clients send it, or as Azure's do. Two different keys are one too many. */
export function keyIn(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers;
  const apiKey = headers["api-key"];
  if (authorization === undefined) return typeof apiKey === "string" ? apiKey : undefined;
  const bearer = BEARER.exec(authorization)?.[1];
  if (bearer === undefined) throw unauthorised("The Authorization header is not a Bearer key.");
  if (apiKey !== undefined && apiKey !== bearer) throw unauthorised("Authorization and api-key name different keys.");
  return bearer;
}

export function unauthorised(problem: string): GatewayError {
  const fix = "Send the key of an AIClient as 'Authorization: Bearer KEY', or in the header 'api-key'.";
  return new GatewayError("invalid_api_key", `${problem} ${fix}`);
}
