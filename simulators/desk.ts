/** What may an operation use of its simulator: memory, limits, bill, and other operations for the lines of a batch? */

import { type Call, isFailure, type Usage } from "./call.ts";
import type { Failure } from "./errors.ts";
import { faultAnswer, sceneOf } from "./fault-answers.ts";
import { faultInName, placeOf } from "./faults.ts";
import type { Desk, JsonObject, LineAnswer, Operation } from "./operations/operation.ts";
import type { Shelf } from "./shelf.ts";
import type { Site } from "./site.ts";
import { ESTIMATE, exactCounter, type TokenCounter } from "./tokens.ts";

export function deskOf(site: Site, call: Call, counter: TokenCounter): Desk {
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

export async function counterOf(site: Site): Promise<TokenCounter> {
  return site.settings.counting === "exact" ? exactCounter() : ESTIMATE;
}

export function charge(site: Site, call: Call, usage: Usage, half = false): void {
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
