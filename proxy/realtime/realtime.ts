/** What does the gateway keep for realtime: the way to providers, the open sessions, the limits? */
import type { IncomingMessage } from "node:http";
import { WebSocketServer } from "ws";
import type { Credentials } from "../../routing/secrets.ts";
import type { Provider } from "../../routing/table.ts";
import { Agents, type AgentsOptions, type Way } from "../passthrough-agents.ts";
import { chosenProtocol } from "./ask.ts";
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
  readonly server: WebSocketServer;
  /** Aborted when no session may begin any more. */
  readonly stopping = new AbortController();
  readonly #answerHeaders = new WeakMap<IncomingMessage, readonly string[]>();

  constructor(options: RealtimeOptions) {
    this.limits = { ...REALTIME_LIMITS, ...options.limits };
    this.#agents = new Agents(options);
    this.server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.limits.frameBytes,
      handleProtocols: chosenProtocol,
    });
    this.server.on("headers", (lines, request) => lines.push(...(this.#answerHeaders.get(request) ?? [])));
  }

  wayTo(provider: Provider, credentials: Credentials): Way {
    return this.#agents.wayTo(provider, credentials);
  }

  /** For the 101 to this request. */
  setHeaders(request: IncomingMessage, headers: Readonly<Record<string, string | string[]>>): void {
    this.#answerHeaders.set(
      request,
      Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    );
  }

  /** Ends what is open within so many milliseconds. */
  drain(drainMs: number): Promise<void> {
    this.stopping.abort();
    return this.sessions.drain(drainMs);
  }

  close(): void {
    this.#agents.close();
  }
}
