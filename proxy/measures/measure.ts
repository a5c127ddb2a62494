/**
 * What did this request show of the two sides of its route's rollout?
 *
 * Each attempt counts for the backend that it went to: a candidate's failure is the candidate's, also where another backend
 * saved the caller. Called when the request has ended.
 */
import type { Route } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import type { AttemptRecord } from "../exchange.ts";
import type { UpstreamCall } from "../stages/call.ts";
import type { Attempted } from "./measuring.ts";
import { askedIn, type Structure, structureOf, structureOfStream } from "./structure.ts";

/** Whose answers have a structure that can be told. */
const STRUCTURED = new Set(["chat/completions", "completions", "responses"]);

/**
 * Why a backend whose turn it was is not asked, when it has failed before. Counted as its error: otherwise one that fails
 * always is hardly ever asked, and so never judged.
 */
const SHUT: ReadonlySet<string> = new Set(["circuit_open", "unhealthy"]);
const PASSED_OVER: Attempted = { outcome: "server_error", took: 0 };

export function measureSides(
  context: RequestContext,
  route: Route,
  { stable, candidate }: NonNullable<Route["rollout"]>,
): void {
  const { exchange, operation, services } = context;
  if (operation?.handling !== "inference" || exchange.realtime) return;
  for (const { backend, reason } of exchange.excluded ?? []) {
    const isSide = backend === stable || backend === candidate;
    if (isSide && SHUT.has(reason)) services.measures.note(route.key, backend, "live", PASSED_OVER);
  }
  const last = exchange.attempts.at(-1);
  for (const record of exchange.attempts) {
    if (record.backend !== stable && record.backend !== candidate) continue;
    const attempted = record === last && record.outcome === "ok" ? answered(context, record) : failed(record);
    services.measures.note(route.key, record.backend, "live", attempted);
  }
}

function failed({ outcome, detail, startedAt, endedAt }: AttemptRecord): Attempted {
  return { outcome, detail, took: (endedAt ?? startedAt) - startedAt };
}

function answered(context: RequestContext, record: AttemptRecord): Attempted {
  const { exchange } = context;
  const { firstTokenAt, usage, cost, unpriced } = exchange;
  // The caller went away before the provider had said all: nobody knows how it would have ended.
  if (exchange.outcome !== "ok") return { outcome: "aborted", took: 0 };
  // Where it went on with what another had begun, the first token was the other's.
  const isItsOwn = firstTokenAt !== undefined && firstTokenAt >= record.startedAt;
  return {
    outcome: "ok",
    took: (record.endedAt ?? exchange.endedAt ?? record.startedAt) - record.startedAt,
    firstToken: isItsOwn ? firstTokenAt - record.startedAt : undefined,
    outputTokens: usage?.output,
    cost: unpriced ? undefined : cost,
    structure: context.call && structureIn(context, context.call, context.call.held.chunks),
  };
}

/** `plain`: the answer where it is no stream; undefined in it: it was too large to be kept. */
export function structureIn(
  { exchange, body, choices }: RequestContext,
  call: UpstreamCall,
  plain: readonly (Buffer | undefined)[],
): Structure | undefined {
  if (!STRUCTURED.has(exchange.operation ?? "")) return undefined;
  if (call.mode === "events") return structureOfStream(call.events, askedIn(body), choices);
  const chunks = plain.filter((chunk) => chunk !== undefined);
  return call.held.complete && chunks.length > 0 ? structureOf(chunks, askedIn(body)) : undefined;
}
