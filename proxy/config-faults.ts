/** Which faults of the configuration do the providers' answers show, and who is told? */

import type { Target } from "./snapshot.ts";
import type { Failure } from "./stages/settled.ts";
import type { Logger } from "./telemetry/log.ts";

/** The same fault is told again after this long (milliseconds). */
const TOLD_AGAIN = 60_000;
/** More faults than this at once are one big fault. */
const MOST_FAULTS = 1000;

/** Where the fix of dialects/failure-rules.ts is another for a provider with Entra ID. */
const ENTRA_FIXES: Readonly<Record<number, string>> = {
  401: "the provider refuses the token: check auth.entraID.scope and the application's role on the resource (docs/entra-id.md)",
};

/** Kept for the operator, who tells the owners. */
const KEPT = 50;

export interface ConfigFault {
  readonly provider: string;
  readonly model: string;
  readonly status: number;
  readonly code: string;
  /** ISO 8601. */
  readonly at: string;
  /** The provider's. */
  readonly requestID: string | null;
}

export class ConfigFaults {
  readonly #log: Logger;
  readonly #last: ConfigFault[] = [];
  readonly #told = new Map<string, number>();

  constructor(log: Logger) {
    this.#log = log;
  }

  report(target: Target, failure: Failure, requestID: string | undefined): void {
    const status = failure.status ?? 0;
    const fault = `${target.provider.key} ${target.upstreamModel} ${status}`;
    const now = Date.now();
    if (now - (this.#told.get(fault) ?? 0) < TOLD_AGAIN) return;
    if (this.#told.size >= MOST_FAULTS) this.#told.clear();
    this.#told.set(fault, now);
    const { key: provider, auth } = target.provider;
    const fix = (auth.kind === "EntraID" ? ENTRA_FIXES[status] : undefined) ?? failure.error?.rule.fix;
    const fact = { provider, model: target.upstreamModel, status, code: failure.detail };
    this.#last.push({ ...fact, at: new Date(now).toISOString(), requestID: requestID ?? null });
    if (this.#last.length > KEPT) this.#last.shift();
    this.#log.error({ ...fact, provider_request_id: requestID }, fix);
  }

  /** Oldest first. */
  last(): readonly ConfigFault[] {
    return this.#last;
  }
}
