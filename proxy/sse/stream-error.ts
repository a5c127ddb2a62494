/**
 * How does an error look inside a stream, the provider's and Tandem's own?
 */
import { withoutSecret } from "../../routing/secrets.ts";
import { parsed } from "../body/json-values.ts";
import { errorBody } from "../errors.ts";

export interface StreamFailure {
  readonly code: string | null;
  /** The request's own fault: no other provider mends it, and this one is not to blame. */
  readonly callersFault: boolean;
  /** What it says, in the shape of a plain answer's error. */
  readonly body: string;
}

/** Of the codes that a response can fail with (ResponseErrorCode), and of what Azure's filters say. */
const CALLERS_FAULT = new Set([
  "bio_policy",
  "content_filter",
  "content_policy_violation",
  "context_length_exceeded",
  "empty_image_file",
  "failed_to_download_image",
  "image_content_policy_violation",
  "image_file_not_found",
  "image_file_too_large",
  "image_parse_error",
  "image_too_large",
  "image_too_small",
  "invalid_base64_image",
  "invalid_image",
  "invalid_image_format",
  "invalid_image_mode",
  "invalid_image_url",
  "invalid_prompt",
  "moderation_blocked",
  "unsupported_image_media_type",
]);

type Json = Record<string, unknown>;

/** `json`: the whole data of an event that says it is an error. The code stands at its top, in `error` or in `response.error`. */
export function failureOf(json: string): StreamFailure {
  const top = parsed(json);
  if (top === undefined) return { code: null, callersFault: false, body: "" };
  const event = objectOf(top);
  const error = objectOf(objectOf(event.response).error ?? event.error ?? withoutPlace(event));
  const code = typeof error.code === "string" && error.code !== "" ? error.code : null;
  return { code, callersFault: code !== null && CALLERS_FAULT.has(code), body: JSON.stringify({ error }) };
}

/** An error event's JSON without `secret`, however its letters are written; undefined: it is not in it. */
export function eventWithoutSecret(json: string, secret: string): Buffer | undefined {
  const value = parsed(json);
  const text = value === undefined ? json : JSON.stringify(value);
  return text.includes(secret) ? Buffer.from(withoutSecret(text, secret)) : undefined;
}

/** Of an event that is the error itself: its type and number say only where it stands. */
function withoutPlace({ type: _type, sequence_number: _number, ...error }: Json): Json {
  return error;
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

const INTERRUPTED = "stream_interrupted";
const MESSAGE = "The provider's answer broke off. What came before this event is not the whole answer.";

/** Chat's error event: official clients raise it. */
export function chatInterruption(): string {
  return `data: ${errorBody(MESSAGE, "server_error", null, INTERRUPTED)}\n\n`;
}

/** Of Responses, `number` its place in the sequence. */
export function responseInterruption(number: number): string {
  const data = { type: "error", code: INTERRUPTED, message: MESSAGE, param: null, sequence_number: number };
  return `event: error\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Of images, transcripts and speech. */
export function typedInterruption(): string {
  const error = { message: MESSAGE, type: "server_error", param: null, code: INTERRUPTED };
  return `event: error\ndata: ${JSON.stringify({ type: "error", error })}\n\n`;
}
