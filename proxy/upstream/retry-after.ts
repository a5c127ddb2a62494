/** How long does a provider's answer ask to be left alone? */
import type { IncomingHttpHeaders } from "node:http";

/**
 * Milliseconds, or undefined when nothing in the answer says.
 * `message` is the error's message, `now` Unix milliseconds (for HTTP dates).
 */
export function retryAfter(
  _headers: IncomingHttpHeaders,
  _message: string | undefined,
  _now: number,
): number | undefined {
  return undefined;
}
