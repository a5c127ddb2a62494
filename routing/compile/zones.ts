/**
 * In which zones may each provider, and each of its deployments, process what it is sent?
 *
 * On Azure the deployment type and the resource's region decide; on OpenAI the owner declares it. What contradicts its
 * own address satisfies nothing. Nobody is trusted for what was not said.
 */
import { isCloudOf, isKnownRegion, openAIHost, openAIHostOf, staysInZone, type Zone, zoneOfRegion } from "../zones.ts";
import type { ModelSpec, ProviderSpec } from "./spec.ts";

/** Where the provider keeps and processes what names no model: files, vector stores. Empty: nowhere in particular. */
export function zonesOf(spec: ProviderSpec, endpoint: string): readonly Zone[] {
  const host = hostOf(endpoint);
  if (spec.type === "OpenAI") {
    return (spec.residency ?? []).filter((zone) => openAIHost(host, zone) !== "Contradicts");
  }
  const zone = spec.region === undefined ? undefined : zoneOfRegion(spec.region);
  return zone !== undefined && isCloudOf(host, zone) ? [zone] : [];
}

/** Of a deployment on Azure. */
export function zonesOfModel(spec: ProviderSpec, model: ModelSpec, endpoint: string): readonly Zone[] {
  return staysInZone(model.deploymentType) ? zonesOf(spec, endpoint) : [];
}

/** What the owner should know, because what is written does not do what it seems to. */
export function zoneNotes(spec: ProviderSpec, endpoint: string): readonly string[] {
  return spec.type === "OpenAI" ? openAINotes(spec.residency ?? [], endpoint) : azureNotes(spec, endpoint);
}

function openAINotes(residency: readonly Zone[], endpoint: string): readonly string[] {
  const notes = residency.flatMap((zone) => {
    const verdict = openAIHost(hostOf(endpoint), zone);
    if (verdict === "Fits") return [];
    const own = openAIHostOf(zone);
    if (verdict === "Contradicts") {
      const fix =
        own === undefined ? "take the zone out" : `set spec.endpoint: https://${own}/v1, or take the zone out`;
      return [`spec.residency: ${zone} is not satisfied, since ${hostOf(endpoint)} does not process there; ${fix}`];
    }
    return own === undefined
      ? []
      : [`spec.residency: OpenAI takes projects of ${zone} at spec.endpoint: https://${own}/v1 only`];
  });
  if (residency.length > 1) {
    notes.push(
      `spec.residency: with ${residency.join(", ")} its data may be in any of them, so it serves only callers whose data may be in all of them; for one zone each, make one AIProvider each`,
    );
  }
  return notes;
}

function azureNotes({ region }: ProviderSpec, endpoint: string): readonly string[] {
  if (region === undefined) return [];
  if (!isKnownRegion(region)) {
    return [
      `spec.region: ${region} is not a region of Azure that this version knows, so it satisfies no residency; check its name`,
    ];
  }
  const zone = zoneOfRegion(region);
  if (zone === undefined || isCloudOf(hostOf(endpoint), zone)) return [];
  return [
    `spec.region: ${region} is not in the cloud of ${hostOf(endpoint)}, so it satisfies no residency; correct one of the two`,
  ];
}

/** Empty for an address that cannot be read, which the provider is refused for. */
function hostOf(endpoint: string): string {
  return URL.canParse(endpoint) ? new URL(endpoint).hostname : "";
}
