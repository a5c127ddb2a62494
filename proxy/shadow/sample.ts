/**
 * Which requests are copied, and when does a copy begin?
 *
 * Drawn when the order of backends is known, so that what the caller gets can be kept. Begun when the caller has all of
 * its answer: nothing of a copy runs before.
 */
import type { Shadow } from "../../routing/table.ts";
import type { RequestContext } from "../context.ts";
import { refusedField } from "../dialects/fields.ts";
import { fieldRulesAt, type Plan, pathAt, type Target } from "../snapshot.ts";
import type { ShadowOutcome } from "../telemetry/shadow-counts.ts";
import type { Received } from "./compare.ts";
import { isEligible } from "./eligible.ts";
import { KeptAnswer } from "./kept.ts";
import type { Shadows } from "./shadows.ts";

/** A request that shall be copied. */
export interface Sample {
  readonly shadow: Shadow;
  readonly target: Target;
  /** What the caller gets, where it flows. */
  readonly kept: KeptAnswer;
}

/** A stage: one look where the route copies nothing. */
export function draw(context: RequestContext): void {
  const { plan } = context;
  const shadow = plan?.route.shadow;
  if (plan === undefined || shadow === undefined || Math.random() * 100 >= shadow.percent) return;
  const { shadows } = context.services;
  // Only what may serve the caller is among the targets.
  const target = plan.targets.find(({ backend }) => backend.name === shadow.backend);
  const why = isEligible(context, shadow) ? obstacle(context, plan, shadow, target) : "not_eligible";
  if (why !== undefined || target === undefined) shadows.noted(plan.route.key, why ?? "no_backend");
  else context.sample = { shadow, target, kept: new KeptAnswer(shadows.pool) };
}

function obstacle(
  { operation, path, query, body }: RequestContext,
  { keptOut }: Plan,
  shadow: Shadow,
  target: Target | undefined,
): ShadowOutcome | undefined {
  if (target === undefined) {
    return keptOut.some(({ backend }) => backend === shadow.backend) ? "residency" : "no_backend";
  }
  if (!operation || pathAt(target, operation, path, query) === undefined) return "not_offered";
  return body && refusedField(fieldRulesAt(target, operation), body.scan) ? "not_offered" : undefined;
}

/** When the request has ended and been recorded. */
export function follow(context: RequestContext, sample: Sample, shadows: Shadows): void {
  const { response } = context;
  // From here on the body is kept for the copy alone.
  const bytes = context.body?.scan.length ?? 0;
  const why = refusalOf(context, sample) ?? (shadows.pool.take(bytes) ? undefined : "dropped_busy");
  if (why !== undefined) {
    sample.kept.release();
    shadows.noted(context.plan?.route.key ?? "", why);
    return;
  }
  // Whoever waits for an answer goes before one for whom nobody waits.
  const begin = () => setImmediate(() => shadows.begin(context, sample));
  if (response.writableFinished) begin();
  else response.once("close", begin);
}

function refusalOf({ exchange, target, call }: RequestContext, sample: Sample): ShadowOutcome | undefined {
  if (exchange.outcome !== "ok" || !target || !call) return "not_answered";
  return target.backend.name === sample.target.backend.name ? "same_backend" : undefined;
}

/** What the caller got. `body` undefined: it was too large to be kept. */
export function answered({ call, exchange }: RequestContext, { kept }: Sample): Received {
  // A plain answer that was held whole has not flowed past what keeps it.
  if (call?.held.complete) for (const chunk of call.held.chunks) kept.add(chunk);
  return { status: exchange.status, isStream: call?.mode === "events", body: kept.body, usage: exchange.usage };
}
