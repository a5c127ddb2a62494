/**
 * How does a provider with `auth.entraID` get its token: from which token service, for what, and may it at all?
 */
import type { ProviderSpec } from "./spec.ts";

export type EntraSpec = NonNullable<ProviderSpec["auth"]["entraID"]>;

/**
 * Clouds by the ending of their hosts; the first one is also everything else's. Authorities and scopes: Microsoft's
 * pages on national clouds and on Azure OpenAI in Azure Government.
 */
const CLOUDS = [
  {
    ending: ".azure.com",
    authority: "https://login.microsoftonline.com",
    resource: "https://cognitiveservices.azure.com",
  },
  {
    ending: ".azure.us",
    authority: "https://login.microsoftonline.us",
    resource: "https://cognitiveservices.azure.us",
  },
  {
    ending: ".azure.cn",
    authority: "https://login.partner.microsoftonline.cn",
    resource: "https://cognitiveservices.azure.cn",
  },
] as const;

/** What the client credentials flow takes: all that the application was given (Entra answers AADSTS1002012 else). */
const DEFAULT_SCOPE = "/.default";

/** Where Azure itself answers, in all clouds: nobody else can read what is sent there. */
const AZURE_HOST = /\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)$/;

type Cloud = (typeof CLOUDS)[number];

function cloudOf(endpoint: string): Cloud {
  const host = URL.canParse(endpoint) ? new URL(endpoint).hostname : "";
  return CLOUDS.find(({ ending }) => host.endsWith(ending)) ?? CLOUDS[0];
}

/** Origin of the token service. */
export function authorityOf(spec: EntraSpec, endpoint: string): string {
  const written = spec.authority ?? cloudOf(endpoint).authority;
  return URL.canParse(written) ? new URL(written).origin : written;
}

export function scopeOf(spec: EntraSpec, endpoint: string): string {
  return spec.scope ?? cloudOf(endpoint).resource + DEFAULT_SCOPE;
}

/** One sentence without its full stop for each reason against it. */
export function entraFaults(spec: EntraSpec, endpoint: string): readonly string[] {
  const faults = [authorityFault(spec.authority), scopeFault(scopeOf(spec, endpoint))];
  if (spec.workloadIdentity !== undefined) faults.push(...strangers(authorityOf(spec, endpoint), endpoint));
  return faults.filter((fault) => fault !== undefined);
}

function authorityFault(written: string | undefined): string | undefined {
  if (written === undefined) return undefined;
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url !== undefined && url.href === `${url.origin}/` && !/[?#]/.test(written)) return undefined;
  return "spec.auth.entraID.authority must be the token service's address alone, such as https://login.microsoftonline.com; the tenant stands in tenantID";
}

function scopeFault(scope: string): string | undefined {
  if (scope.endsWith(DEFAULT_SCOPE) && !/\s/.test(scope)) return undefined;
  return `spec.auth.entraID.scope must be one resource with ${DEFAULT_SCOPE} behind it, such as https://cognitiveservices.azure.com/.default`;
}

/**
 * A workload identity is the gateway's own, and every namespace may name it: neither its proof nor its token may go
 * where the writer of an AIProvider could read and use them. A client secret is the writer's own.
 */
function strangers(authority: string, endpoint: string): readonly string[] {
  const why =
    "with auth.entraID.workloadIdentity, because the gateway's own identity is shown to nobody else; use auth.entraID.clientSecret";
  const faults: string[] = [];
  if (!CLOUDS.some((cloud) => cloud.authority === authority)) {
    faults.push(
      `spec.auth.entraID.authority must be one of ${CLOUDS.map((cloud) => cloud.authority).join(", ")} ${why}`,
    );
  }
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol !== "https:" || !AZURE_HOST.test(url.hostname)) {
    faults.push(`spec.endpoint must be an https address of Azure's own, such as https://NAME.openai.azure.com, ${why}`);
  }
  return faults;
}
