/**
 * Which backends may take this realtime request?
 *
 * By its model where it names one; a key or call that a provider has made goes back to that provider; a session that
 * only transcribes may name no model before it is open, and takes its route as any call without a model does.
 */
import { allowedZones } from "../../routing/filters.ts";
import type { Zone } from "../../routing/zones.ts";
import type { RequestContext } from "../context.ts";
import { isOwner, ownerOf } from "../ids/affinity.ts";
import { find } from "../stages/find.ts";
import { notFound } from "../stages/identify.ts";
import { match } from "../stages/match.ts";
import { plan } from "../stages/plan.ts";
import type { EphemeralKey } from "./ephemeral.ts";

/** Sets plan and order. Throws GatewayError. */
export function routeByModel(context: RequestContext, model: string | undefined): void {
  context.exchange.model = model;
  match(context);
  plan(context);
}

/** The provider that made the key. Throws GatewayError when the caller may not, or it is gone. */
export function routeByKey(context: RequestContext, key: EphemeralKey): void {
  context.ids = { home: key.home, edits: [], foreign: [], lookedThrough: [] };
  routeByModel(context, key.model === "" ? undefined : key.model);
}

/** The provider that has the call. Returns its own id. Throws GatewayError. */
export function routeByCall(context: RequestContext, text: string): string {
  const { snapshot, client, namespace } = context;
  const opened = snapshot.affinity.open(text);
  if (!opened || !isOwner(opened, ownerOf(client, namespace))) throw notFound(text);
  context.ids = { home: opened.home, edits: [], foreign: [], lookedThrough: [] };
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
