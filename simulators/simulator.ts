/** What is one simulated provider that listens, and what does it remember? */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { Bill } from "./billing.ts";
import type { ProviderName } from "./call.ts";
import { answerControl, CONTROL_PREFIX } from "./control.ts";
import { FaultPlans } from "./faults.ts";
import { Later } from "./later.ts";
import { RateLimiter } from "./limits.ts";
import { type SimulatorOptions, settingsOf } from "./options.ts";
import { PromptCache } from "./prompt-cache.ts";
import { azureProvider } from "./provider-azure.ts";
import { openaiProvider } from "./provider-openai.ts";
import { isRealtime } from "./realtime/admission.ts";
import { RealtimeMemory } from "./realtime/memory.ts";
import { takeRealtimeRequest } from "./realtime/requests.ts";
import { takeSocket } from "./realtime/socket.ts";
import { Recorder } from "./recorder.ts";
import { takeRequest } from "./request-path.ts";
import { Shelves } from "./shelf.ts";
import type { Site } from "./site.ts";

/** OpenAI's limit of all request headers together; Node answers 431 beyond it. */
const MOST_HEADER_BYTES = 64 * 1024;
const KEEP_ALIVE_MS = 75_000;

/** Owns the server and everything that is forgotten at `reset`. */
export class Simulator {
  readonly name: ProviderName;
  readonly #site: Site;
  readonly #realtime: RealtimeMemory = new RealtimeMemory();
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #secure: boolean;

  constructor(name: ProviderName, options: SimulatorOptions) {
    const settings = settingsOf(name, options);
    this.name = name;
    this.#site = {
      provider: name === "openai" ? openaiProvider(settings) : azureProvider(settings),
      settings,
      recorder: new Recorder(settings.keepRequests, settings.keepBodyBytes),
      bill: new Bill(name),
      plans: new FaultPlans(),
      limiter: new RateLimiter(settings.limits, name),
      promptCache: new PromptCache(),
      shelves: new Shelves(),
      later: new Later(settings.jobStepMs),
    };
    const serverOptions = { maxHeaderSize: MOST_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 };
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#take(request, response);
    this.#secure = settings.tls !== undefined;
    this.#server = settings.tls
      ? createTlsServer({ ...serverOptions, ...settings.tls }, listener)
      : createServer(serverOptions, listener);
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      takeSocket({ ...this.#site, memory: this.#realtime }, request, socket, head);
    });
  }

  get bill(): Bill {
    return this.#site.bill;
  }

  get recorder(): Recorder {
    return this.#site.recorder;
  }

  get plans(): FaultPlans {
    return this.#site.plans;
  }

  /** Listens; port 0 takes a free one. */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, resolve);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Origin without a path: `http://127.0.0.1:8101`. */
  get url(): string {
    const { address, family } = this.#server.address() as AddressInfo;
    const host = family === "IPv6" ? `[${address}]` : address;
    return `${this.#secure ? "https" : "http"}://${host}:${this.port}`;
  }

  /** As after the start: no faults, an empty bill, nothing remembered. */
  reset(): void {
    const { bill, recorder, plans, limiter, promptCache, shelves, later } = this.#site;
    plans.clear();
    this.#realtime.reset();
    for (const memory of [bill, recorder, limiter, promptCache, shelves, later]) memory.reset();
  }

  async close(): Promise<void> {
    this.#site.later.reset();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    if (request.url?.startsWith(CONTROL_PREFIX)) void answerControl(this, request, response);
    else if (isRealtime(request.url ?? ""))
      void takeRealtimeRequest({ ...this.#site, memory: this.#realtime }, request, response);
    else takeRequest(this.#site, request, response);
  }
}
