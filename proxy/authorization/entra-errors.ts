/**
 * What does a refusal of Entra ID mean, and who mends it?
 *
 * Nothing of the token service's own words is passed on but its codes and ids: descriptions may repeat what was sent.
 * Codes: learn.microsoft.com/entra/identity-platform/reference-error-codes.
 */
import { TokenError } from "./token-source.ts";

const FIXES: Readonly<Record<string, string>> = {
  AADSTS7000215: "the client secret is wrong: put its value, not its id, into the Secret of auth.entraID.clientSecret",
  AADSTS7000222:
    "the client secret has expired: make a new one and put it into the Secret of auth.entraID.clientSecret",
  AADSTS7000216: "the application was not proved: check auth.entraID.clientSecret and workloadIdentity",
  AADSTS7000218: "the application was not proved: check auth.entraID.clientSecret and workloadIdentity",
  AADSTS700016: "the tenant does not know the application: check auth.entraID.clientID and tenantID",
  AADSTS7000112: "the application is disabled in its tenant",
  AADSTS90002: "there is no such tenant: check auth.entraID.tenantID and authority",
  AADSTS900023: "tenantID is neither a UUID nor a domain name of a tenant",
  AADSTS900382: "the tenant belongs to another cloud: check auth.entraID.authority",
  AADSTS500011: "the tenant does not know the resource: check auth.entraID.scope",
  AADSTS70011: "the scope is not valid: check auth.entraID.scope",
  AADSTS1002012: "the scope is not valid: check auth.entraID.scope",
  AADSTS70021: "no federated credential of the application fits the proxy's service account",
  AADSTS700211: "no federated credential of the application has the cluster's issuer",
  AADSTS700212: "no federated credential of the application has the token's audience (api://AzureADTokenExchange)",
  AADSTS700213: "no federated credential of the application has the proxy's service account as its subject",
  AADSTS700024: "the service account token has expired or is not valid yet: check the clocks",
  AADSTS700027: "the service account token's signature does not fit the cluster's published keys",
  AADSTS53003: "a Conditional Access policy blocks the application",
};

/** By OAuth's own words (RFC 6749, 5.2), where no code is known. */
const BY_WORD: Readonly<Record<string, string>> = {
  invalid_client: "the token service does not take the application's proof",
  unauthorized_client: "the application may not get a token this way",
  invalid_scope: "the scope is not valid: check auth.entraID.scope",
  invalid_request: "the token service does not take the request: check auth.entraID",
};

/** What the last answer of the token service was. */
export interface Refusal {
  readonly status: number;
  readonly body: string;
  /** Milliseconds, from Retry-After. */
  readonly retryAfter: number | undefined;
}

export function refusalError({ status, body, retryAfter }: Refusal): TokenError {
  const { error, error_codes, error_description, trace_id } = parsed(body);
  const code = aadsts(error_codes, error_description);
  const word = plain(error, /^[a-z_]{1,40}$/);
  const traceID = plain(trace_id, /^[0-9a-f-]{36}$/i);
  const meaning = (code && FIXES[code]) ?? (word && BY_WORD[word]) ?? `the token service answered ${status}`;
  const named = code === undefined ? meaning : `${meaning} (${code})`;
  return new TokenError(code ?? word ?? `http_${status}`, named, { traceID, retryAfter });
}

function aadsts(codes: unknown, description: unknown): string | undefined {
  const first: unknown = Array.isArray(codes) ? codes[0] : undefined;
  if (Number.isSafeInteger(first)) return `AADSTS${first as number}`;
  return typeof description === "string" ? /AADSTS\d{1,10}/.exec(description)?.[0] : undefined;
}

function plain(value: unknown, form: RegExp): string | undefined {
  return typeof value === "string" && form.test(value) ? value : undefined;
}

function parsed(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
