/** Does a token request deserve a token, and which? The client credentials flow, with a secret or with an assertion. */
import { REFUSALS, type TokenRefusal } from "./refusals.ts";
import { claimsOf, type Grant, isResource } from "./tokens.ts";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DEFAULT_SCOPE = "/.default";

/** Whose service account tokens prove an application. Their signature is not checked: nobody publishes keys here. */
export interface FederatedCredential {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
}

export interface Application {
  readonly tenant: string;
  readonly clientID: string;
  readonly secrets: readonly string[];
  readonly federated: readonly FederatedCredential[];
}

/** A form of `POST /{tenant}/oauth2/v2.0/token`. The checks come in Entra's order, as far as that is known. */
export function judge(
  applications: readonly Application[],
  tenant: string,
  form: URLSearchParams,
  lifetimeSeconds: number,
): Grant | TokenRefusal {
  const ofTenant = applications.filter((one) => one.tenant === tenant);
  if (ofTenant.length === 0) return REFUSALS.unknownTenant(tenant);
  const [grantType, clientID, scope] = ["grant_type", "client_id", "scope"].map((name) => form.get(name) ?? "");
  if (!grantType) return REFUSALS.missing("grant_type");
  if (grantType !== "client_credentials") return REFUSALS.grantType(grantType);
  if (!clientID) return REFUSALS.missing("client_id");
  if (!scope) return REFUSALS.missing("scope");
  const application = ofTenant.find((one) => one.clientID.toLowerCase() === clientID.toLowerCase());
  if (!application) return REFUSALS.unknownClient(clientID, tenant);
  const audience = audienceOf(scope);
  if (audience === undefined) return REFUSALS.scopeForm(scope);
  const unproved = proofFault(application, form);
  if (unproved) return unproved;
  if (!isResource(audience)) return REFUSALS.unknownResource(audience, tenant);
  return { tenant, clientID, audience, lifetimeSeconds };
}

/** MSAL adds OpenID's scopes to every request, which the flow ignores. */
function audienceOf(scope: string): string | undefined {
  const resources = scope.split(" ").filter((one) => !["openid", "profile", "offline_access"].includes(one));
  const [only = ""] = resources;
  return resources.length === 1 && only.endsWith(DEFAULT_SCOPE) ? only.slice(0, -DEFAULT_SCOPE.length) : undefined;
}

function proofFault({ clientID, secrets, federated }: Application, form: URLSearchParams): TokenRefusal | undefined {
  const secret = form.get("client_secret");
  const assertion = form.get("client_assertion");
  if (secret !== null) return secrets.includes(secret) ? undefined : REFUSALS.wrongSecret(clientID);
  if (assertion === null) return REFUSALS.noProof;
  if (form.get("client_assertion_type") !== ASSERTION_TYPE) return REFUSALS.assertionType;
  return assertionFault(assertion, federated);
}

function assertionFault(assertion: string, federated: readonly FederatedCredential[]): TokenRefusal | undefined {
  const { iss, sub, aud, exp } = claimsOf(assertion);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion) || typeof exp !== "number") return REFUSALS.assertionForm;
  if (exp * 1000 <= Date.now()) return REFUSALS.assertionExpired;
  const audiences = (Array.isArray(aud) ? aud : [aud]).map(String);
  const byIssuer = federated.filter(({ issuer }) => issuer === iss);
  if (byIssuer.length === 0) return REFUSALS.assertionIssuer(String(iss));
  const bySubject = byIssuer.filter(({ subject }) => subject === sub);
  if (bySubject.length === 0) return REFUSALS.assertionSubject(String(sub));
  const byAudience = bySubject.filter(({ audience }) => audiences.includes(audience));
  return byAudience.length === 0 ? REFUSALS.assertionAudience(audiences.join(" ")) : undefined;
}
