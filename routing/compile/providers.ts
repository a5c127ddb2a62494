/**
 * Which providers can be used, and how is each reached?
 */
import { milliseconds } from "../duration.ts";
import { findPrice } from "../prices.ts";
import type { Breaker, Commitment, EntraAuth, HealthCheck, Model, Provider, ProviderAuth, Timeouts } from "../table.ts";
import * as defaults from "./defaults.ts";
import { authorityOf, type EntraSpec, entraFaults, scopeOf } from "./entra.ts";
import { resolveSecret, type SecretUse } from "./secret-refs.ts";
import type { ModelSpec, ProviderSpec, SecretKeyRef } from "./spec.ts";
import { mayServe, type ProviderDraft, type World } from "./world.ts";
import { zoneNotes, zonesOf, zonesOfModel } from "./zones.ts";

export function makeProviders(world: World): void {
  for (const draft of world.providers.values()) {
    if (draft.spec === undefined) continue;
    draft.columns.endpoint = endpointOf(draft.spec);
    checkEndpoint(draft, draft.columns.endpoint);
    draft.notes.push(...zoneNotes(draft.spec, draft.columns.endpoint));
    const auth = authOf(world, draft, draft.spec);
    const ca = caOf(world, draft, draft.spec);
    const isUsable = mayServe(draft) && draft.unresolved.length === 0;
    if (!isUsable || auth === undefined) continue;
    draft.made = toProvider(draft, draft.spec, auth, ca);
    noteUnpriced(draft, draft.made);
  }
}

/** What money covers is list value, which only a price tells. */
function noteUnpriced(draft: ProviderDraft, provider: Provider): void {
  const names = (draft.spec?.models ?? []).map(({ name }) => name);
  for (const [i, name] of names.entries()) {
    const model = provider.models[name];
    if (model?.commitment?.usdPerHour === undefined || findPrice(provider, model, name) !== undefined) continue;
    draft.notes.push(`spec.models[${i}].commitment is not used: ${name} has no price; add spec.models[${i}].price`);
  }
}

/**
 * The CRD's rule reads addresses as Go does and the proxy as browsers do. Where these differ (a port of 99999) the
 * object is refused here, so that it does not spoil the table of all.
 */
function checkEndpoint(draft: ProviderDraft, endpoint: string): void {
  if (URL.canParse(endpoint)) return;
  const message = `spec.endpoint: ${endpoint} is not a usable address; check its host and port`;
  draft.rejected.push({ reason: "Invalid", message });
}

/** Undefined when its Secret does not resolve. */
function authOf(world: World, draft: ProviderDraft, spec: ProviderSpec): ProviderAuth | undefined {
  const { apiKey, entraID } = spec.auth;
  if (entraID !== undefined) return entraOf(world, draft, entraID, endpointOf(spec));
  const credential = apiKey && versionOf(world, draft, apiKey.secretRef, "spec.auth.apiKey.secretRef");
  return credential === undefined ? undefined : { kind: "ApiKey", credential };
}

function entraOf(world: World, draft: ProviderDraft, spec: EntraSpec, endpoint: string): EntraAuth | undefined {
  for (const message of entraFaults(spec, endpoint)) draft.rejected.push({ reason: "Invalid", message });
  const { tenantID, clientID, clientSecret } = spec;
  const settings = { tenantID, clientID, authority: authorityOf(spec, endpoint), scope: scopeOf(spec, endpoint) };
  if (clientSecret === undefined) return { kind: "EntraID", ...settings, workloadIdentity: true };
  const version = versionOf(world, draft, clientSecret.secretRef, "spec.auth.entraID.clientSecret.secretRef");
  return version === undefined ? undefined : { kind: "EntraID", ...settings, clientSecret: version };
}

function caOf(world: World, draft: ProviderDraft, spec: ProviderSpec): string | undefined {
  const ref = spec.tls?.caSecretRef;
  return ref && versionOf(world, draft, ref, "spec.tls.caSecretRef", "Certificate");
}

function versionOf(world: World, draft: ProviderDraft, ref: SecretKeyRef, field: string, use: SecretUse = "Key") {
  const resolved = resolveSecret(world, draft.namespace, ref, field, use);
  if ("facts" in resolved) return resolved.facts.version;
  draft.unresolved.push(resolved.problem);
  return undefined;
}

function endpointOf(spec: ProviderSpec): string {
  return (spec.endpoint ?? defaults.OPENAI_ENDPOINT).replace(/\/+$/, "");
}

