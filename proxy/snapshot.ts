/**
 * Which table is in force, made ready to serve?
 *
 * Immutable: a request holds the snapshot that it began with. What a request needs of a backend (connections, auth
 * header, path, breaker) is worked out once and kept here.
 */
import { type Candidate, candidates, type Exclusion, order, resourceCandidates, tiers } from "../routing/choose.ts";
import { type Rates, ratesOf } from "../routing/cost.ts";
import { type Caller, permitted } from "../routing/filters.ts";
import { findRoute, modelsOfDeployment, type TableIndex } from "../routing/lookup.ts";
import { findPrice } from "../routing/prices.ts";
import type { Credentials, Redacted } from "../routing/secrets.ts";
import { hmacOf } from "../routing/secrets.ts";
import type { Client, ObjectKey, Provider, Route, RoutingTable, StickyKey } from "../routing/table.ts";
import type { Authorization } from "./authorization/authorization.ts";
import type { Call, Dialect } from "./dialects/dialect.ts";
import { dialectOf } from "./dialects/dialects.ts";
import { type FieldRules, fieldRulesFor } from "./dialects/fields.ts";
import type { Operation } from "./dialects/operations.ts";
import { Affinity, homeOf } from "./ids/affinity.ts";
import { keyFrom, type Signer, signerOf } from "./realtime/sealing.ts";
import { SHADOW_FIELDS } from "./shadow/eligible.ts";
import type { Learned } from "./strategy/learned.ts";
import type { Ledger } from "./strategy/ledger.ts";
import type { Strategies } from "./strategy/strategies.ts";
import type { Places } from "./upstream/concurrency.ts";
import type { Dispatcher } from "./upstream/connections.ts";
import type { AvailabilityHandle, Upstreams } from "./upstream/upstreams.ts";

/** Plans kept per snapshot: `*` routes take any name, so there is no natural bound. */
const KEPT_PLANS = 4096;
/** Keys remembered per snapshot, so that a known caller costs a look-up and no hash. */
const KEPT_KEYS = 65_536;

/** A backend ready to be called. */
export interface Target extends Candidate {
  readonly dialect: Dialect;
  readonly dispatcher: Dispatcher;
  readonly availability: AvailabilityHandle;
  readonly places: Places;
  readonly origin: string;
  readonly host: string;
  /** Its `header` is read for each request: a token does not last as long as a snapshot. */
  readonly authorization: Authorization;
  /** The upstream's name as JSON text, to put into bodies. */
  readonly modelJSON: Buffer;
  /** Where an operation has the deployment in its path, the body's `model` is ignored. */
  readonly modelInPath: boolean;
  readonly requestTimeout: number;
  readonly firstByteTimeout: number;
  readonly firstTokenTimeout: number | undefined;
  readonly idleTimeout: number;
  /** Undefined: unpriced. */
  readonly rates: Rates | undefined;
  /** What such requests use; only where the route's strategy asks. */
  readonly learned: Learned | undefined;
  /** Of its commitment, under whichever strategy. */
  readonly ledger: Ledger | undefined;
  /** By operation: the path of calls without a query of their own. */
  readonly paths: Map<Operation, string | undefined>;
  /** By operation: what happens to fields of its requests. */
  readonly fieldRules: Map<Operation, FieldRules | undefined>;
}

/** What a route makes of a model name, the same for every request of such callers in this snapshot. */
export interface Plan {
  readonly route: Route;
  readonly model: string;
  /** Those that may serve the caller: nothing else may be asked. */
  readonly targets: readonly Target[];
  readonly excluded: readonly Exclusion[];
  /** Of these, the ones that could serve the model and may not serve the caller. */
  readonly keptOut: readonly Exclusion[];
  /** Where no tier has a choice to make, the order is always this. */
  readonly fixedOrder: readonly Target[] | undefined;
  readonly sticky: readonly StickyKey[];
  /** Some backend has a commitment. */
  readonly hasCommitment: boolean;
}

/** A plan before it is known who asks: never seen outside, so that nothing can be sent where a caller's data may not go. */
interface WholePlan {
  readonly plan: Plan;
  readonly fix: FixOrder;
  /** By residency. */
  readonly narrowed: Map<Caller["residency"], Plan>;
}

/** The order where there is no choice to make. */
type FixOrder = (route: Route, targets: readonly Target[]) => readonly Target[] | undefined;

