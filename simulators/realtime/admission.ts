/**
 * Who may speak with a simulated provider's realtime service, in which form and with which model?
 *
 * OpenAI: a Bearer key, an ephemeral one too, or the subprotocol `openai-insecure-api-key.KEY`. Azure: the header or
 * query parameter `api-key`, on v1 the key as Bearer, an Entra token, an ephemeral key as Bearer.
 */

import type { IncomingMessage } from "node:http";
import type { Serving } from "../call.ts";
import { findModel, snapshotName } from "../catalog.ts";
import { AZURE_ERRORS, azureError, type Failure, OPENAI_ERRORS, openaiError } from "../errors.ts";
import { servedAt } from "../options.ts";
import { API_VERSIONS } from "../provider-azure.ts";
import type { RealtimeSite } from "./site.ts";

/** Where the service's paths begin. */
const BASES = {
  openai: [/^\/v1\/(realtime(?:\/.*)?)$/],
  azure: [/^\/openai\/v1\/(realtime(?:\/.*)?)$/, /^\/openai\/(realtime|realtimeapi\/sessions)$/],
} as const;
/** The first dated version with realtime; only previews have it. */
const SINCE = "2024-10-01-preview";
const KEY_PROTOCOL = "openai-insecure-api-key.";
const PREVIEW_PROTOCOL = "openai-beta.realtime-v1";

export interface Visitor {
  /** Below the base: `realtime`, `realtime/calls`… */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly form: "ga" | "preview";
  readonly apiVersion: string | undefined;
  readonly credential: string;
  /** The value of the ephemeral key, when it is one. */
  readonly ephemeral: string | undefined;
}

/** Whether a path is this service's. */
export function isRealtime(url: string): boolean {
  return /^\/(?:v1|openai|openai\/v1)\/realtime(?:api)?(?:[/?]|$)/.test(url);
}

export function admitVisitor(site: RealtimeSite, request: IncomingMessage): Visitor | Failure {
  const { name } = site.provider;
  const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://simulator");
  const credential = name === "openai" ? openaiKey(site, request) : azureKey(site, request, query);
  if (typeof credential !== "string") return credential;
  const path = BASES[name].flatMap((base) => base.exec(pathname)?.[1] ?? [])[0];
  const isDated = name === "azure" && !pathname.startsWith("/openai/v1/");
  const apiVersion = query.get("api-version") ?? undefined;
  if (path === undefined) return unknownPath(name, request.method ?? "", pathname);
  if (isDated && !isRealtimeVersion(apiVersion)) return AZURE_ERRORS.resourceNotFound;
  if (name === "azure" && !isDated && apiVersion !== undefined) return AZURE_ERRORS.versionOnV1;
  const isPreview =
    isDated ||
    (name === "openai" &&
      (String(request.headers["openai-beta"]).includes("realtime=v1") ||
        protocolsOf(request).includes(PREVIEW_PROTOCOL)));
  return {
    path,
    query,
    form: isPreview ? "preview" : "ga",
    apiVersion: isDated ? apiVersion : undefined,
    credential,
    ephemeral: site.memory.keys.has(credential) ? credential : undefined,
  };
}

function unknownPath(name: "openai" | "azure", method: string, path: string): Failure {
  return name === "openai" ? OPENAI_ERRORS.unknownUrl(method, path) : AZURE_ERRORS.resourceNotFound;
}

function isRealtimeVersion(version: string | undefined): boolean {
  return version !== undefined && API_VERSIONS.includes(version) && version >= SINCE && version.endsWith("-preview");
}

export function protocolsOf({ headers }: IncomingMessage): readonly string[] {
  return (headers["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim());
}

function openaiKey(site: RealtimeSite, request: IncomingMessage): string | Failure {
  const { authorization } = request.headers;
  const protocol = protocolsOf(request).find((one) => one.startsWith(KEY_PROTOCOL));
  const key = /^bearer (.+)$/i.exec(authorization ?? "")?.[1] ?? protocol?.slice(KEY_PROTOCOL.length);
  if (key === undefined || key === "") return OPENAI_ERRORS.missingKey;
  const { keys } = site.settings;
  if (keys === "any" || keys.some((entry) => entry.key === key)) return key;
  return isLive(site, key) ? key : OPENAI_ERRORS.wrongKey(key);
}

function azureKey(site: RealtimeSite, { headers }: IncomingMessage, query: URLSearchParams): string | Failure {
  const { keys, tokens } = site.settings;
  const host = headers.host ?? "";
  const takes = (key: string) =>
    keys === "any" ? key !== "" : keys.some((entry) => entry.key === key && servedAt(entry.hosts, host));
  const key = headers["api-key"] ?? query.get("api-key") ?? undefined;
  if (key !== undefined) return takes(String(key)) ? String(key) : AZURE_ERRORS.wrongKey;
  const token = /^bearer (.+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
  const isToken = tokens ? tokens.includes(token) : /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
  return takes(token) || isToken || isLive(site, token) ? token : AZURE_ERRORS.wrongToken;
}

function isLive({ memory }: RealtimeSite, key: string): boolean {
  return (memory.keys.get(key)?.expiresAt ?? 0) * 1000 > Date.now();
}

/** The model that a socket or session asks for; on Azure a deployment's. */
export function servingOf(site: RealtimeSite, name: string | undefined, host: string): Serving | Failure {
  const { models, deployments } = site.settings;
  if (site.provider.name === "openai") {
    const model = name === undefined ? undefined : findModel(models, name);
    if (!model) return name === undefined ? OPENAI_ERRORS.missingModel : OPENAI_ERRORS.unknownModel(name);
    if (model.kind === "realtime") return { model, snapshot: snapshotName(model) };
    return openaiError(400, `Model "${name}" is not supported in realtime mode.`, { code: "invalid_model" });
  }
  const deployment = deployments.find((entry) => entry.name === name && servedAt(entry.hosts, host));
  const model = deployment && findModel(models, deployment.model);
  if (!deployment || !model) return AZURE_ERRORS.deploymentNotFound;
  if (model.kind === "realtime") return { model, snapshot: snapshotName(model, deployment.version), deployment };
  return azureError(400, "OperationNotSupported", `The realtime operation does not work with ${model.name}.`);
}
