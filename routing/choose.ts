/**
 * Which backends can serve a request, and in which order are they tried?
 *
 * Tiers by priority; inside a tier weighted rendezvous hashing: every backend scores −ln(u) ÷ weight, where u is drawn
 * from (route, backend, sticky key), and the lowest score is first. So all proxies agree without shared state,
 * a changed weight moves only the keys it must, and the next score is the sticky failover target.
 * https://en.wikipedia.org/wiki/Rendezvous_hashing#Weighted_rendezvous_hash
 */
import { hash } from "node:crypto";
import { findPrice } from "./prices.ts";
import type { Backend, Model, Provider, Route, RoutingTable, StickyKey } from "./table.ts";
import type { Zone } from "./zones.ts";

/** The name by which a route claims every model that no other route of its namespace claims. */
export const ANY_MODEL = "*";

export interface Candidate {
  readonly backend: Backend;
  readonly provider: Provider;
  readonly model: Model;
  /** The gateway's name of the model that this backend uses. */
  readonly modelName: string;
  /** What the provider calls it: Azure's deployment, OpenAI's model. */
  readonly upstreamModel: string;
  /** Where it may process what it is sent. Empty: anywhere. */
  readonly zones: readonly Zone[];
}

export type ExclusionReason = "ProviderGone" | "ModelNotOffered" | "ResidencyNotAllowed" | "Unpriced";

/** How a strategy ranks the backends of one tier: the lowest first; equal ones are drawn by weight. */
export type Score<One extends Candidate = Candidate> = (candidate: One) => number;

export interface Exclusion {
  readonly backend: string;
  readonly reason: ExclusionReason;
  readonly message: string;
}

/** The backends of a route that can serve a model, as written, and why the others cannot. Who may be served: `permitted`. */
export function candidates(
  table: Pick<RoutingTable, "providers">,
  route: Route,
  requestedModel: string,
): { candidates: readonly Candidate[]; excluded: readonly Exclusion[] } {
  const found: Candidate[] = [];
  const excluded: Exclusion[] = [];
  const isNamed = requestedModel !== ANY_MODEL && route.models.includes(requestedModel);
  const asked = isNamed || !route.models.includes(ANY_MODEL) ? "named" : "any";
  for (const backend of route.backends) {
    const provider = Object.hasOwn(table.providers, backend.provider) ? table.providers[backend.provider] : undefined;
    if (provider === undefined) {
      excluded.push({
        backend: backend.name,
        reason: "ProviderGone",
        message: `AIProvider ${backend.provider} is not in force`,
      });
      continue;
    }
    const modelName = backend.model ?? requestedModel;
    const model = offered(provider, modelName, asked);
    if (model === undefined) excluded.push(notOffered(backend, provider, modelName));
    else if (isUnpriced(route, provider, model, modelName)) excluded.push(unpriced(backend, provider, modelName));
    else
      found.push({
        backend,
        provider,
        model,
        modelName,
        upstreamModel: model.upstream,
        zones: zonesOf(provider, model),
      });
  }
  return { candidates: found, excluded };
}

/**
 * Where things go that belong to a provider and not to a model, files and batches for example: every provider of the
 * route once, with the backend that names it first. The model is one that the backend could use, for what is sent with it.
 */
export function resourceCandidates(table: RoutingTable, route: Route): readonly Candidate[] {
  const found = new Map<string, Candidate>();
  for (const backend of route.backends) {
    const provider = Object.hasOwn(table.providers, backend.provider) ? table.providers[backend.provider] : undefined;
    if (provider === undefined || found.has(provider.key)) continue;
    const { zones = ANYWHERE } = provider;
    found.set(provider.key, { backend, provider, model: { upstream: "" }, modelName: "", upstreamModel: "", zones });
  }
  return [...found.values()];
}

const ANYWHERE: readonly Zone[] = [];

/** On Azure each deployment is a promise of its own, on OpenAI the project is. */
function zonesOf(provider: Provider, model: Model): readonly Zone[] {
  return (provider.type === "AzureOpenAI" ? model.zones : provider.zones) ?? ANYWHERE;
}

function notOffered(backend: Backend, provider: Provider, modelName: string): Exclusion {
  return {
    backend: backend.name,
    reason: "ModelNotOffered",
    message: `AIProvider ${provider.key} does not list model ${modelName}`,
  };
}

function isUnpriced(route: Route, provider: Provider, model: Model, modelName: string): boolean {
  if (route.cost?.unpriced !== "Exclude") return false;
  // Bought throughput is paid already and needs no price.
  return model.commitment?.tokensPerMinute === undefined && findPrice(provider, model, modelName) === undefined;
}

