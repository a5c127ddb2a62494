/** How does Azure OpenAI let callers in, by which of its three routes, and what do all its answers carry? */

import type { IncomingMessage } from "node:http";
import type { Arrival, Call, Provider, Serving, Target } from "./call.ts";
import { findModel, snapshotName } from "./catalog.ts";
import { azureTakes } from "./entra/tokens.ts";
import { AZURE_ERRORS, type Failure } from "./errors.ts";
import { azureRateLimit, sceneOf } from "./fault-answers.ts";
import { newUuid } from "./ids.ts";
import type { RateState } from "./limits.ts";
import { decoded, operationsAt } from "./operations/all.ts";
import { type Settings, servedAt } from "./options.ts";
import { pathOf } from "./provider-openai.ts";

const V1_BASE = "/openai/v1/";
const DATED_BASE = "/openai/";
const DEPLOYMENTS = "deployments/";

/** Dated data-plane versions that still answer, oldest first; 2025-04-01-preview is the last of its kind. */
// biome-ignore format: a list of versions
export const API_VERSIONS: readonly string[] = [
  "2022-12-01", "2023-05-15", "2024-02-01", "2024-02-15-preview", "2024-03-01-preview", "2024-04-01-preview",
  "2024-05-01-preview", "2024-06-01", "2024-07-01-preview", "2024-08-01-preview", "2024-09-01-preview",
  "2024-10-01-preview", "2024-10-21", "2024-12-01-preview", "2025-01-01-preview", "2025-02-01-preview",
  "2025-03-01-preview", "2025-04-01-preview",
];

/** More than this many headers that are not HTTP's or the service's own get 431. */
const MOST_CUSTOM_HEADERS = 10;
// biome-ignore format: a list of names
const STANDARD_HEADERS = new Set([
  "accept", "accept-charset", "accept-encoding", "accept-language", "api-key", "authorization", "cache-control",
  "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect", "forwarded", "host",
  "keep-alive", "origin", "pragma", "referer", "sec-fetch-mode", "te", "trailer", "transfer-encoding", "upgrade",
  "user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-ms-client-request-id",
  "x-sim-fault", "traceparent", "tracestate",
]);

export function azureProvider(settings: Settings): Provider {
  return {
    name: "azure",
    admit: (request, host) => admit(settings, request, host),
    serve: (target, name, host) => serve(settings, target, name, host),
    headers: (arrival, streaming) => headers(settings, arrival, streaming),
    newRequestId: newUuid,
    rateLimited,
    failures: {
      malformedJson: AZURE_ERRORS.malformedJson,
      malformedForm: AZURE_ERRORS.malformedForm,
      bodyTooLarge: AZURE_ERRORS.bodyTooLarge,
      wrongContentType: () => AZURE_ERRORS.wrongContentType,
      unknownUrl: () => AZURE_ERRORS.resourceNotFound,
    },
  };
}

function admit(
  settings: Settings,
  request: IncomingMessage,
  host: string,
): { target: Target; credential: string } | Failure {
  if (customHeaders(request).length > MOST_CUSTOM_HEADERS) return AZURE_ERRORS.tooManyHeaders;
  const onV1 = pathOf(request).startsWith(V1_BASE);
  const credential = authenticate(settings, request, host, onV1);
  if (typeof credential !== "string") return credential;
  const target = onV1 ? targetOnV1(settings, request) : datedTarget(request);
  return "status" in target ? target : { target, credential };
}

/** The caller's custom headers; the service passes them through and returns them. */
function customHeaders(request: IncomingMessage): readonly string[] {
  return Object.keys(request.headers).filter((name) => !STANDARD_HEADERS.has(name));
}

function authenticate(settings: Settings, request: IncomingMessage, host: string, onV1: boolean): string | Failure {
  const { "api-key": header, authorization } = request.headers;
  const key = Array.isArray(header) ? header[0] : header;
  if (key !== undefined) return takesKey(settings, key, host) ? key : AZURE_ERRORS.wrongKey;
  const token =
    authorization !== undefined && /^bearer /i.test(authorization) ? authorization.slice("bearer ".length).trim() : "";
  if (token === "") return AZURE_ERRORS.wrongToken;
  // On v1 a plain OpenAI client may send Azure's key as its Bearer key.
  if (onV1 && takesKey(settings, token, host)) return token;
  return takesToken(settings, token, host, onV1) ? token : AZURE_ERRORS.wrongToken;
}

function takesKey(settings: Settings, key: string, host: string): boolean {
  if (settings.keys === "any") return key !== "";
  return settings.keys.some((entry) => entry.key === key && servedAt(entry.hosts, host));
}

/** By default what the simulated token service has issued, for this cloud, and has not expired. */
function takesToken(settings: Settings, token: string, host: string, onV1: boolean): boolean {
  return settings.tokens ? settings.tokens.includes(token) : azureTakes(token, host, onV1);
}

function targetOnV1(settings: Settings, request: IncomingMessage): Target | Failure {
  const version = queryOf(request)?.get("api-version");
  if (version !== null && version !== undefined) {
    if (settings.apiVersionOnV1 === "refuse") return AZURE_ERRORS.versionOnV1;
    if (version !== "v1" && version !== "preview") return AZURE_ERRORS.resourceNotFound;
  }
  const found = operationsAt(pathOf(request).slice(V1_BASE.length));
  return (
    found.find(({ operation }) => operation.onAzure.v1 && operation.method === request.method) ??
    AZURE_ERRORS.resourceNotFound
  );
}

