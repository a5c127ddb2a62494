/** How does a request to a simulated provider become an answer, step by step? */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Bill } from "./billing.ts";
import { type Answer, type Call, isFailure, type Provider, type Usage } from "./call.ts";
import { type Failure, openaiError } from "./errors.ts";
import { faultAnswer, sceneOf } from "./fault-answers.ts";
import { type Fault, type FaultPlans, faultInName, numberOf, parseFault, placeOf } from "./faults.ts";
import { fieldsOf } from "./form.ts";
import type { Later } from "./later.ts";
import type { RateLimiter } from "./limits.ts";
import { isObject, messageTokens, promptTokensOf } from "./operations/chat-request.ts";
import type { Desk, JsonObject, LineAnswer, Operation } from "./operations/operation.ts";
import type { Settings } from "./options.ts";
import type { PromptCache } from "./prompt-cache.ts";
import type { Recorder, RequestEntry } from "./recorder.ts";
import type { Shelf, Shelves } from "./shelf.ts";
import { ESTIMATE, exactCounter, type TokenCounter } from "./tokens.ts";
import { writeFailure, writeWhole } from "./write-answer.ts";
import { pause, writeStream } from "./write-stream.ts";

const MOST_BODY_BYTES = 64 * 1024 * 1024;
const DEFAULT_DELAY_MS = 1_000;
const FAULT_HEADER = "x-sim-fault";
const JSON_TYPE = /^application\/json\b/i;
const NOTHING: JsonObject = {};
const NO_BYTES = Buffer.alloc(0);

/** What the steps share: one provider's rules and memory. */
export interface Site {
  readonly provider: Provider;
  readonly settings: Settings;
  readonly recorder: Recorder;
  readonly bill: Bill;
  readonly plans: FaultPlans;
  readonly limiter: RateLimiter;
  readonly promptCache: PromptCache;
  readonly shelves: Shelves;
  readonly later: Later;
}

export function takeRequest(site: Site, request: IncomingMessage, response: ServerResponse): void {
  const host = request.headers.host ?? "";
  const requestId = site.provider.newRequestId();
  const startedAt = performance.now();
  const entry = record(site, request, response, requestId, startedAt);
  const arrival = { request, response, host, requestId, startedAt, entry };
  const admitted = site.provider.admit(request, host);
  if (isFailure(admitted)) {
    request.resume();
    writeFailure(site.provider, arrival, admitted);
    return;
  }
  entry.operation = admitted.target.operation.name;
  const call: Call = { ...arrival, provider: site.provider.name, ...admitted, body: NO_BYTES };
  readBody(site, call);
}

function record(
  site: Site,
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
  startedAt: number,
): RequestEntry {
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
  site.recorder.add(entry);
  response.once("close", () => {
    if (entry.tookMs === undefined && !response.writableFinished) entry.aborted = true;
    entry.tookMs ??= performance.now() - startedAt;
  });
  return entry;
}

function readBody(site: Site, call: Call): void {
  const parts: Buffer[] = [];
  let size = 0;
  call.request.on("data", (part: Buffer) => {
    size += part.length;
    if (size <= MOST_BODY_BYTES) parts.push(part);
  });
  call.request.once("end", () => {
    call.body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    site.recorder.addBody(call.entry, call.body);
    if (size > MOST_BODY_BYTES) writeFailure(site.provider, call, site.provider.failures.bodyTooLarge);
    else void respond(site, call).catch((error: unknown) => brokenDown(site, call, error));
  });
  call.request.on("error", () => undefined);
}

async function respond(site: Site, call: Call): Promise<void> {
  const body = await parse(site, call);
  if (isRefusal(body)) return writeFailure(site.provider, call, body.refused);
  const refused = resolve(site, call, body);
  if (refused) return writeFailure(site.provider, call, refused);
  if (call.fault && (await failed(site, call, call.fault, body))) return;
  const counter = await counterOf(site);
  const answer = await call.target.operation.run(call, body, deskOf(site, call, counter));
  if (isFailure(answer)) return writeFailure(site.provider, call, answer);
  await write(site, call, answer);
}

