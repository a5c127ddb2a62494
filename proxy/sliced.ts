/** How is long work done on the thread that serves requests, without making them wait? */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Pieces } from "../routing/pieces.ts";

/** Milliseconds at a stretch; with the piece that is under way then, a request waits for a few at most. */
const SLICE = 2;

/** Rejects with what the work throws. */
export async function inSlices<T>(work: Pieces<T>): Promise<T> {
  for (;;) {
    const until = performance.now() + SLICE;
    do {
      const step = work.next();
      if (step.done) return step.value;
    } while (performance.now() < until);
    await nextTurn();
  }
}
