/**
 * What of a route protects, and what is routing?
 *
 * A route that is held at a former table routes as it did then and protects as it does now: a rollback never brings back
 * a weaker protection. So what differs in its protection only is no other form to go back to.
 */
import { canonicalJson } from "./canonical.ts";
import type { Route } from "./table.ts";

/** Who may use it, and where data may go. */
export const PROTECTING_FIELDS = ["allowedClients", "compliance"] as const satisfies readonly (keyof Route)[];

export type Protection = Pick<Route, (typeof PROTECTING_FIELDS)[number]>;

const PROTECTS: ReadonlySet<string> = new Set(PROTECTING_FIELDS);

export function protectionOf(route: Route): Protection {
  return Object.fromEntries(Object.entries(route).filter(([field]) => PROTECTS.has(field))) as unknown as Protection;
}

export function withoutProtection(route: Route): Omit<Route, keyof Protection> {
  const kept = Object.entries(route).filter(([field]) => !PROTECTS.has(field));
  return Object.fromEntries(kept) as unknown as Omit<Route, keyof Protection>;
}

/** In how they route, not in their protection or generation. Undefined: there was none. */
export function routeDifferently(one: Route | undefined, other: Route | undefined): boolean {
  return routingOf(one) !== routingOf(other);
}

function routingOf(route: Route | undefined): string {
  if (route === undefined) return "";
  const { generation: _generation, uid: _uid, created: _created, ...routing } = withoutProtection(route);
  return canonicalJson(routing);
}
