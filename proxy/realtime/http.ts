/** How are realtime's operations over HTTP served? The sockets are in `upgrade.ts`. */
import { afford } from "../budgets/afford.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { makeCall, steerCall } from "./calls.ts";
import { makeSecret, SHAPES } from "./client-secrets.ts";
import { readBody } from "./read-body.ts";

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

export async function callRealtime(context: RequestContext): Promise<void> {
  const { path, request, operation } = context;
  if (operation?.method !== "POST") {
    throw new GatewayError("upgrade_required", "Realtime sessions are WebSockets. Connect with wss://.");
  }
  const type = request.headers["content-type"];
  if (operation.body === "json" && type !== undefined && !JSON_TYPE.test(type)) {
    throw new GatewayError("unsupported_media_type", "Send one JSON object with 'content-type: application/json'.");
  }
  await afford(context);
  const body = await readBody(context);
  if (Object.hasOwn(SHAPES, path)) await makeSecret(context, body);
  else if (operation.name === "realtime/calls") await makeCall(context, body);
  else await steerCall(context, body);
}
