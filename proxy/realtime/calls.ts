/**
 * How does a caller begin a WebRTC call, and steer it? (`POST realtime/calls`, `realtime/calls/{call_id}/…`)
 *
 * The id of a call belongs to the provider that took it and to the caller that made it: it carries its home as all ids
 * do. Sound itself flows between the caller and the provider; Tandem sees how the call begins.
 */
import { isFormType, readForm } from "../body/form.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { homeOf, ownerOf } from "../ids/affinity.ts";
import type { Target } from "../snapshot.ts";
import { identify } from "../stages/identify.ts";
import { withholdFrom, withholdUnseen } from "../stages/withhold.ts";
import { modelOf } from "./ask.ts";
import { ask, reading, respond, translated } from "./exchange-with.ts";
import type { Place } from "./json-places.ts";
import type { Whole } from "./post.ts";
import { routeByKey, routeByPath, routeBySession } from "./routes.ts";
import { modelIn, modelsOf } from "./session-models.ts";

const SESSION = "session";
const JSON_SPACE: ReadonlySet<number> = new Set(Buffer.from(" \t\r\n"));
const OPEN_BRACE = 0x7b;
const SDP_TYPE = /^application\/sdp\s*(?:;|$)/i;
const FORM_FIELDS: ReadonlySet<string> = new Set([SESSION, "sdp"]);

/** An SDP offer, alone or in a form beside its session. */
export async function makeCall(context: RequestContext, body: Buffer): Promise<void> {
  const { ephemeral, exchange, snapshot, request, client, namespace } = context;
  const session = sessionIn(request.headers["content-type"], body);
  const models = session && reading(() => modelsOf(body, session));
  const asked = modelOf(new URLSearchParams(context.query));
  const named = models && modelIn(models);
  if (ephemeral) routeByKey(context, ephemeral, asked);
  else routeBySession(context, oneOf(named, asked));
  if (session) withholdFrom(context, body.subarray(session.start, session.end));
  withholdUnseen(context, "sdp", "opens a channel past the gateway, over which tools can be asked for unseen");
  const answer = await ask(context, (target) => (models ? translated(context, target, body, models) : body));
  if (!answer) return;
  const id = idOf(answer);
  const home = homeOf((context.target as Target).provider);
  const own = id === undefined ? undefined : snapshot.affinity.tagged(id, home, ownerOf(client, namespace));
  respond(context, answer, answer.body, own === undefined ? {} : { location: `${exchange.path}/${own}` });
}

/** The session's own model, or the query's. Throws GatewayError where they differ. */
function oneOf(named: string | undefined, asked: string | undefined): string | undefined {
  if (named === undefined || asked === undefined || named === asked) return named ?? asked;
  throw new GatewayError("invalid_field", "The query names another model than the session.", { param: "model" });
}

function sessionIn(type: string | undefined, body: Buffer): Place | undefined {
  if (type !== undefined && SDP_TYPE.test(type)) return undefined;
  if (type === undefined || !isFormType(type)) {
    const message = "Send the SDP offer as 'application/sdp', or with its session as 'multipart/form-data'.";
    throw new GatewayError("unsupported_media_type", message);
  }
  const part = readForm(body, type, FORM_FIELDS).parts.find(({ name }) => name === SESSION);
  if (!part) return undefined;
  // Space before a JSON text is no part of it, and must not hide what it names.
  let { start } = part;
  while (start < part.end && JSON_SPACE.has(body[start] as number)) start++;
  if (body[start] !== OPEN_BRACE) {
    throw new GatewayError("invalid_json", "The field 'session' must be one JSON object.", { param: SESSION });
  }
  return { kind: "nested", start, end: part.end };
}

/** `Location: /v1/realtime/calls/rtc_…`, relative or whole (OpenAI's specification, POST /realtime/calls). */
function idOf({ headers }: Whole): string | undefined {
  const id = headers.location
    ?.replace(/[?#].*$/, "")
    .split("/")
    .at(-1);
  return id === "" ? undefined : id;
}

/** Accept, hang up, refer, reject: where the call is. */
export async function steerCall(context: RequestContext, body: Buffer): Promise<void> {
  const models = context.path.endsWith("/accept") && body.length > 0 ? reading(() => modelsOf(body)) : undefined;
  identify(context);
  context.exchange.model = models && modelIn(models);
  await routeByPath(context);
  if (body.length > 0) withholdFrom(context, body);
  const answer = await ask(context, (target) => (models ? translated(context, target, body, models) : body));
  if (answer) respond(context, answer, answer.body);
}
