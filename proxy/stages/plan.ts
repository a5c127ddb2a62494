/** In which order are the backends tried? */
import { order, tiers } from "../../routing/choose.ts";
import type { RequestContext } from "../context.ts";
import type { BatchLine } from "../dialects/batch.ts";
import { GatewayError } from "../errors.ts";
import { homeOf } from "../ids/affinity.ts";
import type { Plan, Target } from "../snapshot.ts";
import { cheapest } from "../strategy/cheapest.ts";
import { fastest } from "../strategy/fastest.ts";
import { modelNotFound, planNamed, stickyKeyOf } from "./match.ts";

/** Of a batch, in an error. */
const MOST_MODELS_NAMED = 10;

export function plan(context: RequestContext): void {
  const { plan: made, exchange } = context;
  if (!made) return;
  if (made.hasCommitment) context.plannedAt = context.services.strategies.now();
  if (made.excluded.length > 0) exchange.excluded = made.excluded;
  if (made.targets.length === 0) throw nobody(context, made);
  if (context.ids?.home !== undefined) {
    context.order = atHome(context, made, context.ids.home);
    exchange.decision = "affinity";
    return;
  }
  if (context.batch) {
    context.order = forBatch(context, made, context.batch);
    exchange.decision = "batch";
    return;
  }
  const key = made.sticky.length > 0 ? stickyKeyOf(context) : undefined;
  if (made.route.strategy === "Cost") {
    const { score, choose } = cheapest(context);
    context.order = made.fixedOrder ?? order(made.route, made.targets, key, Math.random, score);
    const why = choose(context.order[0]);
    exchange.decision = made.fixedOrder ? "priority" : why;
  } else if (made.route.strategy === "Latency" && !made.fixedOrder) {
    const { score, why } = fastest(context, made, key);
    context.order = order(made.route, made.targets, key, Math.random, score);
    exchange.decision = why;
  } else {
    context.order = made.fixedOrder ?? order(made.route, made.targets, key, Math.random);
    exchange.decision = decisionOf(made, key);
  }
  if (context.order.length === 1 && made.keptOut.length > 0) exchange.decision = "residency";
}

/** Nobody else has what the ids name, so weights and tiers do not matter. */
function atHome(context: RequestContext, made: Plan, home: string): readonly Target[] {
  const target = made.targets.find((one) => homeOf(one.provider) === home);
  if (target) return [target];
  const keeper = context.snapshot.providerAt(home)?.key;
  const leads = made.route.backends.filter(({ provider }) => provider === keeper);
  if (leads.some(({ name }) => made.keptOut.some(({ backend }) => backend === name))) {
    throw unsatisfiable(context, made);
  }
  const message = `What the ids in this request name is at a provider that the route '${made.route.name}' does not use for '${made.model}'.`;
  throw new GatewayError("id_conflict", message);
}

/** Those that have every model of the batch; its requests cannot be split among providers. */
function forBatch(context: RequestContext, made: Plan, lines: readonly BatchLine[]): readonly Target[] {
  const makers = made.targets.filter(({ backend }) => backend.failover !== "Never");
  const able = tiers(makers)
    .flat()
    .filter((target) => lines.every(({ model }) => upstreamIn(context, target, model.name) !== undefined));
  if (able.length > 0) return able;
  const narrowed = lines
    .map(({ model }) => planNamed(context, model.name)?.plan)
    .find((one) => one && one.keptOut.length > 0);
  if (narrowed) throw unsatisfiable(context, narrowed);
  const models = [...new Set(lines.map(({ model }) => model.name))].slice(0, MOST_MODELS_NAMED).join(", ");
  const message = `No provider of the route '${made.route.name}' has all the models of the batch that this key may use: ${models}.`;
  throw new GatewayError("model_not_found", message, { param: "file" });
}

/** What the target's provider calls a model that the caller may ask for. */
export function upstreamIn(context: RequestContext, target: Target, model: string): string | undefined {
  const targets = planNamed(context, model)?.plan.targets;
  return targets?.find(({ provider }) => provider.key === target.provider.key)?.upstreamModel;
}

/** Nothing has been sent, and nothing will be. */
function unsatisfiable({ caller, exchange }: RequestContext, made: Plan): GatewayError {
  exchange.excluded = made.excluded;
  const who = `a caller of ${caller.residency === undefined ? "unknown residency" : `residency ${caller.residency}`}`;
  const why = made.keptOut.map(({ backend, message }) => `${backend}: ${message}`).join("; ");
  const message = `Nothing that the route '${made.route.name}' has for this may serve ${who} (${why}), and nothing was sent. Ask for a model whose route has a backend in an allowed zone.`;
  return new GatewayError("residency_unsatisfiable", message);
}

function decisionOf(made: Plan, key: string | undefined): string {
  if (made.route.strategy === "BlueGreen") return "blue-green";
  if (made.fixedOrder) return "priority";
  return key === undefined ? "weighted" : "sticky";
}

/** A `*` route that no backend serves this name for has no such model; any other route is broken. */
function nobody(context: RequestContext, made: Plan): GatewayError {
  if (made.keptOut.length > 0) return unsatisfiable(context, made);
  if (made.route.models.includes("*") && !made.route.models.includes(made.model)) return modelNotFound(made.model);
  const why = made.excluded.map((one) => `${one.backend}: ${one.message}`).join("; ");
  const message = `No backend of the route '${made.route.name}' can serve '${made.model}' now${why && ` (${why})`}.`;
  return new GatewayError("no_backend_available", message);
}
