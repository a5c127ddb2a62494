/**
 * What would happen to one hypothetical request: which backends are considered, which are ruled out and why, and in
 * which order would the others be tried?
 *
 * Uses the same functions as the proxy. What only a running proxy knows (circuits, health) comes in as hints.
 */
import { ANY_MODEL, type Candidate, candidates, type Exclusion, order, type Score, stickyKeyOf } from "./choose.ts";
import { coverOf } from "./commitment.ts";
import { ratesOf } from "./cost.ts";
import { amountOf, costScore, expectedCost } from "./expected-cost.ts";
import { allowedZones, type Caller, permitted } from "./filters.ts";
import { findRoute, indexTable, mayUse } from "./lookup.ts";
import { type FoundPrice, findPrice } from "./prices.ts";
import { firstShares } from "./shares.ts";
import type {
  Client,
  ClientBudget,
  ClientLimits,
  Commitment,
  Concurrency,
  Failover,
  ObjectKey,
  Route,
  RoutingTable,
  Strategy,
} from "./table.ts";
import type { Verdict } from "./verdict.ts";
import type { Zone } from "./zones.ts";

export interface HypotheticalRequest {
  /** Where the caller belongs; a client's key overrides it. */
  readonly namespace: string;
  /** An AIClient, `namespace/name` or a name in `namespace`. Absent: an anonymous caller. */
  readonly client?: string;
  /** What the gateway's settings would say of the caller; what the client says counts before it. */
  readonly residency?: Zone;
  readonly model: string;
  /** By name in any case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Top-level texts of the body, such as `user`. */
  readonly fields?: Readonly<Record<string, string>>;
  /** What strategy Cost reckons with; a running proxy estimates the input and has learned the output. */
  readonly tokens?: { readonly input?: number; readonly output?: number };
  /** Instead of what `sticky` finds in headers and fields. */
  readonly stickyKey?: string;
}

export interface Hints {
  /** What a proxy would skip now. No `model` means all models of the provider; else the gateway's or provider's name. */
  readonly unavailable?: readonly { readonly provider: ObjectKey; readonly model?: string; readonly reason: string }[];
  /** Where rollouts stand, a sentence each, by their routes' keys. */
  readonly rollouts?: ReadonlyMap<ObjectKey, string>;
  /** To tell why something is not in the table. */
  readonly verdicts?: readonly Verdict[];
}

export interface ExplainedBackend {
  readonly backend: string;
  readonly provider: ObjectKey;
  readonly modelName: string;
  readonly upstreamModel: string;
  readonly upstreamKind: "model" | "deployment";
  readonly priority: number;
  readonly weight: number;
  /** Share of all requests of this model that would try it first, 0–1. */
  readonly share: number;
  /** Absent: unpriced. */
  readonly price?: FoundPrice;
  /** What is paid already; under strategy Cost it goes first while it lasts. */
  readonly commitment?: Commitment;
  /** Under strategy Cost: what the request would cost here, in nano-dollars. */
  readonly expectedCost?: number;
  /** Of each proxy's calls to the provider; absent: no limit. */
  readonly concurrency?: Concurrency;
  /** With `failover: Never`: tried when it is drawn first, and never after another failed. */
  readonly onlyFirst: boolean;
}

export interface SkippedBackend extends ExplainedBackend {
  readonly reason: string;
}

export interface Explanation {
  readonly request: HypotheticalRequest;
  readonly namespace: string;
  readonly client?: ObjectKey;
  /** Absent: nothing is known of the caller. */
  readonly residency?: Zone;
  /** The client's own limits. Absent: none. */
  readonly limits?: ClientLimits;
  /** The client's own. Absent: none. What is left of it only its status tells. */
  readonly budget?: ClientBudget;
  /** Where the caller's data may be processed over the route. Absent: anywhere. */
  readonly zones?: readonly Zone[];
  /** What the caller would be told instead of an answer; `code` as in the error's body. */
  readonly refusal?: { readonly code: string; readonly message: string };
  readonly route?: ObjectKey;
  readonly foundBy?: "Name" | "Any";
  readonly strategy?: Strategy;
  readonly stickyKey?: string;
  readonly failover?: Failover;
  /** Of strategy Cost. */
  readonly tokens?: { readonly input: number; readonly output: number };
  /** What is copied elsewhere after the answer; `keptOut`: not for this caller. Absent: nothing is. */
  readonly shadow?: { readonly backend: string; readonly percent: number; readonly keptOut?: true };
  /** Where the route's rollout stands: a sentence. */
  readonly rollout?: string;
  /** In the order of attempts. Without a sticky key the order inside a tier is drawn anew each time; then the likeliest. */
  readonly tried: readonly ExplainedBackend[];
  readonly skipped: readonly SkippedBackend[];
  readonly excluded: readonly Exclusion[];
}