/** What a table needs that must not stand in it. */
export interface Secrets {
  readonly credentials: Credentials;
  /** Under which the clients' keys in the table are hashed. */
  readonly pepper: Redacted;
  /** Sign the ids of things at providers: the first signs, all are good to read. */
  readonly idKeys: readonly Redacted[];
}

export class Snapshot {
  readonly table: RoutingTable;
  readonly hash: string;
  readonly index: TableIndex;
  readonly credentials: Credentials;
  readonly affinity: Affinity;
  /** Seals what must not be read on its way through a caller. */
  readonly signer: Signer;
  readonly #upstreams: Upstreams;
  readonly #strategies: Strategies;
  readonly #pepper: Redacted;
  readonly #plans = new Map<string, WholePlan>();
  readonly #resourcePlans = new Map<Route, WholePlan>();
  readonly #clients = new Map<string, Client>();
  #clientNames: ReadonlySet<ObjectKey> | undefined;
  readonly #deployments = new Map<string, readonly string[]>();
  #homes: ReadonlyMap<string, Provider> | undefined;
  #bodyFields: ReadonlySet<string> | undefined;

  constructor(index: TableIndex, hash: string, secrets: Secrets, upstreams: Upstreams, strategies: Strategies) {
    this.table = index.table;
    this.hash = hash;
    this.index = index;
    this.credentials = secrets.credentials;
    this.affinity = new Affinity(secrets.idKeys);
    this.signer = signerOf(secrets.idKeys.map((key) => keyFrom(key, "tandem realtime")));
    this.#pepper = secrets.pepper;
    this.#upstreams = upstreams;
    this.#strategies = strategies;
  }

  /** What is read of a body: what every request needs and what some route's sticky rule reads. */
  bodyFields(always: readonly string[]): ReadonlySet<string> {
    this.#bodyFields ??= new Set([...always, ...this.index.stickyFields, ...this.#shadowFields()]);
    return this.#bodyFields;
  }