/** What is wrong with a body, kept apart from bodies that look like it. */
class Refusal {
  readonly refused: Failure;

  constructor(refused: Failure) {
    this.refused = refused;
  }
}

function isRefusal(body: JsonObject | Refusal): body is Refusal {
  return body instanceof Refusal;
}

/** The parsed body, or what is wrong with it. */
async function parse(site: Site, call: Call): Promise<JsonObject | Refusal> {
  const { body: wanted, bodyOptional } = call.target.operation;
  const { failures } = site.provider;
  if (wanted === "none" || (bodyOptional && call.body.length === 0)) return NOTHING;
  const type = call.request.headers["content-type"] ?? "";
  if (wanted === "multipart" || (wanted === "either" && !JSON_TYPE.test(type)))
    return (await fieldsOf(call.body, type)) ?? new Refusal(failures.malformedForm);
  if (!JSON_TYPE.test(type)) return new Refusal(failures.wrongContentType(type));
  try {
    const body: unknown = JSON.parse(call.body.toString());
    return isObject(body) ? body : new Refusal(failures.malformedJson);
  } catch {
    return new Refusal(failures.malformedJson);
  }
}

function deskOf(site: Site, call: Call, counter: TokenCounter): Desk {
  const { settings, promptCache, later } = site;
  return {
    settings,
    promptCache,
    later,
    counter,
    shelf: shelfOf(site, call),
    admit: (asked, tokens) => admit(site, asked, tokens),
    charge: (asked, usage) => charge(site, asked, usage),
    runLine: (asked, operation, body) => runLine(site, asked, operation, body),
  };
}

/** What an Azure resource holds, anyone with a right to it sees; at OpenAI it belongs to the credential's project. */
function shelfOf(site: Site, call: Call): Shelf {
  return site.shelves.of(call.provider === "azure" ? call.host.replace(/:\d+$/, "").toLowerCase() : call.credential);
}

/** One line of a batch, through the operation that it names. Faults in a model's name meet it as they meet a request. */
async function runLine(site: Site, batch: Call, operation: Operation, body: JsonObject): Promise<LineAnswer> {
  const requestId = site.provider.newRequestId();
  const asked = typeof body.model === "string" ? body.model : operation.defaultModel;
  const named = asked === undefined ? undefined : faultInName(asked);
  const { serving: _serving, rate: _rate, fault: _fault, ...rest } = batch;
  const { apiVersion } = batch.target;
  const target = { operation, ids: {}, ...(apiVersion !== undefined && { apiVersion }) };
  const line: Call = { ...rest, requestId, target, modelName: named?.name ?? "" };
  const serving = site.provider.serve(target, named?.name, batch.host);
  if (isFailure(serving)) return { requestId, status: serving.status, body: serving.body };
  line.serving = serving;
  if (named?.fault) line.fault = named.fault;
  if (named?.fault && placeOf(named.fault) === "answer") {
    const failed = faultAnswer(site.provider.name, named.fault, sceneOf(line));
    return { requestId, status: failed.status, body: failed.body };
  }
  const desk = { ...deskOf(site, line, await counterOf(site)), admit: () => undefined };
  const answer = await operation.run(line, body, desk);
  if (isFailure(answer)) return { requestId, status: answer.status, body: answer.body };
  if (answer.kind !== "json") throw new Error(`A line of a batch cannot be answered with ${answer.kind}.`);
  if (answer.usage) charge(site, line, answer.usage, true);
  return { requestId, status: 200, body: JSON.parse(answer.body) };
}

/** Finds model and fault. Returns the refusal when the model does not exist or the fault cannot be read. */
function resolve(site: Site, call: Call, body: JsonObject): Failure | undefined {
  const { operation, deployment } = call.target;
  const asked = deployment ?? (typeof body.model === "string" ? body.model : operation.defaultModel);
  const named = asked === undefined || !operation.kinds ? undefined : faultInName(asked);
  const header = call.request.headers[FAULT_HEADER];
  if (operation.kinds) {
    const serving = site.provider.serve(call.target, named?.name, call.host);
    if (isFailure(serving)) return serving;
    call.serving = serving;
    call.modelName = named?.name ?? "";
    call.entry.model = serving.model.name;
    if (serving.deployment) call.entry.deployment = serving.deployment.name;
  }
  const fault = typeof header === "string" ? parseFault(header) : (named?.fault ?? planned(site, call, body));
  if (fault) {
    call.fault = fault;
    call.entry.fault = fault.name;
  }
  return undefined;
}

