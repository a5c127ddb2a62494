/** What does a provider say when it is told to fail? */

import type { Call, ProviderName } from "./call.ts";
import { annotation, filterError } from "./content-filter.ts";
import {
  AZURE_ERRORS,
  azureError,
  contextLengthExceeded,
  type Failure,
  invalidRequest,
  OPENAI_ERRORS,
  openaiError,
} from "./errors.ts";
import type { Fault, FaultName } from "./faults.ts";

/** What the texts of the answers mention. */
export interface FaultScene {
  readonly model: string;
  readonly contextTokens: number;
  /** The field that holds the prompt. */
  readonly promptField: "messages" | "input" | "prompt";
  readonly azureOperation: string;
  readonly apiVersion: string;
}

const PROMPT_FIELDS: Readonly<Record<string, FaultScene["promptField"]>> = {
  responses: "input",
  embeddings: "input",
  completions: "prompt",
  "images.generations": "prompt",
};

export function sceneOf(call: Call): FaultScene {
  return {
    model: call.modelName ?? "",
    contextTokens: call.serving?.model.contextTokens ?? 0,
    promptField: PROMPT_FIELDS[call.target.operation.name] ?? "messages",
    azureOperation: call.target.operation.azureNames.operation,
    apiVersion: call.target.apiVersion ?? "v1",
  };
}

type Answerer = (fault: Fault, scene: FaultScene) => Failure;
type AnswerFault = Extract<
  FaultName,
  | `${number}`
  | `${number}-${string}`
  | "context-length"
  | "content-filter"
  | "invalid-prompt"
  | "empty"
  | "wrong-content-type"
>;

const SERVER_ERROR = "The server had an error while processing your request. Sorry about that!";
const NO_CAPACITY =
  "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load. For improved capacity reliability, consider switching to Provisioned Throughput.";