const NOTHING = { tried: [], skipped: [], excluded: [] } as const;

export function explain(table: RoutingTable, request: HypotheticalRequest, hints: Hints = {}): Explanation {
  const index = indexTable(table);
  const client = findClient(table, request);
  const namespace = client?.namespace ?? request.namespace;
  const residency = client?.residency ?? request.residency;
  const who = {
    request,
    namespace,
    ...(client !== undefined && { client: client.key }),
    ...(residency !== undefined && { residency }),
    ...(client?.limits !== undefined && { limits: client.limits }),
    ...(client?.budget !== undefined && { budget: client.budget }),
  };
  if (request.client !== undefined && client === undefined) {
    return { ...who, ...NOTHING, refusal: unknownClient(request, hints) };
  }
  if (!mayUse(client, request.model)) {
    const message = `AIClient ${client?.key} may not ask for ${request.model}: its spec.models does not name it`;
    return { ...who, ...NOTHING, refusal: { code: "model_not_found", message } };
  }
  const route = findRoute(index, namespace, request.model);
  if (route === undefined) {
    const message = `no route serves model ${request.model} for namespace ${namespace}`;
    return { ...who, ...NOTHING, refusal: { code: "model_not_found", message } };
  }
  const foundBy = route.models.includes(request.model) ? "Name" : "Any";
  return { ...who, ...explainRoute(table, route, request, { residency }, hints), foundBy };
}

function findClient(table: RoutingTable, request: HypotheticalRequest): Client | undefined {
  const { client: name } = request;
  if (name === undefined) return undefined;
  const key = name.includes("/") ? name : `${request.namespace}/${name}`;
  return table.clients.find((client) => client.key === key);
}

function unknownClient(request: HypotheticalRequest, hints: Hints): { code: string; message: string } {
  const name = request.client ?? "";
  const key = name.includes("/") ? name : `${request.namespace}/${name}`;
  const why = whyNot(hints.verdicts, "AIClient", key);
  return { code: "invalid_api_key", message: `AIClient ${key} is not in force${why}` };
}

/** `: ` and the first condition that is not true, or nothing. */
function whyNot(verdicts: readonly Verdict[] = [], kind: Verdict["kind"], key: ObjectKey): string {
  const verdict = verdicts.find((v) => v.kind === kind && `${v.namespace}/${v.name}` === key);
  const condition = verdict?.conditions.find((c) => c.status === "False");
  return condition === undefined ? "" : ` (${condition.reason}: ${condition.message.replace(/\.$/, "")})`;
}

