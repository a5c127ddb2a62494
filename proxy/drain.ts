/**
 * How does a listener stop without failing a request?
 *
 * A client that keeps connections may be about to use any of them, and one that does not retry then sees a failure.
 * So a connection is closed only after an answer that said `Connection: close`, or when it has been idle for the
 * keep-alive time that the client was told. New connections are accepted for a while: load balancers learn late.
 */
import { once } from "node:events";
import type { Server, ServerResponse } from "node:http";
import { Server as NetServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface DrainOptions {
  /** How long requests may take from now on; then they are broken off. Milliseconds. */
  readonly drainMs: number;
  /** How long of that new connections are still accepted. Milliseconds. */
  readonly acceptMs?: number;
  /** Whether idle connections are left to their keep-alive time, instead of closed as soon as they are idle. */
  readonly keepIdle?: boolean;
}

/** How often idle connections are closed when they are not kept, milliseconds. */
const IDLE_CHECK = 50;

/** Resolves when every connection is closed. `open`: answers that are not finished. */
export async function drain(server: Server, open: Iterable<ServerResponse>, options: DrainOptions): Promise<void> {
  const { drainMs, acceptMs = 0, keepIdle = false } = options;
  for (const response of open) if (!response.headersSent) response.shouldKeepAlive = false;
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
