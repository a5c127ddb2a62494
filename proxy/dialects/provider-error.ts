/**
 * What did the provider's error say, and how does the caller see it?
 *
 * OpenAI sends `{"error":{message,type,param,code}}`; Azure often only `code` and `message`, sometimes no envelope
 * (`{"statusCode":401,"message":…}`), and whatever stands before either may answer HTML or nothing. The caller always
 * gets OpenAI's four fields; whatever else the provider put into the envelope (Azure's `innererror`, filter results)
 * stays as it is. What an error means stands in failure-rules.ts.
 */

import { withoutSecret } from "../../routing/secrets.ts";
import { parsed } from "../body/json-values.ts";
import { errorText, isText } from "./error-text.ts";
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
  /** The answer's `content-encoding`. */
  readonly coding?: string | string[] | undefined;
}

export function readProviderError(
  status: number,
  body: Buffer,
  { key, resource = false, coding }: Options = {},
): ProviderError {
  const text = withoutSecret(errorText(body, coding), key);
  const json = parsed(text);
  const envelope = envelopeOf(json);
  const message = withoutSecret(
    textOf(envelope?.message) ?? plainMessage(status, text, { json: envelope ?? json, key }),
    key,
  );
  const shownText = (value: unknown) => {
    const said = textOf(value);
    return said === undefined ? undefined : withoutSecret(said, key);
  };
  const code = shownText(envelope?.code) ?? null;
  const param = textOf(envelope?.param) ?? null;
  const rule = failureRuleFor({ status, code, message, param, enveloped: envelope !== undefined, resource });
  const type = shownText(envelope?.type) ?? rule.type;
  const shownCode = rule.shown?.code === undefined ? code : rule.shown.code;
  const shown = { ...envelope, message, type, param: param ?? rule.shown?.param ?? null, code: shownCode };
  // What the provider said stays to be seen where OpenAI's word stands in its place.
  const error = shownCode === code || code === String(status) ? shown : { ...shown, provider_code: code };
  // At the end, since in the provider's JSON it may be written with escapes.
  const shownBody = withoutSecret(JSON.stringify({ error }), key);
  const answer = { status: rule.shown?.status ?? status, code: shownCode, body: shownBody };
  return { code, type, message, rule, shown: answer };
}

function envelopeOf(json: unknown): Json | undefined {
  if (!isObject(json)) return undefined;
  if (isObject(json.error)) return json.error;
  if (typeof json.error === "string") return { message: json.error };
  // Azure's envelope-less 401: the status is in the status line already.
  if (typeof json.message !== "string") return undefined;
  const { statusCode: _statusCode, ...rest } = json;
  return rest;
}

/** Of an error that has no message. `json`: what it has. */
function plainMessage(status: number, text: string, { json, key }: { json: unknown; key: string | undefined }): string {
  const answered = `The provider answered ${status}`;
  if (text.trim() === "") return `${answered} without a body.`;
  if (!isText(text)) return `${answered} with a body that is no text.`;
  if (json !== undefined)
    return `${answered} without a message: ${excerptOf(withoutSecret(JSON.stringify(json), key))}`;
  const words = text.replace(/<(script|style)[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]*>/g, " ");
  return `${answered} without a JSON body: ${excerptOf(words)}`;
}

function excerptOf(text: string): string {
  const plain = text.replace(/\s+/g, " ").trim();
  return plain.length > EXCERPT_CHARACTERS ? `${plain.slice(0, EXCERPT_CHARACTERS)}…` : plain;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" ? String(value) : undefined;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
