/** How does a simulated provider take a socket, refuse it, or break it when told to? */

import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type Arrival, isFailure, type Serving } from "../call.ts";
import { AZURE_ERRORS, type Failure, openaiError } from "../errors.ts";
import { type FaultScene, faultAnswer } from "../fault-answers.ts";
import { type Fault, faultInName, numberOf, parseFault, placeOf } from "../faults.ts";
import { type RequestEntry, secretHash } from "../recorder.ts";
import { writeFailure } from "../write-answer.ts";
import { admitVisitor, servingOf, type Visitor } from "./admission.ts";
import { Conversation } from "./conversation.ts";
import type { RealtimeSite } from "./site.ts";

const FAULT_HEADER = "x-sim-fault";
const DEFAULT_CLOSE_CODE = 1011;

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  handleProtocols: (offered) => (offered.has("realtime") ? "realtime" : false),
});

/** Takes one request to upgrade. */
export function takeSocket(site: RealtimeSite, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on("error", () => undefined);
  const arrival = arrive(site, request, socket);
  const visitor = admitVisitor(site, request);
  if (isFailure(visitor)) {
    refuse(site, arrival, socket as Socket, visitor);
    return;
  }
  const opened = openFor(site, arrival, visitor);
  if (isFailure(opened)) {
    refuse(site, arrival, socket as Socket, opened);
    return;
  }
  const fault = opened.fault ?? planned(site, arrival, visitor, opened.serving);
  if (fault) arrival.entry.fault = fault.name;
  if (fault && placeOf(fault) === "answer") {
    refuse(site, arrival, socket as Socket, faultAnswer(site.provider.name, fault, sceneOf(opened, visitor)));
  } else if (fault?.name === "reset") (socket as Socket).resetAndDestroy();
  else if (fault?.name !== "silence") accept(site, arrival, { socket, head }, visitor, opened, fault);
}

interface Opened {
  readonly serving: Serving | undefined;
  readonly name: string | undefined;
  readonly session: Readonly<Record<string, unknown>>;
  readonly fault: Fault | undefined;
}

function openFor(site: RealtimeSite, { host, request }: Arrival, visitor: Visitor): Opened | Failure {
  const { query, ephemeral, path, apiVersion } = visitor;
  if (path !== "realtime" || request.headers["sec-websocket-version"] !== "13") {
    return site.provider.failures.unknownUrl(request);
  }
  const [callID, intent] = [query.get("call_id"), query.get("intent")];
  const call = callID === null ? undefined : site.memory.calls.get(callID);
  if (callID !== null && call?.state !== "open") return openaiError(404, "No such call.", { code: "call_not_found" });
  const key = ephemeral === undefined ? undefined : site.memory.keys.get(ephemeral);
  const inQuery = query.get(apiVersion === undefined ? "model" : "deployment") ?? undefined;
  const header = request.headers[FAULT_HEADER];
  const named = inQuery === undefined ? undefined : faultInName(inQuery);
  const fault = typeof header === "string" ? parseFault(header) : named?.fault;
  const name = named?.name ?? key?.model ?? call?.model;
  const session = key?.session ?? call?.session ?? (intent === "transcription" ? { type: "transcription" } : {});
  if (session.type === "transcription" && name === undefined) return { serving: undefined, name, session, fault };
  const serving = servingOf(site, name, host);
  return isFailure(serving) ? serving : { serving, name, session, fault };
}

function accept(
  site: RealtimeSite,
  { request, entry, startedAt }: Arrival,
  { socket, head }: { socket: Duplex; head: Buffer },
  visitor: Visitor,
  { serving, name, session }: Opened,
  fault: Fault | undefined,
): void {
  entry.status = 101;
  if (serving) entry.model = serving.model.name;
  if (serving?.deployment) entry.deployment = serving.deployment.name;
  server.handleUpgrade(request, socket, head, (peer) => {
    const { perTokenMs } = site.settings.latency;
    const conversation = new Conversation({
      form: visitor.form,
      serving,
      model: name,
      session,
      perTokenMs,
      send: (event) => say(peer, entry, JSON.stringify(event), fault),
      charge: (used) => {
        const [promptTokens, completionTokens] = [used.textIn + used.audioIn, used.textOut + used.audioOut];
        const usage = { promptTokens, cachedTokens: used.cached, completionTokens, reasoningTokens: 0 };
        if (serving) site.bill.add(serving.model.name, serving.deployment?.name, usage);
      },
    });
    peer.on("message", (data) => void conversation.hear(String(data)));
    peer.on("error", () => undefined);
    peer.on("close", (code) => {
      entry.tookMs = performance.now() - startedAt;
      entry.aborted = code === 1006;
    });
    conversation.begin();
  });
}

/** Sends an event, unless the fault has begun. */
function say(peer: WebSocket, entry: RequestEntry, text: string, fault: Fault | undefined): void {
  if (peer.readyState !== peer.OPEN) return;
  if (!fault || entry.events < numberOf(fault, "after", 1)) {
    entry.events += 1;
    peer.send(text);
    return;
  }
  if (fault.name === "cut") peer.terminate();
  else if (fault.name === "close") peer.close(numberOf(fault, "code", DEFAULT_CLOSE_CODE), fault.parameters.reason);
  else if (fault.name === "malformed" || fault.name === "garbage") peer.send('{"type":"response.done","resp');
  else if (fault.name !== "stall") peer.send(text);
}

function planned(
  site: RealtimeSite,
  { host }: Arrival,
  { credential }: Visitor,
  serving: Serving | undefined,
): Fault | undefined {
  return site.plans.take(() => ({
    models: serving ? [serving.model.name, serving.snapshot] : [],
    deployment: serving?.deployment?.name,
    host,
    key: credential,
    operation: "realtime",
    stream: true,
  }));
}

function sceneOf({ name, serving }: Opened, { apiVersion }: Visitor): FaultScene {
  return {
    model: name ?? "",
    contextTokens: serving?.model.contextTokens ?? 0,
    promptField: "input",
    azureOperation: "Realtime_Connect",
    apiVersion: apiVersion ?? "v1",
  };
}

function arrive(site: RealtimeSite, request: IncomingMessage, socket: Duplex): Arrival {
  const { method = "", url = "", rawHeaders } = request;
  const requestId = site.provider.newRequestId();
  const at = Date.now();
  const shown = url.replace(/([?&]api-key=)([^&]*)/g, (_all, name, key) => name + secretHash(key));
  const entry: RequestEntry = {
    id: requestId,
    at,
    method,
    url: shown,
    rawHeaders,
    bodyBytes: 0,
    events: 0,
    aborted: false,
  };
  entry.operation = "realtime";
  site.recorder.add(entry);
  const response = new ServerResponse(request);
  const startedAt = performance.now();
  socket.on("close", () => {
    entry.tookMs ??= performance.now() - startedAt;
  });
  return { request, response, host: request.headers.host ?? "", requestId, startedAt, entry };
}

/** Over the connection that asked to be another. */
function refuse(site: RealtimeSite, arrival: Arrival, socket: Socket, failure: Failure): void {
  arrival.response.assignSocket(socket);
  arrival.response.shouldKeepAlive = false;
  arrival.response.once("finish", () => socket.end());
  writeFailure(site.provider, arrival, failure);
}

/** What an ordinary request to the socket's path gets. */
export function upgradeRequired(site: RealtimeSite): Failure {
  return site.provider.name === "openai"
    ? openaiError(426, "Expected Upgrade: websocket", { code: "upgrade_required" })
    : AZURE_ERRORS.resourceNotFound;
}
