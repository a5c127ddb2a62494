/**
 * What does an access token look like, and would Azure take it?
 *
 * A JWT as Entra's (v1.0 claims), but signed with a key that all simulators know: the Azure simulator takes only what a
 * token simulator has issued, also when that one runs in another process.
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";

const KEY = "the simulated token service of tandem";

/** Resources that have tokens, by the audience that stands in them, and the endings of the hosts that take them. */
const RESOURCES: Readonly<Record<string, { readonly host: string; readonly onDated: boolean }>> = {
  "https://cognitiveservices.azure.com": { host: ".azure.com", onDated: true },
  "https://cognitiveservices.azure.us": { host: ".azure.us", onDated: true },
  "https://cognitiveservices.azure.cn": { host: ".azure.cn", onDated: true },
  "https://ai.azure.com": { host: ".azure.com", onDated: false },
  "https://graph.microsoft.com": { host: ".graph.microsoft.com", onDated: false },
};

export interface Grant {
  readonly tenant: string;
  readonly clientID: string;
  /** `https://…`, without `/.default`. */
  readonly audience: string;
  readonly lifetimeSeconds: number;
}

export function isResource(audience: string): boolean {
  return Object.hasOwn(RESOURCES, audience);
}

export function issueToken({ tenant, clientID, audience, lifetimeSeconds }: Grant, now = Date.now()): string {
  const iat = now / 1000;
  const claims = {
    aud: audience,
    iss: `https://sts.windows.net/${tenant}/`,
    iat,
    nbf: iat,
    exp: iat + lifetimeSeconds,
    appid: clientID,
    tid: tenant,
    uti: randomUUID(),
    ver: "1.0",
  };
  const head = `${encoded({ typ: "JWT", alg: "HS256" })}.${encoded(claims)}`;
  return `${head}.${signature(head)}`;
}

/** Whether Azure at this host takes the token: issued here, for this cloud's resource, and not expired. */
export function azureTakes(token: string, host: string, onV1: boolean, now = Date.now()): boolean {
  const [header = "", payload = "", signed = ""] = token.split(".");
  if (!sameText(signature(`${header}.${payload}`), signed)) return false;
  const { aud, exp } = claimsOf(token) as { aud: string; exp: number };
  const resource = RESOURCES[aud];
  if (resource === undefined || exp * 1000 <= now || !(onV1 || resource.onDated)) return false;
  // A host outside Azure's domains is a stand-in for Azure's public cloud.
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return resource.host === (/\.azure\.(?:us|cn)$/.exec(name)?.[0] ?? ".azure.com");
}

/** Of any JWT; none when it is no such thing. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
    return typeof claims === "object" && claims !== null ? (claims as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function signature(head: string): string {
  return createHmac("sha256", KEY).update(head).digest("base64url");
}

function sameText(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
