/**
 * What did the provider's error say, and how does the caller see it?
 *
 * OpenAI sends `{"error":{message,type,param,code}}`; Azure often only `code` and `message`, sometimes no envelope
 * (`{"statusCode":401,"message":…}`), and whatever stands before either may answer HTML or nothing. The caller always
 * gets OpenAI's four fields; whatever else the provider put into the envelope (Azure's `innererror`, filter results)
 * stays as it is. What an error means stands in failure-rules.ts.
 */

import { type FailureRule, failureRuleFor } from "./failure-rules.ts";

export interface ProviderError {
  /** The provider's own code, for logs. */
  readonly code: string | null;
  readonly type: string;
  readonly message: string;
  /** What it means. */
  readonly rule: FailureRule;
  /** What the caller gets. */
  readonly shown: { readonly status: number; readonly code: string | null; readonly body: string };
}

/** Longest message taken from a body that is not JSON. */
const EXCERPT_CHARACTERS = 200;

type Json = Record<string, unknown>;

interface Options {
  /** The gateway's own at this provider, which an error that repeats the request must not carry to the caller. */
  readonly key?: string | undefined;
  /** The call named a thing at the provider (a file, a response). */
  readonly resource?: boolean;
}

export function readProviderError(
  status: number,
  body: Buffer,
  { key, resource = false }: Options = {},
): ProviderError {
  const text = withoutKey(body.toString("utf8"), key);
  const envelope = envelopeOf(text);
  const message = textOf(envelope?.message) ?? plainMessage(status, envelope ? "" : text);
  const code = textOf(envelope?.code) ?? null;
  const param = textOf(envelope?.param) ?? null;
  const rule = failureRuleFor({ status, code, message, param, enveloped: envelope !== undefined, resource });
  const type = textOf(envelope?.type) ?? rule.type;
  const shownCode = rule.shown?.code === undefined ? code : rule.shown.code;
  const shown = { ...envelope, message, type, param: param ?? rule.shown?.param ?? null, code: shownCode };
  // What the provider said stays to be seen where OpenAI's word stands in its place.
  const error = shownCode === code || code === String(status) ? shown : { ...shown, provider_code: code };
  const answer = { status: rule.shown?.status ?? status, code: shownCode, body: JSON.stringify({ error }) };
  return { code, type, message, rule, shown: answer };
}

function withoutKey(text: string, key: string | undefined): string {
  return key === undefined || key === "" ? text : text.replaceAll(key, "[redacted]");
}

function envelopeOf(body: string): Json | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  if (isObject(parsed.error)) return parsed.error;
  if (typeof parsed.error === "string") return { message: parsed.error };
  // Azure's envelope-less 401: the status is in the status line already.
  if (typeof parsed.message !== "string") return undefined;
  const { statusCode: _statusCode, ...rest } = parsed;
  return rest;
}

function plainMessage(status: number, body: string): string {
  const text = body
    .replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  const excerpt = text.length > EXCERPT_CHARACTERS ? `${text.slice(0, EXCERPT_CHARACTERS)}…` : text;
  return excerpt === ""
    ? `The provider answered ${status} without a body.`
    : `The provider answered ${status} without a JSON body: ${excerpt}`;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" ? String(value) : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
