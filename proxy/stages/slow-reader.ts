/**
 * What becomes of an answer that its caller does not take?
 *
 * The provider is held back, and what is in memory already counts as kept until it is taken. A caller who takes nothing
 * for `readerPatience` is taken to be gone: Node breaks the connection of a socket whose time is over.
 */
import type { RequestContext } from "../context.ts";

/** Every answer may have so much in memory: the buffers of a connection. */
const FREE_BYTES = 128 * 1024;

/** Call after a write that was not taken at once, or the last one. */
export function awaitReader(context: RequestContext): void {
  const { response, services, unread } = context;
  const waiting = response.writableLength;
  if (waiting === 0) return;
  response.socket?.setTimeout(services.readerPatience);
  const kept = Math.max(unread, waiting - FREE_BYTES);
  if (kept <= unread) return;
  services.replayPool.takeAnyway(kept - unread);
  context.unread = kept;
  if (unread > 0) return;
  const give = () => {
    response.off("drain", give).off("close", give);
    services.replayPool.give(context.unread);
    context.unread = 0;
  };
  response.on("drain", give).on("close", give);
}

/** The caller has taken everything: what comes next may take its time. */
export function readerIsBack({ response }: RequestContext): void {
  response.socket?.setTimeout(0);
}
