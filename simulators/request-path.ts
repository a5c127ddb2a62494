/** How does a request to a simulated provider become an answer, step by step? */

import type { IncomingMessage, ServerResponse } from "node:http";
import { type Answer, type Call, isFailure } from "./call.ts";
import { charge, counterOf, deskOf } from "./desk.ts";
import { type Failure, openaiError } from "./errors.ts";
import { faultAnswer, sceneOf } from "./fault-answers.ts";
import { type Fault, faultInName, numberOf, parseFault, placeOf } from "./faults.ts";
import { isObject, messageTokens, promptTokensOf } from "./operations/chat-request.ts";
import type { JsonObject } from "./operations/operation.ts";
import { parseBody, Refusal } from "./request-body.ts";
import type { Site } from "./site.ts";
import { writeFailure, writeWhole } from "./write-answer.ts";
import { pause, writeStream } from "./write-stream.ts";

const MOST_BODY_BYTES = 64 * 1024 * 1024;
const DEFAULT_DELAY_MS = 1_000;
const FAULT_HEADER = "x-sim-fault";
const NO_BYTES = Buffer.alloc(0);

export function takeRequest(site: Site, request: IncomingMessage, response: ServerResponse): void {
  const host = request.headers.host ?? "";
  const requestId = site.provider.newRequestId();
  const startedAt = performance.now();
  const entry = site.recorder.begin(request, response, requestId, startedAt);
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
  const body = await parseBody(site, call);
  if (body instanceof Refusal) return writeFailure(site.provider, call, body.refused);
  const refused = resolve(site, call, body);
  if (refused) return writeFailure(site.provider, call, refused);
  if (call.fault && (await failed(site, call, call.fault, body))) return;
  const counter = await counterOf(site);
  const answer = await call.target.operation.run(call, body, deskOf(site, call, counter));
  if (isFailure(answer)) return writeFailure(site.provider, call, answer);
  await write(site, call, answer);
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
  if (answer.usage) await site.settings.hold?.();
  const { firstTokenMs, perTokenMs } = site.settings.latency;
  const slow = call.fault?.name === "slow-first-token" ? numberOf(call.fault, "ms", DEFAULT_DELAY_MS) : 0;
  const tokens = call.serving ? (answer.usage?.completionTokens ?? 0) : 0;
  const ms = slow + (call.serving ? firstTokenMs + tokens * perTokenMs : 0);
  if (ms > 0) await pause(call, ms);
}

/** A mistake in a fault's text, or in the simulator itself: told to the caller, who is a tester. */
function brokenDown(site: Site, call: Call, error: unknown): void {
  const message = `Simulator: ${error instanceof Error ? error.message : String(error)}`;
  if (call.response.headersSent) call.request.socket.destroy();
  else
    writeFailure(site.provider, call, openaiError(400, message, { type: "simulator_error", code: "simulator_error" }));
}
