/**
 * Who judges the comparisons of a route, and with which token?
 *
 * Only where the route is as its spec says now: a form of the past may name a token that is not there any more, and content
 * goes to nobody whom the spec does not name.
 */
import type { Judge, Route } from "../table.ts";
import { resolveSecret } from "./secret-refs.ts";
import type { RouteDraft, World } from "./world.ts";

interface Judged {
  readonly judge: Judge | undefined;
  readonly made: Route;
}

const madeBefore = new WeakMap<Route, Judged>();

/** The same object for the same route and judge. */
export function withJudge(world: World, draft: RouteDraft, route: Route): Route {
  const judge = draft.form === "Spec" && route.shadow !== undefined ? judgeOf(world, draft) : undefined;
  if (route.shadow === undefined || (judge === undefined && route.shadow.judge === undefined)) return route;
  const before = madeBefore.get(route);
  if (before !== undefined && isSame(before.judge, judge)) return before.made;
  const { judge: _former, ...shadow } = route.shadow;
  const made = { ...route, shadow: { ...shadow, ...(judge && { judge }) } };
  madeBefore.set(route, { judge, made });
  return made;
}

/** Undefined: there is none, or its token does not resolve. */
function judgeOf(world: World, draft: RouteDraft): Judge | undefined {
  const { shadow, rollout } = draft.spec ?? {};
  const spec = rollout === undefined ? shadow?.judge : rollout.shadow.judge;
  if (spec === undefined) return undefined;
  const field = rollout === undefined ? "spec.shadow.judge" : "spec.rollout.shadow.judge";
  const { url, secretRef, percent } = spec;
  if (!URL.canParse(url)) {
    const message = `${field}.url: ${url} is not a usable address; check its host and port`;
    draft.unresolved.push({ reason: "InvalidValue", message });
    return undefined;
  }
  if (secretRef === undefined) return { url, percent };
  const resolved = resolveSecret(world, draft.namespace, secretRef, `${field}.secretRef`);
  if ("facts" in resolved) return { url, percent, credential: resolved.facts.version };
  draft.unresolved.push(resolved.problem);
  return undefined;
}

function isSame(one: Judge | undefined, other: Judge | undefined): boolean {
  return one?.url === other?.url && one?.percent === other?.percent && one?.credential === other?.credential;
}
