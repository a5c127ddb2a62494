/** What do realtime's operations over HTTP answer: client secrets, sessions, calls? */

import type { IncomingMessage, ServerResponse } from "node:http";
import { type Arrival, isFailure } from "../call.ts";
import { type Failure, invalidRequest, openaiError } from "../errors.ts";
import { faultAnswer } from "../fault-answers.ts";
import { faultInName, placeOf } from "../faults.ts";
import { newHexId, newId } from "../ids.ts";
import { isObject } from "../operations/chat-request.ts";
import type { JsonObject } from "../operations/operation.ts";
import { writeFailure } from "../write-answer.ts";
import { admitVisitor, servingOf, type Visitor } from "./admission.ts";
import { sessionBody } from "./events.ts";
import type { RealtimeSite } from "./site.ts";
import { upgradeRequired } from "./socket.ts";

const DEFAULT_KEY_SECONDS = 600;
/** OpenAI's bounds; tests ask for shorter lives with this header. */
const KEY_SECONDS = { least: 10, most: 7200 } as const;
const LIFE_HEADER = "x-sim-key-seconds";
const CALL_ACTION = /^realtime\/calls\/([^/]+)\/(accept|hangup|refer|reject)$/;

interface Done {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: readonly string[];
}

/** Takes one request that is not an upgrade. */
export async function takeRealtimeRequest(
  site: RealtimeSite,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const arrival = arrive(site, request, response);
  const visitor = admitVisitor(site, request);
  const chunks: Buffer[] = [];
  request.on("error", () => undefined);
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return;
  }
  const body = Buffer.concat(chunks);
  site.recorder.addBody(arrival.entry, body);
  const done = isFailure(visitor) ? visitor : await answer(site, arrival, visitor, body);
  if (isFailure(done)) {
    writeFailure(site.provider, arrival, done);
    return;
  }
  arrival.entry.status = done.status;
  const own = ["content-type", done.type, "content-length", String(Buffer.byteLength(done.body))];
  const headers = [...site.provider.headers(arrival, false), ...(done.headers ?? []), ...own];
  response.writeHead(done.status, headers).end(done.body);
}

async function answer(site: RealtimeSite, arrival: Arrival, visitor: Visitor, body: Buffer): Promise<Done | Failure> {
  const { path } = visitor;
  const action = CALL_ACTION.exec(path);
  arrival.entry.operation = action ? `realtime.calls.${action[2]}` : path.replaceAll("/", ".");
  if (path === "realtime") return upgradeRequired(site);
  if (arrival.request.method !== "POST") return site.provider.failures.unknownUrl(arrival.request);
  const fault = site.plans.take(() => ({
    models: [],
    deployment: undefined,
    host: arrival.host,
    key: visitor.credential,
    operation: arrival.entry.operation ?? "",
    stream: false,
  }));
  if (fault && placeOf(fault) === "answer") {
    const scene = {
      model: "",
      contextTokens: 0,
      promptField: "input",
      azureOperation: "Realtime",
      apiVersion: "v1",
    } as const;
    return faultAnswer(site.provider.name, fault, scene);
  }
  if (action) return act(site, action[1] as string, action[2] as string);
  const isGA = site.provider.name === "azure" ? visitor.apiVersion === undefined : true;
  switch (path) {
    case "realtime/client_secrets":
      return isGA ? makeSecret(site, arrival, jsonOf(body)) : site.provider.failures.unknownUrl(arrival.request);
    case "realtime/sessions":
    case "realtimeapi/sessions":
    case "realtime/transcription_sessions":
      return makeSession(site, arrival, path, jsonOf(body));
    case "realtime/calls":
      return makeCall(site, arrival, visitor, body);
    default:
      return site.provider.failures.unknownUrl(arrival.request);
  }
}

