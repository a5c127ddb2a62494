/**
 * What does an error of a provider mean: for the next attempt, for the operator, and for the caller?
 *
 * One table for both providers and for every way on which an answer comes back. The first row that fits decides. Bodies
 * and statuses as seen on the wire are in test/golden/wire-errors.json, each with the row that it must meet.
 */
import type { ErrorCode } from "../errors.ts";
import type { AttemptOutcome } from "../exchange.ts";

export type FailureOutcome = Extract<AttemptOutcome, "rate_limited" | "server_error" | "config_error" | "client_error">;

export interface FailureRule {
  /** For the documentation: what happened. */
  readonly what: string;
  /** The answer's status, or all from the first to the last. */
  readonly status: number | readonly [from: number, to: number];
  /** Any of these codes. */
  readonly codes?: readonly string[];
  /** The message begins so, where the code does not say it. */
  readonly saying?: readonly string[];
  readonly param?: string;
  /** `false`: the body has no error in JSON, so it was not the API that answered. */
  readonly enveloped?: false;
  /** Only for calls that name a thing at the provider (a file, a response). */
  readonly resource?: true;

  readonly outcome: FailureOutcome;
  /** What the caller gets instead of the provider's own, where that would mislead: an error of Tandem's… */
  readonly instead?: ErrorCode;
  /** …or another status, code or param in the provider's. */
  readonly shown?: { readonly status?: number; readonly code?: string | null; readonly param?: string };
  /** For an error that comes without. */
  readonly type: string;
  /**
   * `x-should-retry`, which the official SDKs obey: `never`; `later`: after the time in `retry-after-ms`, when that is
   * short; `once`: left to the client when Tandem has tried once and the provider names no longer time,
   * else never, so that attempts do not multiply.
   */
  readonly retry: "never" | "later" | "once";
  /** For the operator, who alone can mend it. */
  readonly fix?: string;
}

const REQUEST = "invalid_request_error";