function toProvider(draft: ProviderDraft, spec: ProviderSpec, auth: ProviderAuth, ca: string | undefined): Provider {
  const health = healthOf(spec);
  const breaker = breakerOf(spec);
  const zones = zonesOf(spec, endpointOf(spec));
  return {
    key: draft.key,
    namespace: draft.namespace,
    name: draft.name,
    type: spec.type,
    endpoint: endpointOf(spec),
    ...(spec.type === "AzureOpenAI" && { apiVersion: spec.apiVersion ?? defaults.AZURE_API_VERSION }),
    ...(spec.compatibility !== undefined && { compatibility: spec.compatibility }),
    ...(spec.region !== undefined && { region: spec.region }),
    ...(zones.length > 0 && { zones }),
    auth,
    ...(ca !== undefined && { tls: { ca } }),
    // Not by assignment: a model may be called __proto__.
    models: Object.fromEntries((spec.models ?? []).map((model) => [model.name, toModel(spec, model)])),
    timeouts: allTimeouts(spec.timeouts),
    ...(health !== undefined && { health }),
    ...(breaker !== undefined && { breaker }),
    ...(spec.concurrency !== undefined && { concurrency: spec.concurrency }),
    rateLimitGroup: rateLimitGroupOf(draft, spec),
  };
}

function toModel(spec: ProviderSpec, model: ModelSpec): Model {
  const zones = zonesOfModel(spec, model, endpointOf(spec));
  const timeouts = someTimeouts(model.timeouts);
  return {
    upstream: model.deployment ?? model.name,
    ...(model.baseModel !== undefined && { baseModel: model.baseModel }),
    ...(model.contextTokens !== undefined && { contextTokens: model.contextTokens }),
    ...(model.deploymentType !== undefined && { deploymentType: model.deploymentType }),
    ...(zones.length > 0 && { zones }),
    ...(model.apiVersion !== undefined && { apiVersion: model.apiVersion }),
    ...(Object.keys(timeouts).length > 0 && { timeouts }),
    ...(model.price !== undefined && { price: model.price }),
    ...(model.commitment !== undefined && { commitment: toCommitment(model.commitment) }),
  };
}

function toCommitment({ window, ...paid }: NonNullable<ModelSpec["commitment"]>): Commitment {
  return { ...paid, window: window === undefined ? defaults.COMMITMENT_WINDOW : milliseconds(window) };
}

function allTimeouts(spec: ProviderSpec["timeouts"]): Timeouts {
  return {
    connect: milliseconds(spec.connect),
    firstByte: milliseconds(spec.firstByte),
    ...(spec.firstToken !== undefined && { firstToken: milliseconds(spec.firstToken) }),
    idle: milliseconds(spec.idle),
    request: milliseconds(spec.request),
  };
}

/** Of a model: only those that it overrides. */
function someTimeouts(spec: ModelSpec["timeouts"] = {}): Partial<Timeouts> {
  return Object.fromEntries(Object.entries(spec).map(([name, duration]) => [name, milliseconds(duration)]));
}

function healthOf({ health }: ProviderSpec): HealthCheck | undefined {
  if (!health.enabled) return undefined;
  return {
    path: health.path,
    interval: milliseconds(health.interval),
    timeout: milliseconds(health.timeout),
    failureThreshold: health.failureThreshold,
  };
}

function breakerOf({ circuitBreaker: breaker }: ProviderSpec): Breaker | undefined {
  if (!breaker.enabled) return undefined;
  return {
    failureThreshold: breaker.failureThreshold,
    failurePercent: breaker.failurePercent,
    minRequests: breaker.minRequests,
    recoveryTimeout: milliseconds(breaker.recoveryTimeout),
  };
}

/**
 * OpenAI's limits belong to the organisation, which the key stands for; Azure's to the resource's deployments. A group
 * is of one namespace: no tenant slows another down by naming its group.
 */
function rateLimitGroupOf(draft: ProviderDraft, spec: ProviderSpec): string {
  if (spec.rateLimitGroup !== undefined) return `group:${draft.namespace}/${spec.rateLimitGroup}`;
  const ref = spec.auth.apiKey?.secretRef;
  if (spec.type === "AzureOpenAI" || ref === undefined) return `provider:${draft.key}`;
  return `secret:${draft.namespace}/${ref.name}/${ref.key}`;
}
