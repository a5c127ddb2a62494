/** What does a transport error of undici or Node mean for the attempt loop? */
import { ConnectError } from "./connect-error.ts";

export interface TransportFailure {
  readonly outcome: "connect_error" | "reset" | "malformed";
  /** One clause for logs: never content. */
  readonly detail: string;
}

/** `sent`: whether the request had begun to go over an open connection. */
export function transportFailure(error: Error, sent: boolean): TransportFailure {
  if (error instanceof ConnectError) return { outcome: "connect_error", detail: error.message };
  const code = codeOf(error);
  // Not the network's doing: undici would not send this request anywhere.
  if (code.startsWith("UND_ERR_INVALID")) return { outcome: "malformed", detail: code };
  if (!sent) return { outcome: "connect_error", detail: code || error.message };
  // undici's, of what its parser (llhttp) does not take: not always with a code.
  if (error.name === "HTTPParserError") return { outcome: "malformed", detail: "is not HTTP" };
  if (code === "UND_ERR_HEADERS_OVERFLOW") return { outcome: "malformed", detail: "has too large headers" };
  return { outcome: "reset", detail: code || error.message };
}

/** undici wraps a socket's error in its own. */
function codeOf(error: Error): string {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (code === "UND_ERR_SOCKET") return (cause instanceof Error && codeOf(cause)) || "ECONNRESET";
  return typeof code === "string" ? code : "";
}