function datedTarget(request: IncomingMessage): Target | Failure {
  const version = queryOf(request)?.get("api-version") ?? "";
  const path = pathOf(request);
  if (!API_VERSIONS.includes(version) || !path.startsWith(DATED_BASE)) return AZURE_ERRORS.resourceNotFound;
  const below = path.slice(DATED_BASE.length);
  const [place, deployment, rest] = below.startsWith(DEPLOYMENTS)
    ? splitDeployment(below)
    : (["root", undefined, below] as const);
  const found = operationsAt(rest).find(
    ({ operation }) =>
      operation.onAzure.dated === place &&
      operation.method === request.method &&
      (operation.onAzure.since ?? "") <= version,
  );
  if (!found || (place === "deployment" && !deployment)) return AZURE_ERRORS.resourceNotFound;
  return { ...found, apiVersion: version, ...(deployment && { deployment }) };
}

function splitDeployment(below: string): readonly ["deployment", string, string] {
  const from = DEPLOYMENTS.length;
  const slash = below.indexOf("/", from);
  if (slash < 0) return ["deployment", "", ""];
  return ["deployment", decoded(below.slice(from, slash)), below.slice(slash + 1)];
}

function queryOf(request: IncomingMessage): URLSearchParams | undefined {
  const url = request.url ?? "";
  const at = url.indexOf("?");
  return at < 0 ? undefined : new URLSearchParams(url.slice(at + 1));
}

/** The name is a deployment's, never a model's: in the path of a dated call, in `model` elsewhere. */
function serve(settings: Settings, target: Target, name: string | undefined, host: string): Serving | Failure {
  const deployment = settings.deployments.find((entry) => entry.name === name && servedAt(entry.hosts, host));
  const model = deployment && findModel(settings.models, deployment.model);
  if (!deployment || !model) return AZURE_ERRORS.deploymentNotFound;
  if (!target.operation.kinds?.includes(model.kind)) {
    return AZURE_ERRORS.operationNotSupported(target.operation.azureNames.action, model.name);
  }
  return { model, snapshot: snapshotName(model, deployment.version), deployment, says: settings.says };
}

// biome-ignore format: name and value in pairs
const EDGE_HEADERS: readonly string[] = [
  "access-control-allow-origin", "*",
  "cache-control", "no-cache, must-revalidate",
  "strict-transport-security", "max-age=31536000; includeSubDomains; preload",
  "x-content-type-options", "nosniff",
  "azureml-model-session", "sim-20261101000000",
];

function headers(settings: Settings, arrival: Arrival, streaming: boolean): string[] {
  const { request, requestId } = arrival;
  const own = request.headers["x-ms-client-request-id"];
  const all = [...EDGE_HEADERS, "apim-request-id", requestId, "request-id", requestId, "x-request-id", requestId];
  all.push(
    "x-ms-client-request-id",
    typeof own === "string" ? own : "Not-Set",
    "x-ms-region",
    regionOf(settings, request),
  );
  all.push("x-envoy-upstream-service-time", String(Math.round(performance.now() - arrival.startedAt)));
  if (streaming) all.push("x-accel-buffering", "no");
  for (const name of customHeaders(request)) all.push(name, String(request.headers[name]));
  pushDeployment(all, arrival);
  return all;
}

/** What provisioned throughput shows of its load, in place of rate limits. */
const UTILISATION = "42.0%";

function pushDeployment(all: string[], arrival: Arrival): void {
  const { rate, fault } = arrival;
  const deployment = arrival.serving?.deployment;
  if (rate && !deployment?.provisioned) pushRate(all, rate);
  if (!deployment) return;
  if (deployment.provisioned) all.push("azure-openai-deployment-utilization", UTILISATION);
  if (fault?.name !== "spillover") {
    all.push("x-ms-deployment-name", deployment.name);
    return;
  }
  const { to = "gpt-4o-prod", spelling, error } = fault.parameters;
  all.push("x-ms-deployment-name", to);
  if (spelling === "name") all.push(`x-ms-spillover-from-${deployment.name}`, "true");
  else all.push("x-ms-spillover-from-deployment", deployment.name);
  if (error !== undefined) all.push("x-ms-spillover-error", error);
}

function regionOf(settings: Settings, request: IncomingMessage): string {
  const host = request.headers.host ?? "";
  return settings.regions.find((entry) => host.startsWith(entry.hostPrefix))?.region ?? "East US 2";
}

/** Azure's reset is a plain number of seconds. */
function pushRate(all: string[], rate: RateState): void {
  const { requests, tokens } = rate;
  const seconds = (ms: number) => String(Math.ceil(ms / 1000));
  all.push("x-ratelimit-limit-requests", String(requests.limit), "x-ratelimit-limit-tokens", String(tokens.limit));
  all.push(
    "x-ratelimit-remaining-requests",
    String(requests.remaining),
    "x-ratelimit-remaining-tokens",
    String(tokens.remaining),
  );
  all.push(
    "x-ratelimit-reset-requests",
    seconds(requests.resetMs),
    "x-ratelimit-reset-tokens",
    seconds(tokens.resetMs),
  );
}

function rateLimited(call: Call, rate: RateState): Failure {
  const retryMs = rate.refused?.retryMs ?? 0;
  const seconds = Math.max(1, Math.ceil(retryMs / 1000));
  const retry = ["retry-after", String(seconds), "retry-after-ms", String(retryMs)];
  return azureRateLimit(rate.refused?.by ?? "token", seconds, sceneOf(call), retry);
}
