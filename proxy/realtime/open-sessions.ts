/** Which realtime sessions are open, and how do they end when the gateway drains, or their keys are taken away? */
import { setTimeout as sleep } from "node:timers/promises";
import type { Snapshot } from "../snapshot.ts";
import type { RealtimeSession } from "./session.ts";

/** Whether this table lets the session's caller in. */
export type Entitled = (snapshot: Snapshot) => boolean;

/** Milliseconds before the end of the drain at which what is in progress is closed too. */
const LAST_CALL = 1_000;

export class OpenSessions {
  /** And whether its caller is one of the table's. */
  readonly #sessions = new Map<RealtimeSession, Entitled>();
  #snapshot: Snapshot | undefined;
  readonly #none: (() => void)[] = [];

  add(session: RealtimeSession, isEntitled: Entitled): void {
    this.#sessions.set(session, isEntitled);
    // Another table may have come into force while the provider was dialled.
    if (this.#snapshot && !isEntitled(this.#snapshot)) session.revoke();
    void session.ended.then(() => {
      this.#sessions.delete(session);
      if (this.#sessions.size === 0) for (const resolve of this.#none.splice(0)) resolve();
    });
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Call with every new table: ends the sessions of callers whom it does not know. */
  review(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    for (const [session, isEntitled] of this.#sessions) if (!isEntitled(snapshot)) session.revoke();
  }

  /** Resolves when none is open any more, at the latest when so many milliseconds are over. */
  async drain(drainMs: number): Promise<void> {
    if (this.#sessions.size === 0) return;
    const over = new AbortController();
    const at = async (milliseconds: number, act: (session: RealtimeSession) => void) => {
      await sleep(Math.max(0, milliseconds), undefined, { signal: over.signal }).catch(() => undefined);
      if (!over.signal.aborted) for (const session of this.#sessions.keys()) act(session);
    };
    const none = new Promise<void>((resolve) => this.#none.push(resolve));
    for (const session of this.#sessions.keys()) session.retire();
    void at(drainMs - LAST_CALL, (session) => session.close());
    void at(drainMs, (session) => session.terminate());
    await none;
    over.abort();
  }
}