function unpriced(backend: Backend, provider: Provider, modelName: string): Exclusion {
  return {
    backend: backend.name,
    reason: "Unpriced",
    message: `AIProvider ${provider.key} has no price for model ${modelName}, nor has the shipped list`,
  };
}

/**
 * What a provider makes of a model name. An OpenAI provider takes any name as it is when it lists none, or when the
 * route claims `*` (`asked` is `any`); an Azure provider only names it has a deployment for.
 */
export function offered(provider: Provider, modelName: string, asked: "named" | "any"): Model | undefined {
  if (Object.hasOwn(provider.models, modelName)) return provider.models[modelName];
  if (provider.type !== "OpenAI") return undefined;
  const takesAny = asked === "any" || Object.keys(provider.models).length === 0;
  return takesAny ? { upstream: modelName } : undefined;
}

/** The key of the conversation: the first place of `sticky` that holds something. `read` looks into the request. */
export function stickyKeyOf(route: Route, read: (place: StickyKey) => string | undefined): string | undefined {
  for (const place of route.sticky) {
    const key = read(place);
    if (key !== undefined && key !== "") return key;
  }
  return undefined;
}

/**
 * The whole order of attempts. Give it all candidates and skip those that are unavailable afterwards: a backend that
 * says `failover: Never` is in the order only when it is drawn first, never because others fail.
 *
 * A backend of weight 0 comes after the weighted ones of its tier; a tier without weight takes no traffic of its own
 * and so stands behind the first tier that has some. `rng` gives numbers in [0, 1) and is used when there is no key.
 * A strategy's `score` goes before the draw, within the weighted and within those of weight 0.
 */
export function order<One extends Candidate>(
  route: Route,
  all: readonly One[],
  stickyKey: string | undefined,
  rng: () => number,
  score?: Score<One>,
): readonly One[] {
  const ranked: One[] = [];
  for (const [i, tier] of tiers(all).entries()) {
    const drawn = drawTier(route, tier, stickyKey, rng, score);
    const mayBeFirst = i === 0;
    ranked.push(...drawn.filter((c, place) => c.backend.failover === "Allowed" || isDraw(c, mayBeFirst, place)));
  }
  return route.failover.fallbackToNext ? ranked : ranked.slice(0, 1);
}

function isDraw(candidate: Candidate, mayBeFirst: boolean, place: number): boolean {
  return mayBeFirst && place === 0 && candidate.backend.weight > 0;
}

/** By priority, except that the first tier with weight leads. */
export function tiers<One extends Candidate>(all: readonly One[]): readonly (readonly One[])[] {
  const byPriority = new Map<number, One[]>();
  for (const candidate of all) {
    const tier = byPriority.get(candidate.backend.priority);
    if (tier === undefined) byPriority.set(candidate.backend.priority, [candidate]);
    else tier.push(candidate);
  }
  if (byPriority.size < 2) return [...byPriority.values()];
  const sorted = [...byPriority.entries()].sort(([a], [b]) => a - b).map(([, tier]) => tier);
  const lead = sorted.findIndex((tier) => tier.some((c) => c.backend.weight > 0));
  if (lead > 0) sorted.unshift(...sorted.splice(lead, 1));
  return sorted;
}

function drawTier<One extends Candidate>(
  route: Route,
  tier: readonly One[],
  stickyKey: string | undefined,
  rng: () => number,
  score: Score<One> | undefined,
): readonly One[] {
  if (tier.length === 1) return tier;
  const scored = tier.map((candidate) => {
    const u = stickyKey === undefined ? 1 - rng() : uniform(route.uid, candidate.backend.name, stickyKey);
    const { weight } = candidate.backend;
    const draw = -Math.log(u) / (weight === 0 ? 1 : weight);
    return { candidate, idle: weight === 0, score: score?.(candidate) ?? 0, draw };
  });
  // Two infinite scores are equal, and their difference is no number.
  scored.sort((a, b) => Number(a.idle) - Number(b.idle) || a.score - b.score || a.draw - b.draw);
  return scored.map((entry) => entry.candidate);
}

/** 2^52: so many hash bits are used, which a double holds exactly with a half added. */
const UNIFORM_STEPS = 2 ** 52;
const UNIFORM_HEX_DIGITS = 13;

/** A number in (0, 1), the same for the same three texts on every machine. */
function uniform(routeUid: string, backend: string, key: string): number {
  const digest = hash("sha256", `${routeUid}\n${backend}\n${key}`, "hex");
  return (Number.parseInt(digest.slice(0, UNIFORM_HEX_DIGITS), 16) + 0.5) / UNIFORM_STEPS;
}