function planned(site: Site, call: Call, body: JsonObject): Fault | undefined {
  return site.plans.take(() => ({
    models: call.serving ? [call.serving.model.name, call.serving.snapshot, call.modelName ?? ""] : [],
    deployment: call.serving?.deployment?.name,
    host: call.host,
    key: call.credential,
    operation: call.target.operation.name,
    stream: body.stream === true || body.stream === "true",
  }));
}

/** True when the fault was the whole answer. */
async function failed(site: Site, call: Call, fault: Fault, body: JsonObject): Promise<boolean> {
  const place = placeOf(fault);
  if (place === "answer") {
    const failure = faultAnswer(site.provider.name, fault, sceneOf(call));
    if (fault.name === "content-filter") await chargeFilteredPrompt(site, call, body);
    writeFailure(site.provider, call, failure);
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

/** Azure bills the tokens of a prompt that its filter evaluated and refused. */
async function chargeFilteredPrompt(site: Site, call: Call, body: JsonObject): Promise<void> {
  if (call.provider !== "azure" || !Array.isArray(body.messages)) return;
  const counter = await counterOf(site);
  const promptTokens = promptTokensOf(messageTokens(body.messages.filter(isObject), counter), body, counter);
  charge(site, call, { promptTokens, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 });
}

async function counterOf(site: Site): Promise<TokenCounter> {
  return site.settings.counting === "exact" ? exactCounter() : ESTIMATE;
}

async function write(site: Site, call: Call, answer: Answer): Promise<void> {
  if (answer.kind === "stream") {
    const end = await writeStream(site.provider, call, answer.events, site.settings.latency);
    const { usage } = answer;
    if (usage)
      charge(site, call, end.whole ? usage : { ...usage, completionTokens: end.tokens + usage.reasoningTokens });
    return;
  }
  await wait(site, call, answer);
  if (answer.usage) charge(site, call, answer.usage);
  if (answer.kind === "json") await writeWhole(site.provider, call, answer.body);
  else await writeWhole(site.provider, call, answer.body, answer.contentType, answer.headers);
}

/** A plain answer comes when its last token would have come. */
async function wait(site: Site, call: Call, answer: Answer): Promise<void> {
  const { firstTokenMs, perTokenMs } = site.settings.latency;
  const slow = call.fault?.name === "slow-first-token" ? numberOf(call.fault, "ms", DEFAULT_DELAY_MS) : 0;
  const tokens = call.serving ? (answer.usage?.completionTokens ?? 0) : 0;
  const ms = slow + (call.serving ? firstTokenMs + tokens * perTokenMs : 0);
  if (ms > 0) await pause(call, ms);
}

function charge(site: Site, call: Call, usage: Usage, half = false): void {
  const { serving } = call;
  if (serving) site.bill.add(serving.model.name, serving.deployment?.name, usage, half);
}

/** Azure's limits belong to the deployment, OpenAI's to the organisation and model. */
function admit(site: Site, call: Call, tokens: number): Failure | undefined {
  const name =
    site.provider.name === "azure"
      ? `${call.host} ${call.modelName}`
      : `${call.credential} ${call.serving?.model.name}`;
  const rate = site.limiter.take(name, tokens, performance.now());
  call.rate = rate;
  return rate.refused ? site.provider.rateLimited(call, rate) : undefined;
}

/** A mistake in a fault's text, or in the simulator itself: told to the caller, who is a tester. */
function brokenDown(site: Site, call: Call, error: unknown): void {
  const message = `Simulator: ${error instanceof Error ? error.message : String(error)}`;
  if (call.response.headersSent) call.request.socket.destroy();
  else
    writeFailure(site.provider, call, openaiError(400, message, { type: "simulator_error", code: "simulator_error" }));
}
