/** May a provider's model be asked now, and what is remembered of earlier answers? */
import type { ObjectKey, Provider } from "../../routing/table.ts";

export type Usability =
  | { readonly ok: true /** Half-open: one request only may try. */; readonly probe: boolean }
  | {
      readonly ok: false;
      readonly reason: "circuit_open" | "unhealthy" | "rate_limited";
      /** On the clock given to `Availability`; absent when nobody can know. */
      readonly until?: number;
    };

/** A number that `begin` gives and exactly one of `succeeded`, `failed`, `rateLimited`, `released` takes back. 0: refused. */
export type Ticket = number;

/** What is known of one provider's model. Get it once per candidate and keep it: the methods do not allocate when all is well. */
export interface Handle {
  usable(): Usability;
  /** Starts an attempt. 0 when the only probe of a half-open breaker is already under way: go elsewhere. */
  begin(): Ticket;
  /** The provider answered as it should, 4xx that are the caller's fault included. */
  succeeded(ticket: Ticket): void;
  /** `provider`: connect, DNS and TLS failures only. `model`: 408, 5xx, resets, timeouts, malformed answers, cuts. */
  failed(ticket: Ticket, scope: "model" | "provider", detail: string, requestId?: string): void;
  /** 429. `waitMs` from `retryAfter`; undefined: 1 s, doubling to 30 s. Never counts for the breaker. */
  rateLimited(ticket: Ticket, waitMs: number | undefined, requestId?: string): void;
  /** The attempt ended without saying anything about the provider: the caller went away. */
  released(ticket: Ticket): void;
}

export interface Transition {
  /** Milliseconds on the clock given to `Availability`. */
  readonly at: number;
  readonly kind: "circuit" | "health" | "rate_limit";
  readonly provider: ObjectKey;
  /** The gateway's name of the model; absent: the whole provider. */
  readonly model?: string;
  readonly from: string;
  readonly to: string;
  readonly detail: string;
  readonly requestId?: string;
}

export class Availability {
  constructor(_now: () => number, _onTransition: (transition: Transition) => void) {}
  handle(_provider: Provider, _modelName: string): Handle {
    throw new Error("not built yet");
  }
  usable(provider: Provider, modelName: string): Usability {
    return this.handle(provider, modelName).usable();
  }
  /** Index of the candidate to try first when none is usable: the one that is expected back soonest. -1 for none. */
  leastBad(_handles: readonly Handle[]): number {
    throw new Error("not built yet");
  }
  /** Keeps the state of what stays the same, drops what is gone. Handles of a dropped key still work and are forgotten. */
  adopt(_providers: Iterable<Provider>): void {}
}