function headerOf(request: HypotheticalRequest, name: string): string | undefined {
  const entry = Object.entries(request.headers ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return entry?.[1];
}

function explainRoute(
  table: RoutingTable,
  route: Route,
  request: HypotheticalRequest,
  caller: Caller,
  hints: Hints,
): Omit<Explanation, "request" | "namespace"> {
  const able = candidates(table, route, request.model);
  const { candidates: all, excluded: keptOut } = permitted(route, able.candidates, caller);
  const zones = allowedZones(route, caller);
  const stickyKey = keyOf(route, request);
  const reasons = new Map(all.map((candidate) => [candidate, unavailability(candidate, hints)]));
  const isAvailable = (candidate: Candidate) => reasons.get(candidate) === undefined;
  const tokens = route.strategy === "Cost" ? { ...TYPICAL, ...request.tokens } : undefined;
  const score = tokens && ((candidate: Candidate) => costAt(candidate, tokens).score);
  const shares = firstShares(route, all, isAvailable, score);
  const tell = (candidate: Candidate) => toExplained(candidate, shares.get(candidate.backend.name) ?? 0, tokens);
  const tried = inOrder(route, all, stickyKey, shares, score).filter(isAvailable);
  const skipped = all.filter((candidate) => !isAvailable(candidate));
  const rollout = route.rollout && hints.rollouts?.get(route.key);
  const refusal = tried.length > 0 ? undefined : nobody(route, request, all, keptOut, hints);
  return {
    ...(refusal !== undefined && { refusal }),
    route: route.key,
    ...(zones !== undefined && { zones }),
    strategy: route.strategy,
    ...(stickyKey !== undefined && { stickyKey }),
    failover: route.failover,
    ...shadowOf(route, all),
    ...(rollout !== undefined && { rollout }),
    ...(tokens !== undefined && { tokens }),
    tried: tried.map(tell),
    skipped: skipped.map((candidate) => ({ ...tell(candidate), reason: reasons.get(candidate) ?? "" })),
    excluded: [...able.excluded, ...keptOut].map((exclusion) => withCause(route, exclusion, hints)),
  };
}

function shadowOf({ shadow }: Route, all: readonly Candidate[]): Pick<Explanation, "shadow"> {
  if (shadow === undefined) return {};
  const { backend, percent } = shadow;
  const isAble = all.some((candidate) => candidate.backend.name === backend);
  return { shadow: { backend, percent, ...(!isAble && { keptOut: true as const }) } };
}

function keyOf(route: Route, request: HypotheticalRequest): string | undefined {
  if (request.stickyKey !== undefined) return request.stickyKey;
  const fields = request.fields ?? {};
  return stickyKeyOf(route, (place) =>
    "header" in place
      ? headerOf(request, place.header)
      : Object.hasOwn(fields, place.bodyField)
        ? fields[place.bodyField]
        : undefined,
  );
}

/** With equal draws the heaviest comes first, which is the likeliest order. */
const EVEN_DRAW = 0.5;

/** The order, and where it is drawn anew also those that might be drawn first and are nowhere else in it. */
function inOrder(
  route: Route,
  all: readonly Candidate[],
  stickyKey: string | undefined,
  shares: ReadonlyMap<string, number>,
  score: Score | undefined,
): readonly Candidate[] {
  const [first, ...rest] = order(route, all, stickyKey, () => EVEN_DRAW, score);
  if (first === undefined) return [];
  if (stickyKey !== undefined) return [first, ...rest];
  const alsoFirst = all.filter((c) => c !== first && !rest.includes(c) && (shares.get(c.backend.name) ?? 0) > 0);
  return [first, ...alsoFirst, ...rest];
}

function unavailability(candidate: Candidate, hints: Hints): string | undefined {
  const hint = hints.unavailable?.find(
    ({ provider, model }) =>
      provider === candidate.provider.key &&
      (model === undefined || model === candidate.modelName || model === candidate.upstreamModel),
  );
  return hint?.reason;
}

/** Of a request that says nothing of itself. */
const TYPICAL: Tokens = { input: 1000, output: 250 };

type Tokens = NonNullable<Explanation["tokens"]>;

/** With commitments unused: how much of them is left, only a running proxy knows. */
function costAt({ provider, model, modelName }: Candidate, { input, output }: Tokens): { cost: number; score: number } {
  const found = findPrice(provider, model, modelName);
  const rates = found && ratesOf(found.price);
  const operation = PAID_BY.find(([field]) => found?.price[field] !== undefined)?.[1] ?? "embeddings";
  const expected = { operation, input, cachedInput: 0, output, choices: 1 };
  const cover = model.commitment && coverOf(model.commitment);
  const covered = cover && amountOf(cover.unit, rates, expected) <= cover.perWindow;
  return { cost: expectedCost(rates, expected), score: costScore(rates, expected, covered) };
}

/** What a model is for, as far as its price tells. */
const PAID_BY = [
  ["perImage", "images/generations"],
  ["perMillionCharacters", "audio/speech"],
  ["perMinute", "audio/transcriptions"],
  ["output", "chat/completions"],
] as const;

function toExplained(candidate: Candidate, share: number, tokens: Tokens | undefined): ExplainedBackend {
  const { backend, provider, model, modelName, upstreamModel } = candidate;
  const price = findPrice(provider, model, modelName);
  const cost = tokens && costAt(candidate, tokens).cost;
  return {
    backend: backend.name,
    provider: provider.key,
    modelName,
    upstreamModel,
    upstreamKind: provider.type === "AzureOpenAI" ? "deployment" : "model",
    priority: backend.priority,
    weight: backend.weight,
    share,
    ...(price !== undefined && { price }),
    ...(model.commitment !== undefined && { commitment: model.commitment }),
    ...(cost !== undefined && cost < Number.POSITIVE_INFINITY && { expectedCost: cost }),
    ...(provider.concurrency !== undefined && { concurrency: provider.concurrency }),
    onlyFirst: backend.failover === "Never",
  };
}

function nobody(
  route: Route,
  request: HypotheticalRequest,
  all: readonly Candidate[],
  keptOut: readonly Exclusion[],
  hints: Hints,
) {
  if (all.length > 0) {
    return { code: "no_backend_available", message: `no backend of route ${route.key} may answer now` };
  }
  if (keptOut.length > 0) {
    return { code: "residency_unsatisfiable", message: `nothing that route ${route.key} has may serve this caller` };
  }
  const isAny = route.models.includes(ANY_MODEL) && !route.models.includes(request.model);
  const why = whyNot(hints.verdicts, "AIRoute", route.key);
  const message = `no backend of route ${route.key} serves model ${request.model}${why}`;
  return { code: isAny ? "model_not_found" : "no_backend_available", message };
}

function withCause(route: Route, exclusion: Exclusion, hints: Hints): Exclusion {
  const backend = route.backends.find(({ name }) => name === exclusion.backend);
  if (exclusion.reason !== "ProviderGone" || backend === undefined) return exclusion;
  return { ...exclusion, message: exclusion.message + whyNot(hints.verdicts, "AIProvider", backend.provider) };
}
