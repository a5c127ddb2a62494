/** What does the gateway keep for realtime: the way to providers, the open sessions, the limits? */
import type { Credentials } from "../../routing/secrets.ts";
import type { Provider } from "../../routing/table.ts";
import { Agents, type AgentsOptions, type Way } from "../passthrough-agents.ts";
import { REALTIME_LIMITS, type RealtimeLimits } from "./limits.ts";
import { OpenSessions } from "./open-sessions.ts";

export interface RealtimeOptions extends AgentsOptions {
  /** Where they differ from the documented ones. */
  readonly limits?: Partial<RealtimeLimits> | undefined;
}

export class Realtime {
  readonly limits: RealtimeLimits;
  readonly sessions = new OpenSessions();
  readonly #agents: Agents;
  readonly #stopping = new AbortController();

  constructor(options: RealtimeOptions) {
    this.limits = { ...REALTIME_LIMITS, ...options.limits };
    this.#agents = new Agents(options);
  }

  /** Aborted when no session may begin any more. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  wayTo(provider: Provider, credentials: Credentials): Way {
    return this.#agents.wayTo(provider, credentials);
  }

  /** Ends what is open within so many milliseconds. */
  drain(drainMs: number): Promise<void> {
    this.#stopping.abort();
    return this.sessions.drain(drainMs);
  }

  close(): void {
    this.#agents.close();
  }
}