const HTML = "text/html";
const htmlPage = (title: string) =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body><center><h1>${title}</h1></center></body>\r\n</html>\r\n`;
const html = (status: number, title: string): Failure => ({
  kind: "failure",
  status,
  body: htmlPage(title),
  contentType: HTML,
});

const SHARED: Record<
  "502" | "503-html" | "context-length" | "empty" | "wrong-content-type" | "invalid-prompt" | "400" | "409",
  Answerer
> = {
  "400": () => invalidRequest("The request was refused."),
  "409": () => openaiError(409, "The request conflicts with another one.", { code: "conflict" }),
  "502": () => html(502, "502 Bad Gateway"),
  "503-html": () => html(503, "503 Service Temporarily Unavailable"),
  "context-length": (_fault, scene) =>
    contextLengthExceeded(scene.contextTokens, scene.contextTokens + 1, scene.promptField),
  "invalid-prompt": () =>
    invalidRequest(
      "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
      null,
      "invalid_prompt",
    ),
  empty: () => ({ kind: "failure", status: 200, body: "", contentType: "application/json" }),
  "wrong-content-type": () => ({ kind: "failure", status: 200, body: htmlPage("Welcome"), contentType: HTML }),
};

const OPENAI: Record<AnswerFault, Answerer> = {
  ...SHARED,
  "401": () => OPENAI_ERRORS.wrongKey("sk-refused-by-fault"),
  "403": () =>
    openaiError(403, "Country, region, or territory not supported", {
      type: "request_forbidden",
      code: "unsupported_country_region_territory",
    }),
  "404": (_fault, scene) => OPENAI_ERRORS.unknownModel(scene.model),
  "408": () => openaiError(408, "The request timed out.", { type: "server_error", code: "request_timeout" }),
  "429": (fault, scene) => {
    const type = fault.parameters.by ?? "tokens";
    const unit = type === "requests" ? "requests per min (RPM)" : "tokens per min (TPM)";
    return openaiError(429, `Rate limit reached for ${scene.model} in organization org-simulated on ${unit}.`, {
      type,
      code: "rate_limit_exceeded",
      headers: retryHeaders(fault),
    });
  },
  "429-capacity": (fault) =>
    openaiError(429, "The service is receiving requests too quickly. Please slow down.", {
      type: "rate_limit_error",
      code: "slow_down",
      headers: retryHeaders(fault),
    }),
  "429-quota": (fault) =>
    openaiError(429, "You exceeded your current quota, please check your plan and billing details.", {
      type: "insufficient_quota",
      code: fault.parameters.code ?? "insufficient_quota",
    }),
  "500": () => openaiError(500, SERVER_ERROR, { type: "server_error" }),
  "503": (fault) =>
    openaiError(503, "The engine is currently overloaded, please try again later.", {
      type: "service_unavailable_error",
      code: "server_is_overloaded",
      headers: retryHeaders(fault),
    }),
  "content-filter": () =>
    invalidRequest("Your request was rejected as a result of our safety system.", null, "content_policy_violation"),
};

const AZURE: Record<AnswerFault, Answerer> = {
  ...SHARED,
  "400": (fault, scene) =>
    fault.parameters.form === "api-version"
      ? azureError(400, "BadRequest", "API version not supported")
      : SHARED["400"](fault, scene),
  "401": (fault) => {
    if (fault.parameters.form === "token") return AZURE_ERRORS.wrongToken;
    if (fault.parameters.form === "role")
      return azureError(401, "PermissionDenied", "Principal does not have access to API/Operation.");
    return AZURE_ERRORS.wrongKey;
  },
  "403": (fault) =>
    fault.parameters.form === "network"
      ? azureError(403, "403", "Access denied due to Virtual Network/Firewall rules.")
      : azureError(403, "AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."),
  "404": () => AZURE_ERRORS.deploymentNotFound,
  "408": () => azureError(408, "Timeout", "The operation was timeout."),
  "429": (fault, scene) => azureRateLimit(fault.parameters.by ?? "token", secondsOf(fault), scene, retryHeaders(fault)),
  "429-capacity": (fault) => ({
    kind: "failure",
    status: Number(fault.parameters.status ?? 429),
    body: noCapacityBody(),
    headers: retryHeaders(fault),
  }),
  /** Azure has no counterpart: a subscription without money shows as a refused key. */
  "429-quota": () => AZURE_ERRORS.wrongKey,
  "500": () => azureError(500, "InternalServerError", SERVER_ERROR),
  "503": (fault) =>
    azureError(
      503,
      "ServiceUnavailable",
      "The service is temporarily unable to process your request. Please try again later.",
      retryHeaders(fault),
    ),
  "content-filter": (fault) =>
    filterError(fault.parameters.form ?? "innererror", annotation(fault.parameters.category ?? "violence")),
};

const ANSWERS: Record<ProviderName, Record<AnswerFault, Answerer>> = { openai: OPENAI, azure: AZURE };

/** The failure that stands for a fault whose place is "answer". */
export function faultAnswer(provider: ProviderName, fault: Fault, scene: FaultScene): Failure {
  return ANSWERS[provider][fault.name as AnswerFault](fault, scene);
}

export function azureRateLimit(by: string, seconds: number, scene: FaultScene, headers: readonly string[]): Failure {
  const kind = by.startsWith("request") || by === "call" ? "call" : "token";
  const unit = seconds === 1 ? "second" : "seconds";
  return azureError(
    429,
    "429",
    `Requests to the ${scene.azureOperation} Operation under Azure OpenAI API version ${scene.apiVersion} have exceeded ${kind} rate limit of your current OpenAI S0 pricing tier. Please retry after ${seconds} ${unit}. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase the default rate limit.`,
    headers,
  );
}

/** The error that a provider writes inside an answer that began with 200. */
export function errorInside(provider: ProviderName, fault: Fault): { code: string; message: string; body: object } {
  if (provider === "azure") {
    const code = fault.parameters.code ?? "no_capacity";
    return { code, message: NO_CAPACITY, body: noCapacityBody(code) };
  }
  const error = { message: SERVER_ERROR, type: "server_error", param: null, code: null };
  return { code: "server_error", message: SERVER_ERROR, body: { error } };
}

function noCapacityBody(code = "no_capacity"): object {
  return { error: { message: NO_CAPACITY, type: "too_many_requests", param: null, code } };
}

const DEFAULT_RETRY_SECONDS = 60;

function secondsOf(fault: Fault): number {
  const { "retry-after": seconds, "retry-after-ms": ms } = fault.parameters;
  if (seconds !== undefined && /^\d+$/.test(seconds)) return Number(seconds);
  return ms === undefined ? DEFAULT_RETRY_SECONDS : Math.ceil(Number(ms) / 1000);
}

function retryHeaders(fault: Fault): string[] {
  return ["retry-after", "retry-after-ms"].flatMap((name) => {
    const value = fault.parameters[name];
    return value === undefined ? [] : [name, value];
  });
}
