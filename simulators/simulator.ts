/** How does one simulated provider take a request from its first byte to its last? */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Bill } from "./billing.ts";
import { type Answer, type Call, isFailure, type Provider, type ProviderName } from "./call.ts";
import { answerControl, CONTROL_PREFIX } from "./control.ts";
import type { Failure } from "./errors.ts";
import { faultAnswer, sceneOf } from "./fault-answers.ts";
import { type Fault, FaultPlans, faultInName, numberOf, parseFault, placeOf } from "./faults.ts";
import { RateLimiter } from "./limits.ts";
import type { Desk, JsonObject } from "./operations/operation.ts";
import { type SimulatorOptions, settingsOf } from "./options.ts";
import { PromptCache } from "./prompt-cache.ts";
import { azureProvider } from "./provider-azure.ts";
import { openaiProvider } from "./provider-openai.ts";
import { Recorder, type RequestEntry } from "./recorder.ts";
import { Shelf } from "./shelf.ts";
import { ESTIMATE, exactCounter, type TokenCounter } from "./tokens.ts";
import { writeFailure, writeWhole } from "./write-answer.ts";
import { pause, writeStream } from "./write-stream.ts";

/** OpenAI's limit of all request headers together; Node answers 431 beyond it. */
const MOST_HEADER_BYTES = 64 * 1024;
const MOST_BODY_BYTES = 64 * 1024 * 1024;
const KEEP_ALIVE_MS = 75_000;
const DEFAULT_DELAY_MS = 1_000;
const FAULT_HEADER = "x-sim-fault";
const NOTHING: JsonObject = {};

/** A running simulator. */
export class Simulator {
  readonly name: ProviderName;
  readonly bill: Bill;
  readonly recorder: Recorder;
  readonly plans = new FaultPlans();
  readonly #provider: Provider;
  readonly #desk: Omit<Desk, "counter">;
  readonly #limiter: RateLimiter;
  readonly #server: Server;
  readonly #secure: boolean;
  readonly #counting: "exact" | "estimate";
  #counter: TokenCounter | undefined;

