/**
 * Which backends may take this realtime request?
 *
 * By its model where it names one; a key or call that a provider has made goes back to that provider; a session that
 * only transcribes may name no model before it is open, and takes its route as any call without a model does.
 */
import { allowedZones } from "../../routing/filters.ts";
import type { Zone } from "../../routing/zones.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import { isOwner, ownerOf } from "../ids/affinity.ts";
import { identifiedAt } from "../ids/identified.ts";
import { find } from "../stages/find.ts";
import { notFound } from "../stages/identify.ts";
import { match, means } from "../stages/match.ts";
import { plan } from "../stages/plan.ts";
import type { EphemeralKey } from "./ephemeral.ts";

/** Sets plan and order. Throws GatewayError. */
export function routeByModel(context: RequestContext, model: string | undefined): void {
  context.exchange.model = model;
  match(context);
  plan(context);
}

/** Those of the model that a session's configuration names. Throws GatewayError. */
export function routeBySession(context: RequestContext, model: string | undefined): void {
  // The provider would take a model of its own choice.
  if (model === undefined && context.client?.models !== undefined) {
    const message = "The session names no model, and this key may not use every one. Name it in 'session.model'.";
    throw new GatewayError("missing_field", message, { param: "session.model" });
  }
  routeByModel(context, model);
}

/**
 * The provider that made the key. `asked`: what the query names. Throws GatewayError when the caller may not, or it is
 * gone.
 */
export function routeByKey(context: RequestContext, key: EphemeralKey, asked: string | undefined): void {
  if (asked !== undefined && !means(context, asked, key.model)) {
    const message = "The ephemeral key is for another model than the one in the query.";
    throw new GatewayError("invalid_field", message, { param: "model" });
  }
  context.ids = identifiedAt(key.home);
  routeByModel(context, key.model === "" ? undefined : key.model);
}

/** The provider that has the call. Returns its own id. Throws GatewayError. */
export function routeByCall(context: RequestContext, text: string): string {
  const { snapshot, client, namespace, ephemeral } = context;
  const opened = snapshot.affinity.open(text);
  if (!opened || !isOwner(opened, ownerOf(client, namespace))) throw notFound(text);
  // The provider's key that is inside goes to that provider alone.
  if (ephemeral && ephemeral.home !== opened.home) throw notFound(text);
  context.ids = identifiedAt(opened.home);
  routeByModel(context, undefined);
  return opened.id;
}

/** The same for a path with the call's id in it, which `identify` has read. Rejects with a GatewayError. */
export async function routeByPath(context: RequestContext): Promise<void> {
  match(context);
  await find(context);
  plan(context);
}

/** Where the caller's data may be processed; undefined: anywhere. */
export function zonesFor({ plan: made, caller }: RequestContext): readonly Zone[] | undefined {
  return made && allowedZones(made.route, caller);
}
