/** Where does the caller belong? Its AIClient says it, else what the gateway's settings know of callers. */
import type { Caller } from "../../routing/filters.ts";
import type { RequestContext } from "../context.ts";

/** Nothing to wait for but a token that was not seen before. Throws or rejects with a GatewayError. */
export function locate(context: RequestContext): Promise<void> | void {
  const { services, client, request } = context;
  const { callers } = services;
  if (!callers) return set(context, {});
  const found = client?.residency === undefined ? callers.locate(request) : callers.placeOf(request);
  return found instanceof Promise ? found.then((caller) => set(context, caller)) : set(context, found);
}

function set(context: RequestContext, found: Caller): void {
  const residency = context.client?.residency ?? found.residency;
  const location = context.client?.location ?? found.location;
  context.caller = { ...found, residency, location };
  context.exchange.residency = residency;
}
