/**
 * What does a request to upgrade ask for, in which form, and with which key?
 *
 * Forms: `/v1/realtime?model=`, `/openai/v1/realtime?model=` (GA) and Azure's preview
 * `/openai/realtime?api-version=&deployment=`; `call_id=` or `intent=transcription` in place of the model. The key is
 * a header, Azure's query parameter `api-key`, or for browsers, which can set neither, the subprotocol
 * `openai-insecure-api-key.KEY` (openai-node, src/realtime/ws.ts and websocket.ts). A key never goes further than here.
 */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { GatewayError } from "../errors.ts";
import { keyIn, unauthorised } from "../stages/admit.ts";

/** Which events the caller speaks: their names differ between the two. */
export type Form = "ga" | "preview";

export interface Ask {
  /** The operation's name. */
  readonly operation: "realtime" | "realtime/translations";
  readonly form: Form;
  readonly key: string | undefined;
  /** The model, or Azure's deployment. */
  readonly model: string | undefined;
  /** Of an existing call, as Tandem gave it. */
  readonly callID: string | undefined;
  readonly intent: string | undefined;
  /** What else the query says, for the provider: no key, model, version or id. */
  readonly rest: URLSearchParams;
}

const GA_PATHS: Readonly<Record<string, Ask["operation"]>> = {
  "/v1/realtime": "realtime",
  "/openai/v1/realtime": "realtime",
  "/v1/realtime/translations": "realtime/translations",
  "/openai/v1/realtime/translations": "realtime/translations",
};
const PREVIEW_PATH = "/openai/realtime";
const RESPONSES_PATH = /^\/(?:openai\/)?(?:v1\/)?responses$/;

const PROTOCOL = "realtime";
const KEY_PROTOCOL = "openai-insecure-api-key.";
const PREVIEW_PROTOCOL = "openai-beta.realtime-v1";
const PREVIEW_HEADER = /\brealtime=v1\b/;
/** Longest model name, as in bodies. */
const LONGEST_NAME = 512;
/** Parameters that are read here and never passed on as they are. */
const READ = ["api-key", "api-version", "model", "deployment", "call_id", "intent"];

/** Throws GatewayError: not a path of realtime, or not a handshake of WebSocket. */
export function readAsk(request: IncomingMessage): Ask {
  const { url = "/", headers } = request;
  const mark = url.indexOf("?");
  const path = mark === -1 ? url : url.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? "" : url.slice(mark + 1));
  const operation = path === PREVIEW_PATH ? "realtime" : Object.hasOwn(GA_PATHS, path) ? GA_PATHS[path] : undefined;
  if (!operation) throw notHere(path);
  checkHandshake(request);
  const protocols = protocolsOf(headers);
  if (protocols.length > 0 && !protocols.includes(PROTOCOL)) {
    throw new GatewayError("bad_request", "The WebSocket subprotocol must be 'realtime', or none at all.");
  }
  const isPreview =
    path === PREVIEW_PATH ||
    protocols.includes(PREVIEW_PROTOCOL) ||
    PREVIEW_HEADER.test(String(headers["openai-beta"] ?? ""));
  const rest = new URLSearchParams(query);
  for (const name of READ) rest.delete(name);
  return {
    operation,
    form: isPreview ? "preview" : "ga",
    key: keyOf(headers, query, protocols),
    model: modelOf(query),
    callID: only(query, "call_id"),
    intent: only(query, "intent"),
    rest,
  };
}

/** What is answered in `sec-websocket-protocol`, never one with a key in it. */
export function chosenProtocol(offered: ReadonlySet<string>): string | false {
  return offered.has(PROTOCOL) ? PROTOCOL : false;
}

function notHere(path: string): GatewayError {
  const message = RESPONSES_PATH.test(path)
    ? "Responses over WebSocket are not served. Use POST /v1/responses with 'stream': true."
    : `Upgrading the connection is not possible on ${path.slice(0, 200)}. WebSockets are served on /v1/realtime.`;
  return new GatewayError("operation_not_supported", message);
}

/** RFC 6455, 4.2.1. */
function checkHandshake({ method, headers }: IncomingMessage): void {
  const isWebSocket = method === "GET" && headers.upgrade?.toLowerCase() === "websocket";
  const key = headers["sec-websocket-key"];
  if (!isWebSocket || key === undefined || !/^[+/0-9A-Za-z]{22}==$/.test(key)) {
    throw new GatewayError("bad_request", "This is not the handshake of a WebSocket (RFC 6455).");
  }
  if (headers["sec-websocket-version"] !== "13") {
    throw new GatewayError("bad_request", "Only version 13 of the WebSocket protocol is served.");
  }
}

function protocolsOf(headers: IncomingHttpHeaders): readonly string[] {
  const value = headers["sec-websocket-protocol"];
  return value === undefined ? [] : value.split(",").map((one) => one.trim());
}

/** Two different keys are one too many, wherever they stand. */
function keyOf(headers: IncomingHttpHeaders, query: URLSearchParams, protocols: readonly string[]): string | undefined {
  const inProtocols = protocols
    .filter((one) => one.startsWith(KEY_PROTOCOL))
    .map((one) => one.slice(KEY_PROTOCOL.length));
  const inHeaders = keyIn(headers);
  const keys = new Set([...(inHeaders === undefined ? [] : [inHeaders]), ...query.getAll("api-key"), ...inProtocols]);
  if (keys.size > 1) throw unauthorised("Headers, query and subprotocols name different keys.");
  const [key] = keys;
  return key;
}

/** Throws GatewayError. */
export function modelOf(query: URLSearchParams): string | undefined {
  const [model, ...others] = new Set([...query.getAll("model"), ...query.getAll("deployment")]);
  if (others.length > 0) throw invalid("model", "The query names different models. Name one.");
  if (model === "" || (model?.length ?? 0) > LONGEST_NAME) throw invalid("model", "The query must name a model.");
  return model;
}

function only(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name);
  if (others.length > 0) throw invalid(name, `The query names '${name}' more than once.`);
  return value === "" ? undefined : value;
}

function invalid(param: string, message: string): GatewayError {
  return new GatewayError("invalid_field", message, { param });
}