function jsonOf(body: Buffer): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function makeSecret(site: RealtimeSite, arrival: Arrival, body: JsonObject | undefined): Done | Failure {
  if (!body) return site.provider.failures.malformedJson;
  const session = isObject(body.session) ? body.session : { type: "realtime" };
  if (session.type !== "realtime" && session.type !== "transcription") {
    return invalidRequest("Missing required parameter: 'session.type'.", "session.type", "missing_required_parameter");
  }
  const seconds = isObject(body.expires_after) ? Number(body.expires_after.seconds) : DEFAULT_KEY_SECONDS;
  if (!(seconds >= KEY_SECONDS.least && seconds <= KEY_SECONDS.most)) {
    return invalidRequest("Invalid 'expires_after.seconds'.", "expires_after.seconds", "invalid_value");
  }
  const made = remember(site, arrival, session, seconds);
  if (isFailure(made)) return made;
  const { value, expires_at, serving } = made;
  return json({ value, expires_at, session: sessionBody("ga", newId("sess_"), serving?.snapshot, session) });
}

function makeSession(site: RealtimeSite, arrival: Arrival, path: string, body: JsonObject | undefined): Done | Failure {
  if (!body) return site.provider.failures.malformedJson;
  const session = path === "realtime/transcription_sessions" ? { ...body, type: "transcription" } : body;
  const made = remember(site, arrival, session, 60);
  if (isFailure(made)) return made;
  const { value, expires_at, serving } = made;
  const shown = sessionBody("preview", newId("sess_"), serving?.snapshot, body);
  return json({ ...shown, client_secret: { value, expires_at } });
}

function remember(site: RealtimeSite, { host, request }: Arrival, session: JsonObject, seconds: number) {
  const model = typeof session.model === "string" ? session.model : undefined;
  const serving = session.type === "transcription" ? undefined : servingOf(site, model, host);
  if (serving && isFailure(serving)) return serving;
  const life = Number(request.headers[LIFE_HEADER] ?? seconds);
  const value = newHexId("ek_");
  const expires_at = Math.floor(Date.now() / 1000) + life;
  site.memory.keys.set(value, { session, model, expiresAt: expires_at });
  return { value, expires_at, serving };
}

async function makeCall(site: RealtimeSite, arrival: Arrival, visitor: Visitor, body: Buffer): Promise<Done | Failure> {
  const type = arrival.request.headers["content-type"] ?? "";
  let [sdp, session]: [string, JsonObject] = [body.toString(), {}];
  if (/^multipart\/form-data/i.test(type)) {
    const form = await new Response(new Uint8Array(body), { headers: { "content-type": type } })
      .formData()
      .catch(() => undefined);
    sdp = String(form?.get("sdp") ?? "");
    const given = form?.get("session");
    session = (given ? jsonOf(Buffer.from(String(given))) : undefined) ?? {};
  } else if (!/^application\/sdp/i.test(type)) {
    return openaiError(400, `Unsupported content type '${type}'.`, { code: "unsupported_content_type" });
  }
  const key = visitor.ephemeral === undefined ? undefined : site.memory.keys.get(visitor.ephemeral);
  const whole = key?.session ?? session;
  if (!sdp.startsWith("v=0")) return invalidRequest("Missing or invalid SDP offer.", "sdp", "invalid_offer");
  const { model: name } = whole;
  const model = typeof name === "string" ? faultInName(name).name : undefined;
  const serving = servingOf(site, model, arrival.host);
  if (isFailure(serving)) return serving;
  arrival.entry.model = serving.model.name;
  const id = newHexId("rtc_");
  site.memory.calls.set(id, { session: whole, model, state: "open" });
  const base = site.provider.name === "openai" ? "/v1" : "/openai/v1";
  const lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=simulated", "t=0 0", ""];
  return {
    status: 201,
    type: "application/sdp",
    body: lines.join("\r\n"),
    headers: ["location", `${base}/realtime/calls/${id}`],
  };
}

function act(site: RealtimeSite, id: string, verb: string): Done | Failure {
  const call = site.memory.calls.get(id);
  if (call?.state !== "open") return openaiError(404, "No such call.", { code: "call_not_found" });
  if (verb === "hangup" || verb === "reject") site.memory.calls.set(id, { ...call, state: "ended" });
  return { status: 200, type: "application/json", body: "" };
}

function json(body: object): Done {
  return { status: 200, type: "application/json", body: JSON.stringify(body) };
}

function arrive(site: RealtimeSite, request: IncomingMessage, response: ServerResponse): Arrival {
  const requestId = site.provider.newRequestId();
  const startedAt = performance.now();
  const entry = site.recorder.begin(request, response, requestId, startedAt);
  return { request, response, host: request.headers.host ?? "", requestId, startedAt, entry };
}
