/** What does the head of a provider's answer say about the rest? */
import type { ResponseHeaders } from "./settled.ts";

/** How the body is read; `waiting`: there is no head yet, or one that no answer can follow. */
export type Mode = "waiting" | "plain" | "events" | "error";

/** `bytes`: it may be something else than JSON or events. */
export function modeOf(status: number, headers: ResponseHeaders, bytes: boolean): Mode {
  if (status >= 400) return "error";
  if (status >= 300) return "waiting";
  const type = contentTypeOf(headers);
  if (type.startsWith("text/event-stream")) return "events";
  if (isJson(headers)) return "plain";
  // A page of HTML is neither sound nor a transcript: something else than the provider's API answered.
  return bytes && !type.startsWith("text/html") ? "plain" : "waiting";
}

/** In lower case, as the names of types may be in any; empty when there is none. */
export function contentTypeOf(headers: ResponseHeaders): string {
  return String(headers["content-type"] ?? "").toLowerCase();
}

export function isJson(headers: ResponseHeaders): boolean {
  return contentTypeOf(headers).includes("json");
}

/** OpenAI's `x-request-id`; Azure's `apim-request-id`, which its support asks for. */
export function requestIDOf(headers: ResponseHeaders): string | undefined {
  const id = headers["apim-request-id"] ?? headers["x-request-id"];
  return typeof id === "string" ? id : undefined;
}
