/**
 * What is looked at in a session's frames?
 *
 * As little as possible: audio flows through by the thousand. From the caller only a frame that can name a model is
 * scanned; from the provider the first bytes tell the type, and three types are read further.
 */
import type { ErrorCode, GatewayError } from "../errors.ts";
import { fieldsAt, JsonProblem, textAt, withEdits, withoutMark } from "./json-places.ts";
import { ForeignModel, modelsOf, type Naming, translations } from "./session-models.ts";

const SESSION_KEY = '"session"';
const BACKSLASH = 0x5c;
const UPDATES = new Set(["session.update", "transcription_session.update"]);

/** The type as providers write it: at the front, or behind the event's id. */
const FRONT = /^\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]{0,100}"\s*,\s*)?"type"\s*:\s*"([^"\\]{1,100})"/;
const FRONT_BYTES = 256;

/** Why this JSON must not go to the provider, whatever models it names. */
export type Judge = (json: Buffer) => GatewayError | undefined;

/** A frame that must not go to the provider. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param: string | null;
  /** The caller's id of the event. */
  readonly eventID: string | null;
}

/** The caller's frame as the provider gets it. */
export function toProvider(frame: Buffer, naming: () => Naming, judge: Judge | undefined): Buffer | Refusal {
  const refused = judge?.(withoutMark(frame));
  if (refused) return { code: refused.code, message: refused.message, param: refused.param, eventID: eventIDOf(frame) };
  // Only an escape could hide the key from this search.
  if (!frame.includes(SESSION_KEY) && !frame.includes(BACKSLASH)) return frame;
  const json = withoutMark(frame);
  let eventID: string | null = null;
  try {
    const fields = fieldsAt(json, ["type", "session", "event_id"]);
    eventID = textAt(json, fields.get("event_id")) ?? null;
    const session = fields.get("session");
    if (!session || !UPDATES.has(textAt(json, fields.get("type")) ?? "")) return frame;
    const edits = translations(modelsOf(json, session), naming());
    return edits.length === 0 ? frame : withEdits(json, edits);
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof ForeignModel) return { code: "model_not_found", message, param: "session.model", eventID };
    if (error instanceof JsonProblem) return { code: error.code, message, param: error.field ?? null, eventID };
    throw error;
  }
}

function eventIDOf(frame: Buffer): string | null {
  const json = withoutMark(frame);
  try {
    return textAt(json, fieldsAt(json, ["event_id"]).get("event_id")) ?? null;
  } catch {
    return null;
  }
}

/** The type of a provider's event; undefined when it has none. */
export function typeOf(frame: Buffer): string | undefined {
  const front = FRONT.exec(frame.toString("latin1", 0, Math.min(frame.length, FRONT_BYTES)));
  if (front) return front[1];
  try {
    return textAt(frame, fieldsAt(frame, ["type"]).get("type"));
  } catch {
    return undefined;
  }
}

/** An error as the providers send it in a session (OpenAI's specification, RealtimeServerEventError). */
export function errorEvent(refusal: Refusal, id: string): string {
  const { code, message, param, eventID } = refusal;
  const error = { type: "invalid_request_error", code, message, param, event_id: eventID };
  return JSON.stringify({ type: "error", event_id: id, error });
}
