/** Which ephemeral keys and calls does a simulated provider remember? */

import type { JsonObject } from "../operations/operation.ts";

export interface RememberedKey {
  readonly session: JsonObject;
  /** Of the model or deployment; undefined for a session that only transcribes. */
  readonly model: string | undefined;
  /** Unix seconds. */
  readonly expiresAt: number;
}

export interface RememberedCall {
  readonly session: JsonObject;
  readonly model: string | undefined;
  readonly state: "open" | "ended";
}

/** In memory, per simulator. */
export class RealtimeMemory {
  readonly keys = new Map<string, RememberedKey>();
  readonly calls = new Map<string, RememberedCall>();

  reset(): void {
    this.keys.clear();
    this.calls.clear();
  }
}
