/**
 * How does Entra ID refuse?
 *
 * OAuth's error word (RFC 6749, 5.2), a description that begins with the AADSTS code, and ids. Codes, texts and
 * statuses: learn.microsoft.com/entra/identity-platform/reference-error-codes and public reports.
 */
import { randomUUID } from "node:crypto";

export interface TokenRefusal {
  readonly status: number;
  readonly error: string;
  readonly code: number;
  readonly text: string;
}

const refusal = (status: number, error: string, code: number, text: string): TokenRefusal => ({
  status,
  error,
  code,
  text,
});

export const REFUSALS = {
  missing: (name: string) =>
    refusal(400, "invalid_request", 900144, `The request body must contain the following parameter: '${name}'.`),
  unknownTenant: (tenant: string) =>
    refusal(
      400,
      "invalid_request",
      90002,
      `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`,
    ),
  grantType: (grant: string) =>
    refusal(400, "unsupported_grant_type", 70003, `The app requested an unsupported grant type '${grant}'.`),
  unknownClient: (client: string, tenant: string) =>
    refusal(
      400,
      "unauthorized_client",
      700016,
      `Application with identifier '${client}' was not found in the directory '${tenant}'.`,
    ),
  scopeForm: (scope: string) =>
    refusal(
      400,
      "invalid_scope",
      1002012,
      `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
    ),
  unknownResource: (resource: string, tenant: string) =>
    refusal(
      400,
      "invalid_resource",
      500011,
      `The resource principal named ${resource} was not found in the tenant named ${tenant}.`,
    ),
  noProof: refusal(
    401,
    "invalid_client",
    7000216,
    "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
  ),
  wrongSecret: (client: string) =>
    refusal(
      401,
      "invalid_client",
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${client}'.`,
    ),
  assertionType: refusal(
    400,
    "invalid_request",
    900144,
    "The client_assertion_type must be 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'.",
  ),
  assertionForm: refusal(401, "invalid_client", 50027, "JWT token is invalid or malformed."),
  assertionExpired: refusal(401, "invalid_client", 700024, "Client assertion is not within its valid time range."),
  assertionIssuer: (issuer: string) =>
    refusal(
      401,
      "invalid_client",
      700211,
      `No matching federated identity record found for presented assertion issuer '${issuer}'.`,
    ),
  assertionAudience: (audience: string) =>
    refusal(
      401,
      "invalid_client",
      700212,
      `No matching federated identity record found for presented assertion audience '${audience}'.`,
    ),
  assertionSubject: (subject: string) =>
    refusal(
      401,
      "invalid_client",
      700213,
      `No matching federated identity record found for presented assertion subject '${subject}'.`,
    ),
} as const;

export function refusalBody({ error, code, text }: TokenRefusal, correlationID: string, now = new Date()): object {
  const trace_id = randomUUID();
  const timestamp = now.toISOString().replace("T", " ").replace(/\.\d+/, "");
  return {
    error,
    error_description: `AADSTS${code}: ${text} Trace ID: ${trace_id} Correlation ID: ${correlationID} Timestamp: ${timestamp}`,
    error_codes: [code],
    timestamp,
    trace_id,
    correlation_id: correlationID,
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  };
}