  /** Only where some route copies something: nobody else's bodies are read for it. */
  #shadowFields(): readonly string[] {
    return this.table.routes.some(({ shadow }) => shadow !== undefined) ? SHADOW_FIELDS : [];
  }

  /** The client that a key belongs to. Keys in the table are HMACs; a key that was right is remembered. */
  clientOf(key: string): Client | undefined {
    const known = this.#clients.get(key);
    if (known) return known;
    const client = this.index.clients.get(hmacOf(this.#pepper, key));
    if (client && this.#clients.size < KEPT_KEYS) this.#clients.set(key, client);
    return client;
  }

  /** By its name: asked where no key is at hand. */
  hasClient(key: ObjectKey): boolean {
    this.#clientNames ??= new Set(this.table.clients.map((client) => client.key));
    return this.#clientNames.has(key);
  }

  /** The plan for a model asked from a namespace; undefined when no route holds the name. */
  planFor(namespace: string, model: string, caller: Caller): Plan | undefined {
    const name = `${namespace}\n${model}`;
    let whole = this.#plans.get(name);
    if (!whole) {
      const route = findRoute(this.index, namespace, model);
      if (!route) return undefined;
      const { candidates: found, excluded } = candidates(this.table, route, model);
      whole = this.#wholePlan({ route, model, excluded, keptOut: [], sticky: route.sticky }, found, onlyOrder);
      if (this.#plans.size < KEPT_PLANS) this.#plans.set(name, whole);
    }
    return narrow(whole, caller);
  }

  /** Where calls go that name no model: every provider of the route once, in the order of its backends. */
  planForResources(route: Route, caller: Caller): Plan {
    let whole = this.#resourcePlans.get(route);
    if (!whole) {
      const found = resourceCandidates(this.table, route);
      whole = this.#wholePlan({ route, model: "", excluded: [], keptOut: [], sticky: [] }, found, makers);
      if (this.#resourcePlans.size < KEPT_PLANS) this.#resourcePlans.set(route, whole);
    }
    return narrow(whole, caller);
  }

  #wholePlan(
    facts: Omit<Plan, "targets" | "fixedOrder" | "hasCommitment">,
    found: readonly Candidate[],
    fix: FixOrder,
  ): WholePlan {
    const targets = found.map((candidate) => this.#target(candidate, facts.route));
    const hasCommitment = targets.some(({ ledger }) => ledger !== undefined);
    const plan = { ...facts, targets, hasCommitment, fixedOrder: fix(facts.route, targets) };
    return { plan, fix, narrowed: new Map() };
  }

  /** The provider whose things carry this home in their ids. */
  providerAt(home: string): Provider | undefined {
    this.#homes ??= new Map(Object.values(this.table.providers).map((provider) => [homeOf(provider), provider]));
    return this.#homes.get(home);
  }

  /** Names of the models that a namespace's callers may reach and that some provider serves by this deployment. */
  modelsOfDeployment(namespace: string, deployment: string): readonly string[] {
    const name = `${namespace}\n${deployment}`;
    const known = this.#deployments.get(name);
    if (known) return known;
    const models = modelsOfDeployment(this.index, namespace, deployment);
    if (this.#deployments.size < KEPT_PLANS) this.#deployments.set(name, models);
    return models;
  }

  #target(candidate: Candidate, route: Route): Target {
    const { provider, model } = candidate;
    const dialect = dialectOf(provider);
    const url = new URL(provider.endpoint);
    const timeouts = { ...provider.timeouts, ...model.timeouts };
    const { commitment } = model;
    const found = findPrice(provider, model, candidate.modelName);
    return {
      ...candidate,
      dialect,
      dispatcher: this.#upstreams.dispatcherFor(provider, this.credentials),
      availability: this.#upstreams.availability.handle(provider, candidate.modelName),
      places: this.#upstreams.places.of(provider),
      origin: url.origin,
      host: url.host,
      authorization: this.#upstreams.authorizationOf(provider, this.credentials),
      modelJSON: Buffer.from(JSON.stringify(candidate.upstreamModel)),
      modelInPath: dialect.modelInPath(provider, model),
      requestTimeout: timeouts.request,
      firstByteTimeout: timeouts.firstByte,
      firstTokenTimeout: timeouts.firstToken,
      idleTimeout: timeouts.idle,
      rates: found && ratesOf(found.price),
      learned: route.strategy === "Cost" ? this.#strategies.learnedOf(route.key, candidate.modelName) : undefined,
      ledger: commitment && this.#strategies.ledgerOf(provider.key, candidate.modelName, commitment),
      paths: new Map(),
      fieldRules: new Map(),
    };
  }
}

/** With only the backends that may serve the caller; made once for each residency. */
function narrow({ plan, fix, narrowed }: WholePlan, caller: Caller): Plan {
  const known = narrowed.get(caller.residency);
  if (known) return known;
  const { candidates: targets, excluded: keptOut } = permitted(plan.route, plan.targets, caller);
  const excluded = [...plan.excluded, ...keptOut];
  const fixedOrder = fix(plan.route, targets);
  const made = keptOut.length === 0 ? plan : { ...plan, targets, excluded, keptOut, fixedOrder };
  narrowed.set(caller.residency, made);
  return made;
}

function onlyOrder(route: Route, targets: readonly Target[]): readonly Target[] | undefined {
  const choice = tiers(targets).some((tier) => tier.length > 1);
  return choice ? undefined : (order(route, targets, undefined, () => 0) as readonly Target[]);
}

/** What another backend keeps stays within reach, but nothing new is made there. */
function makers(_route: Route, targets: readonly Target[]): readonly Target[] {
  return tiers(targets.filter(({ backend }) => backend.failover !== "Never")).flat();
}

/** The name to put into a body's `model`, as JSON text; undefined when the body goes as it is. */
export function bodyModelAt(target: Target, operation: Operation): Buffer | undefined {
  return target.modelInPath && operation.azureDated === "deployment" ? undefined : target.modelJSON;
}

/** Path and query of an operation at a target; undefined when its provider's form does not have it. */
export function pathAt(target: Target, operation: Operation, path: string, query: string): string | undefined {
  const call: Call = { operation, path, query, model: target.model, upstream: target.upstreamModel };
  if (query !== "" || path !== operation.name) return target.dialect.path(target.provider, call);
  if (target.paths.has(operation)) return target.paths.get(operation);
  const known = target.dialect.path(target.provider, call);
  target.paths.set(operation, known);
  return known;
}

/** What happens to fields of an operation's requests at a target; undefined where nothing can. */
export function fieldRulesAt(target: Target, operation: Operation): FieldRules | undefined {
  if (target.fieldRules.has(operation)) return target.fieldRules.get(operation);
  const rules = fieldRulesFor(operation.name, target);
  target.fieldRules.set(operation, rules);
  return rules;
}