  constructor(name: ProviderName, options: SimulatorOptions) {
    const settings = settingsOf(name, options);
    this.name = name;
    this.bill = new Bill(name);
    this.recorder = new Recorder(settings.keepRequests, settings.keepBodyBytes);
    this.#provider = name === "openai" ? openaiProvider(settings) : azureProvider(settings);
    this.#limiter = new RateLimiter(settings.limits, name);
    this.#counting = settings.counting;
    this.#desk = {
      settings,
      promptCache: new PromptCache(),
      shelf: new Shelf(),
      admit: (call, tokens) => this.#admit(call, tokens),
    };
    const serverOptions = { maxHeaderSize: MOST_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 };
    const listener = (request: IncomingMessage, response: ServerResponse) => this.#take(request, response);
    this.#secure = settings.tls !== undefined;
    this.#server = settings.tls
      ? createTlsServer({ ...serverOptions, ...settings.tls }, listener)
      : createServer(serverOptions, listener);
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
    this.bill.reset();
    this.recorder.reset();
    this.plans.clear();
    this.#limiter.reset();
    this.#desk.promptCache.reset();
    this.#desk.shelf.reset();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    if (request.url?.startsWith(CONTROL_PREFIX)) {
      void answerControl(this, request, response);
      return;
    }
    const host = request.headers.host ?? "";
    const requestId = this.#provider.newRequestId();
    const startedAt = performance.now();
    const entry = this.#record(request, response, requestId, startedAt);
    const admitted = this.#provider.admit(request, host);
    if (isFailure(admitted)) {
      request.resume();
      const early = { request, response, requestId, startedAt, entry } as Call;
      writeFailure(this.#provider, early, admitted);
      return;
    }
    entry.operation = admitted.target.operation.name;
    const call: Call = {
      provider: this.name,
      request,
      response,
      host,
      requestId,
      startedAt,
      entry,
      ...admitted,
      body: Buffer.alloc(0),
    };
    this.#readBody(call);
  }

  #record(request: IncomingMessage, response: ServerResponse, id: string, startedAt: number): RequestEntry {
    const { method = "", url = "", rawHeaders } = request;
    const entry: RequestEntry = {
      id,
      at: Date.now(),
      method,
      url,
      rawHeaders,
      bodyBytes: 0,
      events: 0,
      aborted: false,
    };
    this.recorder.add(entry);
    response.once("close", () => {
      if (entry.tookMs === undefined && !response.writableFinished) entry.aborted = true;
      entry.tookMs ??= performance.now() - startedAt;
    });
    return entry;
  }

  #readBody(call: Call): void {
    const parts: Buffer[] = [];
    let size = 0;
    call.request.on("data", (part: Buffer) => {
      size += part.length;
      if (size <= MOST_BODY_BYTES) parts.push(part);
    });
    call.request.once("end", () => {
      call.body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
      this.recorder.addBody(call.entry, call.body);
      if (size > MOST_BODY_BYTES) writeFailure(this.#provider, call, this.#provider.failures.bodyTooLarge);
      else void this.#answer(call).catch((error: unknown) => this.#brokenDown(call, error));
    });
    call.request.on("error", () => undefined);
  }

  async #answer(call: Call): Promise<void> {
    const body = this.#parse(call);
    if (isFailure(body)) return writeFailure(this.#provider, call, body);
    const refused = this.#resolve(call, body);
    if (refused) return writeFailure(this.#provider, call, refused);
    if (call.fault && (await this.#failed(call, call.fault))) return;
    this.#counter ??= this.#counting === "exact" ? await exactCounter() : ESTIMATE;
    const answer = await call.target.operation.run(call, body, { ...this.#desk, counter: this.#counter });
    if (isFailure(answer)) return writeFailure(this.#provider, call, answer);
    await this.#write(call, answer);
  }

  #parse(call: Call): JsonObject | Failure {
    if (call.target.operation.body !== "json") return NOTHING;
    const type = call.request.headers["content-type"] ?? "";
    if (!/^application\/json\b/i.test(type)) return this.#provider.failures.wrongContentType(type);
    try {
      const body: unknown = JSON.parse(call.body.toString());
      return typeof body === "object" && body !== null && !Array.isArray(body)
        ? (body as JsonObject)
        : this.#provider.failures.malformedJson;
    } catch {
      return this.#provider.failures.malformedJson;
    }
  }

  /** Finds model and fault. Returns the refusal when the model does not exist or the fault cannot be read. */
  #resolve(call: Call, body: JsonObject): Failure | undefined {
    const { operation, deployment } = call.target;
    const asked = deployment ?? (typeof body.model === "string" ? body.model : undefined);
    const named = asked === undefined ? undefined : faultInName(asked);
    const header = call.request.headers[FAULT_HEADER];
    if (operation.kinds) {
      const serving = this.#provider.serve(call.target, named?.name, call.host);
      if (isFailure(serving)) return serving;
      call.serving = serving;
      call.modelName = named?.name ?? "";
      call.entry.model = serving.model.name;
      if (serving.deployment) call.entry.deployment = serving.deployment.name;
    }
    const fault = typeof header === "string" ? parseFault(header) : (named?.fault ?? this.#planned(call, body));
    if (fault) {
      call.fault = fault;
      call.entry.fault = fault.name;
    }
    return undefined;
  }

  #planned(call: Call, body: JsonObject): Fault | undefined {
    return this.plans.take(() => ({
      models: call.serving ? [call.serving.model.name, call.serving.snapshot, call.modelName ?? ""] : [],
      deployment: call.serving?.deployment?.name,
      host: call.host,
      key: call.credential,
      operation: call.target.operation.name,
      stream: body.stream === true,
    }));
  }

  /** True when the fault was the whole answer. */
  async #failed(call: Call, fault: Fault): Promise<boolean> {
    const place = placeOf(fault);
    if (place === "answer") {
      const failure = faultAnswer(this.name, fault, sceneOf(call));
      writeFailure(this.#provider, call, failure);
      return true;
    }
    if (fault.name === "silence") return true;
    if (fault.name === "reset") {
      call.entry.tookMs = performance.now() - call.startedAt;
      call.request.socket.resetAndDestroy();
      return true;
    }
    if (fault.name === "slow-first-byte") await pause(call, numberOf(fault, "ms", DEFAULT_DELAY_MS));
    return false;
  }

  async #write(call: Call, answer: Answer): Promise<void> {
    if (answer.kind === "stream") {
      const end = await writeStream(this.#provider, call, answer.events, this.#desk.settings.latency);
      const { usage } = answer;
      this.#charge(call, end.whole ? usage : { ...usage, completionTokens: end.tokens + usage.reasoningTokens });
      return;
    }
    await this.#wait(call, answer);
    if (answer.usage) this.#charge(call, answer.usage);
    await writeWhole(this.#provider, call, answer.body, answer.kind === "bytes" ? answer.contentType : undefined);
  }

  /** A plain answer comes when its last token would have come. */
  async #wait(call: Call, answer: Answer): Promise<void> {
    const { firstTokenMs, perTokenMs } = this.#desk.settings.latency;
    const slow = call.fault?.name === "slow-first-token" ? numberOf(call.fault, "ms", DEFAULT_DELAY_MS) : 0;
    const tokens = call.serving ? (answer.usage?.completionTokens ?? 0) : 0;
    const ms = slow + (call.serving ? firstTokenMs + tokens * perTokenMs : 0);
    if (ms > 0) await pause(call, ms);
  }

  #charge(call: Call, usage: NonNullable<Answer["usage"]>): void {
    const { serving } = call;
    if (serving) this.bill.add(serving.model.name, serving.deployment?.name, usage);
  }

  /** Azure's limits belong to the deployment, OpenAI's to the organisation and model. */
  #admit(call: Call, tokens: number): Failure | undefined {
    const name =
      this.name === "azure" ? `${call.host} ${call.modelName}` : `${call.credential} ${call.serving?.model.name}`;
    const rate = this.#limiter.take(name, tokens, performance.now());
    call.rate = rate;
    return rate.refused ? this.#provider.rateLimited(call, rate) : undefined;
  }

  /** A mistake in a fault's text, or in the simulator itself: told to the caller, who is a tester. */
  #brokenDown(call: Call, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (call.response.headersSent) call.request.socket.destroy();
    else
      writeFailure(this.#provider, call, {
        status: 400,
        body: {
          error: { message: `Simulator: ${message}`, type: "simulator_error", param: null, code: "simulator_error" },
        },
      });
  }
}
