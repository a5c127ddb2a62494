/** How does OpenAI let callers in, and what do all its answers carry? */

import type { IncomingMessage } from "node:http";
import type { Arrival, Call, Provider, Serving, Target } from "./call.ts";
import { findModel, snapshotName } from "./catalog.ts";
import { type Failure, OPENAI_ERRORS, openaiError } from "./errors.ts";
import { newHexId } from "./ids.ts";
import type { RateState } from "./limits.ts";
import { operationsAt } from "./operations/all.ts";
import type { Settings } from "./options.ts";

const BASE = "/v1/";

export function openaiProvider(settings: Settings): Provider {
  return {
    name: "openai",
    admit: (request) => admit(settings, request),
    serve: (target, name) => serve(settings, target, name),
    headers,
    newRequestId: () => newHexId("req_"),
    rateLimited,
    failures: {
      malformedJson: OPENAI_ERRORS.malformedJson,
      malformedForm: OPENAI_ERRORS.malformedForm,
      bodyTooLarge: OPENAI_ERRORS.bodyTooLarge,
      wrongContentType: OPENAI_ERRORS.wrongContentType,
      unknownUrl: (request) => OPENAI_ERRORS.unknownUrl(request.method ?? "", pathOf(request)),
    },
  };
}

function admit(settings: Settings, request: IncomingMessage): { target: Target; credential: string } | Failure {
  const credential = bearer(request);
  if (credential === undefined) return OPENAI_ERRORS.missingKey;
  const accepted = settings.keys === "any" || settings.keys.some((entry) => entry.key === credential);
  if (!accepted) return OPENAI_ERRORS.wrongKey(credential);
  const method = request.method ?? "";
  const path = pathOf(request);
  const found = path.startsWith(BASE)
    ? operationsAt(path.slice(BASE.length)).filter(({ operation }) => operation.onOpenai)
    : [];
  if (found.length === 0) return OPENAI_ERRORS.unknownUrl(method, path);
  const target = found.find(({ operation }) => operation.method === method);
  return target ? { target, credential } : OPENAI_ERRORS.wrongMethod(method, path);
}

function bearer(request: IncomingMessage): string | undefined {
  const value = request.headers.authorization;
  if (value === undefined || !/^bearer /i.test(value)) return undefined;
  return value.slice("bearer ".length).trim() || undefined;
}

export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

function serve(settings: Settings, target: Target, name: string | undefined): Serving | Failure {
  if (name === undefined) return OPENAI_ERRORS.missingModel;
  const model = findModel(settings.models, name);
  if (!model) return OPENAI_ERRORS.unknownModel(name);
  const kinds = target.operation.kinds ?? [];
  if (!kinds.includes(model.kind)) return wrongKind(target.operation.name, name);
  return { model, snapshot: snapshotName(model), says: settings.says };
}

function wrongKind(operation: string, model: string): Failure {
  if (operation === "chat.completions") return OPENAI_ERRORS.notAChatModel;
  return operation === "moderations" ? OPENAI_ERRORS.notAModerationModel(model) : OPENAI_ERRORS.wrongOperation(model);
}

// biome-ignore format: name and value in pairs
const EDGE_HEADERS: readonly string[] = [
  "access-control-expose-headers", "X-Request-ID",
  "openai-organization", "org-simulated",
  "openai-project", "proj_simulated",
  "openai-version", "2020-10-01",
  "cf-cache-status", "DYNAMIC",
  "set-cookie", "__cf_bm=simulated; path=/; HttpOnly; Secure",
  "strict-transport-security", "max-age=31536000; includeSubDomains; preload",
  "x-content-type-options", "nosniff",
  "server", "cloudflare",
  "cf-ray", "9b9390aa0d78a7b0-SIM",
  "alt-svc", 'h3=":443"; ma=86400',
];

function headers(arrival: Arrival): string[] {
  const took = String(Math.round(performance.now() - arrival.startedAt));
  const all = [
    ...EDGE_HEADERS,
    "x-request-id",
    arrival.requestId,
    "openai-processing-ms",
    took,
    "x-envoy-upstream-service-time",
    took,
  ];
  if (arrival.rate) pushRate(all, arrival.rate);
  return all;
}

function pushRate(all: string[], rate: RateState): void {
  const { requests, tokens } = rate;
  all.push("x-ratelimit-limit-requests", String(requests.limit), "x-ratelimit-limit-tokens", String(tokens.limit));
  all.push(
    "x-ratelimit-remaining-requests",
    String(requests.remaining),
    "x-ratelimit-remaining-tokens",
    String(tokens.remaining),
  );
  all.push(
    "x-ratelimit-reset-requests",
    duration(requests.resetMs),
    "x-ratelimit-reset-tokens",
    duration(tokens.resetMs),
  );
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** `0s`, `120ms`, `1.5s`, `6m0s`: how OpenAI writes a time. */
export function duration(ms: number): string {
  if (ms <= 0) return "0s";
  if (ms < SECOND_MS) return `${Math.ceil(ms)}ms`;
  if (ms < MINUTE_MS) return `${Number((ms / SECOND_MS).toFixed(3))}s`;
  const seconds = Math.round(ms / SECOND_MS);
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function rateLimited(call: Call, rate: RateState): Failure {
  const byRequests = rate.refused?.by === "requests";
  const limit = byRequests ? rate.requests.limit : rate.tokens.limit;
  const unit = byRequests ? "requests per min (RPM)" : "tokens per min (TPM)";
  const wait = duration(rate.refused?.retryMs ?? 0);
  const message = `Rate limit reached for ${call.modelName} in organization org-simulated on ${unit}: Limit ${limit}. Please try again in ${wait}. Visit https://platform.openai.com/account/rate-limits to learn more.`;
  const seconds = Math.max(1, Math.ceil((rate.refused?.retryMs ?? 0) / SECOND_MS));
  return openaiError(429, message, {
    type: byRequests ? "requests" : "tokens",
    code: "rate_limit_exceeded",
    headers: ["retry-after", String(seconds), "retry-after-ms", String(rate.refused?.retryMs ?? 0)],
  });
}