export const FAILURE_RULES: readonly FailureRule[] = [
  {
    what: "the account is out of money",
    status: 429,
    codes: ["insufficient_quota", "credit_balance_exhausted"],
    outcome: "rate_limited",
    type: "insufficient_quota",
    retry: "never",
    fix: "the provider's account has no money left: pay, or raise its limit",
  },
  {
    // Seen as 400 as well (protocol of Azure's v1): the caller's request is as good as before.
    what: "no capacity",
    status: [400, 599],
    codes: ["no_capacity", "NoCapacity"],
    outcome: "rate_limited",
    shown: { status: 429 },
    type: "rate_limit_error",
    retry: "later",
  },
  {
    what: "a rate limit",
    status: 429,
    codes: ["429"],
    outcome: "rate_limited",
    shown: { code: "rate_limit_exceeded" },
    type: "rate_limit_error",
    retry: "later",
  },
  { what: "a rate limit", status: 429, outcome: "rate_limited", type: "rate_limit_error", retry: "later" },
  {
    what: "too long for the model's context",
    status: 400,
    codes: ["context_length_exceeded"],
    outcome: "client_error",
    type: REQUEST,
    retry: "never",
  },
  {
    what: "refused by a content filter",
    status: 400,
    codes: ["content_filter", "content_policy_violation", "moderation_blocked", "invalid_prompt", "bio_policy"],
    outcome: "client_error",
    type: REQUEST,
    retry: "never",
  },
  {
    what: "the deployment's model does not have the operation",
    status: 400,
    codes: ["OperationNotSupported"],
    outcome: "config_error",
    shown: { param: "model" },
    type: REQUEST,
    retry: "never",
    fix: "the model behind the deployment does not have this operation, or is retired: check spec.models[].deployment",
  },
  {
    what: "the api-version is wrong",
    status: 400,
    saying: ["API version not supported", "api-version query parameter is not allowed"],
    outcome: "config_error",
    instead: "upstream_misconfigured",
    type: REQUEST,
    retry: "never",
    fix: "the resource refuses the api-version: check spec.apiVersion and spec.compatibility.apiVersionOnV1",
  },
  {
    what: "the gateway's key is refused",
    status: 401,
    outcome: "config_error",
    instead: "upstream_auth_failed",
    type: REQUEST,
    retry: "never",
    fix: "the provider refuses the key: check spec.auth and its Secret",
  },
  {
    what: "the gateway may not do it",
    status: 403,
    outcome: "config_error",
    instead: "upstream_auth_failed",
    type: REQUEST,
    retry: "never",
    fix: "the provider forbids the call: check the key's rights and the network rules of the resource",
  },
  {
    what: "the model or deployment does not exist",
    status: 404,
    codes: ["DeploymentNotFound", "model_not_found"],
    outcome: "config_error",
    shown: { code: "model_not_found", param: "model" },
    type: REQUEST,
    retry: "never",
    fix: "the provider does not know the model or deployment: check spec.models[].deployment and spec.apiVersion",
  },
  {
    what: "what an id names is not there",
    status: 404,
    resource: true,
    codes: ["404"],
    outcome: "client_error",
    shown: { code: null },
    type: REQUEST,
    retry: "never",
  },
  {
    what: "what an id names is not there",
    status: 404,
    resource: true,
    outcome: "client_error",
    type: REQUEST,
    retry: "never",
  },
  {
    what: "the model does not have the operation",
    status: 404,
    param: "model",
    outcome: "config_error",
    type: REQUEST,
    retry: "never",
    fix: "the model does not have this operation: check spec.models and the routes that use it",
  },
  {
    what: "the path or api-version does not exist",
    status: 404,
    codes: ["404"],
    outcome: "config_error",
    instead: "upstream_misconfigured",
    type: REQUEST,
    retry: "never",
    fix: "the provider does not know the path: check spec.endpoint and spec.apiVersion",
  },
  {
    what: "the path does not exist",
    status: 404,
    saying: ["Invalid URL"],
    outcome: "config_error",
    instead: "upstream_misconfigured",
    type: REQUEST,
    retry: "never",
    fix: "the provider does not know the path: check spec.endpoint",
  },
  {
    what: "something else than the API answered",
    status: 404,
    enveloped: false,
    outcome: "config_error",
    instead: "upstream_misconfigured",
    type: REQUEST,
    retry: "never",
    fix: "something else than the provider's API answers: check spec.endpoint",
  },
  {
    what: "a thing that the body names is not there",
    status: 404,
    outcome: "client_error",
    type: REQUEST,
    retry: "never",
  },
  { what: "the provider took too long", status: 408, outcome: "server_error", type: "timeout", retry: "once" },
  {
    what: "a conflict with another request",
    status: 409,
    outcome: "client_error",
    type: "conflict_error",
    retry: "once",
  },
  {
    // The caller's headers go by an allow-list: what is too much was added by Tandem or on the way.
    what: "too many or too large headers",
    status: 431,
    outcome: "config_error",
    instead: "upstream_misconfigured",
    type: REQUEST,
    retry: "never",
    fix: "the provider gets more headers than it takes: check what adds headers between the gateway and the provider",
  },
  { what: "the request is wrong", status: [400, 499], outcome: "client_error", type: REQUEST, retry: "never" },
  {
    what: "the provider is overloaded or away",
    status: 503,
    outcome: "server_error",
    type: "service_unavailable_error",
    retry: "once",
  },
  { what: "the provider failed", status: [500, 599], outcome: "server_error", type: "server_error", retry: "once" },
];

/** What of an answer the rows look at. */
export interface FailureFacts {
  readonly status: number;
  readonly code: string | null;
  readonly message: string;
  readonly param: string | null;
  readonly enveloped: boolean;
  readonly resource: boolean;
}

/** The row for an answer of 400 to 599. */
export function failureRuleFor(facts: FailureFacts): FailureRule {
  return FAILURE_RULES.find((rule) => fits(rule, facts)) ?? (FAILURE_RULES.at(-1) as FailureRule);
}

function fits(rule: FailureRule, facts: FailureFacts): boolean {
  const [from, to] = typeof rule.status === "number" ? [rule.status, rule.status] : rule.status;
  if (facts.status < from || facts.status > to) return false;
  if (rule.resource && !facts.resource) return false;
  if (rule.enveloped === false && facts.enveloped) return false;
  if (rule.param !== undefined && rule.param !== facts.param) return false;
  if (rule.codes && !rule.codes.includes(facts.code ?? "")) return false;
  return !rule.saying || rule.saying.some((beginning) => facts.message.startsWith(beginning));
}
