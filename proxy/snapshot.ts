/**
 * Which table is in force, made ready to serve?
 *
 * Immutable: a request holds the snapshot that it began with. What a request needs of a backend (connections, auth
 * header, path, breaker) is worked out once and kept here.
 */
import { type Candidate, candidates, order, resourceCandidates, tiers } from "../routing/choose.ts";
import { findRoute, modelsOfDeployment, type TableIndex } from "../routing/lookup.ts";
import type { Credentials, Redacted } from "../routing/secrets.ts";
import { hmacOf } from "../routing/secrets.ts";
import type { Client, Provider, Route, RoutingTable, StickyKey } from "../routing/table.ts";
import type { Authorization } from "./authorization/authorization.ts";
import type { Call, Dialect } from "./dialects/dialect.ts";
import { dialectOf } from "./dialects/dialects.ts";
import { type FieldRules, fieldRulesFor } from "./dialects/fields.ts";
import type { Operation } from "./dialects/operations.ts";
import { Affinity, homeOf } from "./ids/affinity.ts";
import { keyFrom, type Signer, signerOf } from "./realtime/sealing.ts";
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
  /** By operation: the path of calls without a query of their own. */
  readonly paths: Map<Operation, string | undefined>;
  /** By operation: what happens to fields of its requests. */
  readonly fieldRules: Map<Operation, FieldRules | undefined>;
}

/** What a route makes of a model name, the same for every request of this snapshot. */
export interface Plan {
  readonly route: Route;
  readonly model: string;
  readonly targets: readonly Target[];
  readonly excluded: readonly { readonly backend: string; readonly reason: string; readonly message: string }[];
  /** Where no tier has a choice to make, the order is always this. */
  readonly fixedOrder: readonly Target[] | undefined;
  readonly sticky: readonly StickyKey[];
}

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
  readonly #pepper: Redacted;
  readonly #plans = new Map<string, Plan>();
  readonly #clients = new Map<string, Client>();
  readonly #deployments = new Map<string, readonly string[]>();
  #homes: ReadonlyMap<string, Provider> | undefined;
  #bodyFields: ReadonlySet<string> | undefined;

  constructor(index: TableIndex, hash: string, secrets: Secrets, upstreams: Upstreams) {
    this.table = index.table;
    this.hash = hash;
    this.index = index;
    this.credentials = secrets.credentials;
    this.affinity = new Affinity(secrets.idKeys);
    this.signer = signerOf(secrets.idKeys.map((key) => keyFrom(key, "tandem realtime")));
    this.#pepper = secrets.pepper;
    this.#upstreams = upstreams;
  }

  /** What is read of a body: what every request needs and what some route's sticky rule reads. */
  bodyFields(always: readonly string[]): ReadonlySet<string> {
    this.#bodyFields ??= new Set([...always, ...this.index.stickyFields]);
    return this.#bodyFields;
  }

  /** The client that a key belongs to. Keys in the table are HMACs; a key that was right is remembered. */
  clientOf(key: string): Client | undefined {
    const known = this.#clients.get(key);
    if (known) return known;
    const client = this.index.clients.get(hmacOf(this.#pepper, key));
    if (client && this.#clients.size < KEPT_KEYS) this.#clients.set(key, client);
    return client;
  }

  /** The plan for a model asked from a namespace; undefined when no route holds the name. */
  planFor(namespace: string, model: string): Plan | undefined {
    const name = `${namespace}\n${model}`;
    const known = this.#plans.get(name);
    if (known) return known;
    const route = findRoute(this.index, namespace, model);
    if (!route) return undefined;
    const plan = this.planOf(route, model);
    if (this.#plans.size < KEPT_PLANS) this.#plans.set(name, plan);
    return plan;
  }

  planOf(route: Route, model: string): Plan {
    const found = candidates(this.table, route, model);
    const targets = found.candidates.map((candidate) => this.#target(candidate));
    const choice = tiers(targets).some((tier) => tier.length > 1);
    const fixedOrder = choice ? undefined : (order(route, targets, undefined, () => 0) as readonly Target[]);
    return { route, model, targets, excluded: found.excluded, fixedOrder, sticky: route.sticky };
  }

  /** Where calls go that name no model: every provider of the route once, in the order of its backends. */
  planForResources(route: Route): Plan {
    const name = `resources\n${route.key}`;
    const known = this.#plans.get(name);
    if (known) return known;
    const targets = resourceCandidates(this.table, route).map((candidate) => this.#target(candidate));
    // What another backend keeps stays within reach, but nothing new is made there.
    const makers = targets.filter(({ backend }) => backend.failover !== "Never");
    const fixedOrder = tiers(makers).flat();
    const plan = { route, model: "", targets, excluded: [], fixedOrder, sticky: [] };
    if (this.#plans.size < KEPT_PLANS) this.#plans.set(name, plan);
    return plan;
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

  #target(candidate: Candidate): Target {
    const { provider, model } = candidate;
    const dialect = dialectOf(provider);
    const url = new URL(provider.endpoint);
    const timeouts = { ...provider.timeouts, ...model.timeouts };
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
      paths: new Map(),
      fieldRules: new Map(),
    };
  }
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
