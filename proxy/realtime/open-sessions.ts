/** Which realtime sessions are open, and how do they end when the gateway drains? */
import { setTimeout as sleep } from "node:timers/promises";
import type { RealtimeSession } from "./session.ts";

/** Milliseconds before the end of the drain at which what is in progress is closed too. */
const LAST_CALL = 1_000;

export class OpenSessions {
  readonly #sessions = new Set<RealtimeSession>();
  readonly #none: (() => void)[] = [];

  add(session: RealtimeSession): void {
    this.#sessions.add(session);
    void session.ended.then(() => {
      this.#sessions.delete(session);
      if (this.#sessions.size === 0) for (const resolve of this.#none.splice(0)) resolve();
    });
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Resolves when none is open any more, at the latest when so many milliseconds are over. */
  async drain(drainMs: number): Promise<void> {
    if (this.#sessions.size === 0) return;
    const over = new AbortController();
    const at = async (milliseconds: number, act: (session: RealtimeSession) => void) => {
      await sleep(Math.max(0, milliseconds), undefined, { signal: over.signal }).catch(() => undefined);
      if (!over.signal.aborted) for (const session of this.#sessions) act(session);
    };
    const none = new Promise<void>((resolve) => this.#none.push(resolve));
    for (const session of this.#sessions) session.retire();
    void at(drainMs - LAST_CALL, (session) => session.close());
    void at(drainMs, (session) => session.terminate());
    await none;
    over.abort();
  }
}
