/** What is remembered of a token request, and how is it answered? */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { secretHash } from "../recorder.ts";
import type { EntraFault } from "./faults.ts";
import { REFUSALS, refusalBody, type TokenRefusal } from "./refusals.ts";

/** Entra's tokens live for 60 to 90 minutes; this one says so a second earlier. */
export const LIFETIME_SECONDS = 3599;

/** One request for a token; secrets as `sha256:…`. */
export interface TokenRequestRecord {
  /** Unix milliseconds. */
  readonly at: number;
  readonly tenant: string;
  readonly clientID: string | null;
  readonly scope: string | null;
  readonly grantType: string | null;
  readonly clientSecret: string | null;
  readonly clientAssertion: string | null;
  status?: number;
  /** `AADSTS…` of a refusal. */
  code?: string;
  fault?: string;
}

export function recordOf(tenant: string, form: URLSearchParams): TokenRequestRecord {
  const hashed = (name: string) => {
    const value = form.get(name);
    return value === null ? null : secretHash(value);
  };
  return {
    at: Date.now(),
    tenant,
    clientID: form.get("client_id"),
    scope: form.get("scope"),
    grantType: form.get("grant_type"),
    clientSecret: hashed("client_secret"),
    clientAssertion: hashed("client_assertion"),
  };
}

export function answerFault(
  { name, parameters }: EntraFault,
  record: TokenRequestRecord,
  response: ServerResponse,
): void {
  if (name === "reset") response.socket?.resetAndDestroy();
  else if (name === "invalid_client") refuse(REFUSALS.wrongSecret(record.clientID ?? ""), record, response, null);
  else if (name === "no-token") send(response, 200, { token_type: "Bearer", expires_in: LIFETIME_SECONDS });
  else if (name === "html") {
    response.writeHead(502, { "content-type": "text/html" }).end("<html><body>Bad Gateway</body></html>");
  } else {
    const wait = parameters["retry-after"];
    const error = name === "429" ? "temporarily_unavailable" : "server_error";
    send(response, Number(name), { error }, wait === undefined ? {} : { "retry-after": String(wait) });
  }
}

export function refuse(
  refusal: TokenRefusal,
  record: TokenRequestRecord,
  response: ServerResponse,
  correlationID: string | null,
): void {
  record.code = `AADSTS${refusal.code}`;
  send(response, refusal.status, refusalBody(refusal, correlationID ?? randomUUID()));
}

export function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  const all = { "content-type": "application/json; charset=utf-8", "x-ms-request-id": randomUUID(), ...headers };
  response.writeHead(status, { ...all, "cache-control": "no-store, no-cache" }).end(JSON.stringify(body));
}
