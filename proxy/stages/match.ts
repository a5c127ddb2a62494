/**
 * Which route answers for it?
 *
 * The route of the model that is named, in the body or as a deployment in Azure's paths and bodies. A call that names none
 * goes by `x-tandem-route`, the client's default, or the only route it may use.
 */
import { findRouteByName, mayUse, routesFor } from "../../routing/lookup.ts";
import type { Provider, Route } from "../../routing/table.ts";
import { scalarOf } from "../body/splice.ts";
import type { RequestContext } from "../context.ts";
import { GatewayError } from "../errors.ts";
import type { Plan } from "../snapshot.ts";
import { notFound } from "./identify.ts";

const ROUTE_HEADER = "x-tandem-route";
/** Longest sticky field that is read, in bytes of JSON text. */
const LONGEST_STICKY_BYTES = 4096;

interface Named {
  readonly plan: Plan;
  readonly model: string;
}

export function match(context: RequestContext): void {
  const { exchange } = context;
  context.plan = exchange.model === undefined ? planWithoutModel(context) : planForName(context, exchange.model);
  exchange.route = context.plan.route.key;
}

function planForName(context: RequestContext, name: string): Plan {
  const found = foundNamed(context, name);
  if (found.model !== name) {
    context.exchange.model = found.model;
    // What the body says is not the model's name.
    context.deployment = name;
  }
  return found.plan;
}

function foundNamed(context: RequestContext, name: string): Named {
  const found = planNamed(context, name);
  if (!found) throw modelNotFound(name);
  return found;
}

/**
 * The model that the caller means; undefined when there is none that it may use. An application of Azure's names
 * deployments, in paths, bodies and batches, which its gateway may know as models of other names.
 */
export function planNamed(context: RequestContext, name: string): Named | undefined {
  const { snapshot, namespace, client, caller } = context;
  const plan = mayUse(client, name) ? snapshot.planFor(namespace, name, caller) : undefined;
  if (!speaksAzure(context) || (plan && isListed(plan, name))) return plan && { plan, model: name };
  const model = snapshot.modelsOfDeployment(namespace, name).find((one) => mayUse(client, one));
  const byDeployment = model === undefined ? undefined : snapshot.planFor(namespace, model, caller);
  if (model !== undefined && byDeployment) return { plan: byDeployment, model };
  return plan && { plan, model: name };
}

function speaksAzure({ request }: RequestContext): boolean {
  return request.url?.startsWith("/openai/") === true;
}

/** Not only taken since `*` takes any name. */
function isListed({ route, targets }: Plan, model: string): boolean {
  return route.models.includes(model) || targets.some(({ provider }) => Object.hasOwn(provider.models, model));
}

/** Whether the caller means this model by the name. */
export function means(context: RequestContext, name: string, model: string): boolean {
  if (name === model) return true;
  return speaksAzure(context) && context.snapshot.modelsOfDeployment(context.namespace, name).includes(model);
}

function planWithoutModel(context: RequestContext): Plan {
  const { snapshot, ids, batch, caller, request } = context;
  const [line] = batch ?? [];
  // A batch names its models in its lines.
  if (line && request.headers[ROUTE_HEADER] === undefined) return foundNamed(context, line.model.name).plan;
  const home = ids?.home === undefined ? undefined : snapshot.providerAt(ids.home);
  if (ids?.home !== undefined && !home) throw gone();
  const [foreign] = home ? [] : (ids?.foreign ?? []);
  if (foreign && request.headers[ROUTE_HEADER] === undefined) return planToAsk(context, foreign.id);
  return snapshot.planForResources(home ? routeTo(context, home) : routeWithoutModel(context), caller);
}

/** Nobody knows whose it is: only a route that looks for such ids can say. */
function planToAsk(context: RequestContext, id: string): Plan {
  const [first] = plansToAsk(context);
  if (!first) throw notFound(id);
  return first;
}

/** Of every route of the caller's that looks for ids from before Tandem. */
export function plansToAsk({ snapshot, namespace, client, caller }: RequestContext): readonly Plan[] {
  const asking = routesFor(snapshot.index, namespace, client).filter(({ foreignIDs }) => foreignIDs === "Probe");
  return asking.map((route) => snapshot.planForResources(route, caller));
}

/** The things of a provider are reached over any route that has it. */
function routeTo(context: RequestContext, home: Provider): Route {
  const { snapshot, namespace, client, caller, request } = context;
  const able = routesFor(snapshot.index, namespace, client).filter((route) =>
    route.backends.some(({ provider }) => provider === home.key),
  );
  const wanted = request.headers[ROUTE_HEADER];
  const named = typeof wanted === "string" ? findRouteByName(snapshot.index, namespace, wanted) : undefined;
  const leads = (one: Route) =>
    snapshot.planForResources(one, caller).targets.some(({ provider }) => provider === home);
  const route = able.find((one) => one === named) ?? able.find(leads) ?? able[0];
  if (!route) throw gone();
  return route;
}

function gone(): GatewayError {
  const message = "What this id names is at a provider that no route of yours has any more.";
  return new GatewayError("resource_not_found", message);
}

function routeWithoutModel(context: RequestContext): Route {
  const { snapshot, namespace, client, request } = context;
  const wanted = request.headers[ROUTE_HEADER];
  const usable = routesFor(snapshot.index, namespace, client);
  if (typeof wanted === "string") {
    const named = findRouteByName(snapshot.index, namespace, wanted);
    if (named && usable.includes(named)) return named;
    throw new GatewayError("route_not_found", `There is no route '${wanted.slice(0, 200)}' that this key may use.`);
  }
  const byDefault = client?.defaultRoute && findRouteByName(snapshot.index, namespace, client.defaultRoute);
  if (byDefault) return byDefault;
  const [only, ...more] = usable;
  if (only && more.length === 0) return only;
  const message = `This call names no model. Name a route in the header '${ROUTE_HEADER}', or set defaultRoute on the AIClient.`;
  throw new GatewayError("route_required", message);
}

/** What sticks a request to its backend, or undefined: the first of the route's rules that finds something. */
export function stickyKeyOf(context: RequestContext): string | undefined {
  for (const rule of context.plan?.sticky ?? []) {
    if ("header" in rule) {
      const value = context.request.headers[rule.header.toLowerCase()];
      if (value !== undefined && value !== "") return String(value);
    } else if (context.body) {
      const { scan } = context.body;
      const value = scalarOf(scan, scan.fields.get(rule.bodyField), LONGEST_STICKY_BYTES);
      if (value !== undefined && value !== null && value !== "") return String(value);
    }
  }
  return undefined;
}

export function modelNotFound(model: string): GatewayError {
  const message = `The model '${model.slice(0, 200)}' does not exist or you do not have access to it. GET /v1/models lists yours.`;
  return new GatewayError("model_not_found", message, { param: "model" });
}
