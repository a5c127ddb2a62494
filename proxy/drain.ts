/**
 * How does a listener stop without failing a request?
 *
 * A client that keeps connections may be about to use any of them, and one that does not retry then sees a failure.
 * So a connection is closed only after an answer that said `Connection: close`, or when it has been idle for the
 * keep-alive time that the client was told. New connections are accepted for a while: load balancers learn late.
 */
import { once } from "node:events";
import type {
  IncomingMessage,
  ServerResponse as NodeResponse,
  OutgoingHttpHeader,
  OutgoingHttpHeaders,
  Server,
} from "node:http";
import { Server as NetServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { ServerResponse } from "./node-http.ts";

export interface DrainOptions {
  /** How long requests may take from now on; then they are broken off. Milliseconds. */
  readonly drainMs: number;
  /** How long of that new connections are still accepted. Milliseconds. */
  readonly acceptMs?: number;
  /** Whether idle connections are left to their keep-alive time, instead of closed as soon as they are idle. */
  readonly keepIdle?: boolean;
}

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[];

/** How often idle connections are closed when they are not kept, milliseconds. */
const IDLE_CHECK = 50;

/**
 * Answers of a server that may drain: what gets its head from then on says `Connection: close`, the answers under way
 * too. (A set of the open ones would do as well; measured, it cost every request a fifth.)
 */
export function drainable(isDraining: () => boolean): typeof NodeResponse {
  return class<Request extends IncomingMessage> extends ServerResponse<Request> {
    override writeHead(status: number, reason?: Headers | string, headers?: Headers): this {
      if (isDraining()) this.shouldKeepAlive = false;
      return super.writeHead(status, reason as string, headers);
    }
  };
}

/** Resolves when every connection is closed. */
export async function drain(server: Server, options: DrainOptions): Promise<void> {
  const { drainMs, acceptMs = 0, keepIdle = false } = options;
  const closed = once(server, "close");
  if (acceptMs > 0) await sleep(Math.min(acceptMs, drainMs));
  // HTTP's own close() would close idle connections at once.
  NetServer.prototype.close.call(server);
  const timer = setTimeout(() => server.closeAllConnections(), Math.max(0, drainMs - acceptMs));
  const idle = keepIdle ? undefined : setInterval(() => server.closeIdleConnections(), IDLE_CHECK);
  if (!keepIdle) server.closeIdleConnections();
  await closed;
  clearInterval(idle);
  clearTimeout(timer);
}
