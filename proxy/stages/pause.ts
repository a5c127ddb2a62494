/** How does a request wait between its attempts? */
import type { RequestContext } from "../context.ts";
import type { Target } from "../snapshot.ts";

/**
 * Waits. A caller who goes away ends it, and so does what comes `sooner`. How long it was stands in the exchange: it is
 * not Tandem's own time.
 */
export async function pause(context: RequestContext, milliseconds: number, sooner?: Promise<void>): Promise<void> {
  const begun = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    context.wake = () => {
      clearTimeout(timer);
      resolve();
    };
    void sooner?.then(context.wake);
  });
  context.exchange.waited = (context.exchange.waited ?? 0) + performance.now() - begun;
}

/** Waits for a place at the target's provider. True: there is one, to be given back; false: none, or the caller went away. */
export async function placeInQueue(
  context: RequestContext,
  { places }: Target,
  milliseconds: number,
): Promise<boolean> {
  const waiting = milliseconds > 0 ? places.queue() : undefined;
  if (!waiting) return false;
  await pause(context, milliseconds, waiting.called);
  const isServed = waiting.leave();
  if (isServed && context.closed) places.give();
  return isServed && !context.closed;
}
