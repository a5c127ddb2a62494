/**
 * Which objects do the same as a gateway's YAML of old?
 *
 * One route for every listed model and a `*` route for `default_provider`. Health endpoints become relative to the API
 * base, and the names of the variables that hold keys are kept.
 */
import type { Seed, SeedProvider } from "./seed.ts";

const NAMESPACE = "default";
const SECRET_KEY = "api-key";
const ANY_MODEL = "*";
const LONGEST_NAME = 253;

export interface Converted {
  readonly manifests: readonly object[];
  /** For the person who converts. */
  readonly notes: readonly string[];
}

interface ModelEntry {
  readonly name: string;
  readonly deployment?: string;
}

/** A provider of old, and what the manifests call it. */
interface Entry {
  readonly key: string;
  readonly name: string;
  readonly provider: SeedProvider;
  readonly models: readonly ModelEntry[];
}

interface Work {
  readonly seed: Seed;
  readonly notes: string[];
}

export function manifestsOf(seed: Seed): Converted {
  const work: Work = { seed, notes: [] };
  const names = new Names();
  const entries = Object.entries(seed.providers).map(([key, provider]): Entry => {
    return { key, name: names.of(key), provider, models: modelsOf(work, key, provider) };
  });
  // Also what only Azure lists.
  const listed = new Set(entries.flatMap(({ models }) => models.map(({ name }) => name)));
  const routeNames = new Names();
  const manifests = [
    ...entries.map(secretObject),
    ...entries.map((entry) => providerObject(work, entry)),
    ...Array.from(listed, (model) => routeObject(work, routeNames.of(model), model, backendsFor(work, entries, model))),
    routeObject(
      work,
      routeNames.of("any"),
      ANY_MODEL,
      entries.filter(({ key }) => key === seed.routing.default_provider),
    ),
  ];
  work.notes.push(
    "note: callers need keys: add an AIClient with its Secret, or try it with tandem run --allow-anonymous default",
  );
  return { manifests, notes: work.notes };
}

function object(apiVersion: string, kind: string, name: string, rest: object): object {
  return { apiVersion, kind, metadata: { name, namespace: NAMESPACE }, ...rest };
}

function secretObject({ name, provider }: Entry): object {
  return object("v1", "Secret", name, { stringData: { [SECRET_KEY]: provider.api_key } });
}

function providerObject(work: Work, { key, name, provider, models }: Entry): object {
  const { failover } = work.seed;
  const checks = failover.providers[key];
  const { enabled, failure_threshold, recovery_timeout } = failover.circuit_breaker;
  const spec = {
    type: provider.type === "openai" ? "OpenAI" : "AzureOpenAI",
    endpoint: provider.type === "openai" ? provider.base_url : provider.endpoint,
    apiVersion: provider.type === "azure" ? provider.api_version : undefined,
    auth: { apiKey: { secretRef: { name, key: SECRET_KEY } } },
    models,
    health: {
      path: checks?.health_endpoint && healthPath(work, key, provider, checks.health_endpoint),
      interval: failover.health_check_interval,
      timeout: checks?.timeout,
      failureThreshold: failover.failure_threshold,
    },
    circuitBreaker: { enabled, failureThreshold: failure_threshold, recoveryTimeout: recovery_timeout },
  };
  return object("tandem.dev/v1alpha1", "AIProvider", name, { spec: present(spec) });
}

/** By the names that applications ask for: `model_mapping` first, then what the provider lists itself. */
function modelsOf(work: Work, key: string, provider: SeedProvider): ModelEntry[] {
  const models = new Map<string, ModelEntry>();
  for (const [name, targets] of Object.entries(work.seed.routing.model_mapping)) {
    const target = targets[key] ?? targets[provider.type];
    if (target === undefined) continue;
    if (provider.type === "azure") models.set(name, { name, deployment: target });
    else if (target === name) models.set(name, { name });
    else work.notes.push(renamed(key, name, target));
  }
  const own = provider.type === "azure" ? deploymentsOf(provider.deployments, models) : provider.models;
  for (const one of own) {
    const entry = typeof one === "string" ? { name: one } : one;
    if (!models.has(entry.name)) models.set(entry.name, entry);
  }
  return [...models.values()];
}

function renamed(key: string, name: string, target: string): string {
  return `warning: routing.model_mapping.${name}: at ${key} it is '${target}'; add that model there, and set backends[].model on a route for ${name}`;
}

/** Those that the mapping has not given another name. */
function deploymentsOf(deployments: Readonly<Record<string, string>>, mapped: ReadonlyMap<string, ModelEntry>) {
  const used = new Set(Array.from(mapped.values(), ({ deployment }) => deployment));
  return Object.entries(deployments)
    .filter(([deployment]) => !used.has(deployment))
    .map(([deployment, name]): ModelEntry => ({ name, deployment }));
}

/** Who offers the model: the default first, then the fallback, then the others as they are written. */
function backendsFor({ seed }: Work, entries: readonly Entry[], model: string): Entry[] {
  const { default_provider, fallback_provider } = seed.routing;
  const rank = ({ key }: Entry) => (key === default_provider ? 0 : key === fallback_provider ? 1 : 2);
  return entries.filter(({ models }) => models.some(({ name }) => name === model)).sort((a, b) => rank(a) - rank(b));
}

function routeObject({ seed }: Work, name: string, model: string, entries: readonly Entry[]): object {
  const { on_failure, providers } = seed.failover;
  const backends = entries.map((entry, i) => ({
    name: entry.name,
    providerRef: { name: entry.name },
    priority: providers[entry.key]?.priority ?? i + 1,
  }));
  const failover = { retrySameProvider: on_failure.retry_same_provider, fallbackToNext: on_failure.fallback_to_next };
  return object("tandem.dev/v1alpha1", "AIRoute", name, { spec: present({ models: [model], backends, failover }) });
}

/** `/v1/models` becomes `/models`. Azure's `/deployments` left its API in 2023. */
function healthPath({ notes }: Work, key: string, provider: SeedProvider, path: string): string {
  if (provider.type === "azure" && /\/deployments\/?$/.test(path)) {
    notes.push(`warning: failover.providers.${key}.health_endpoint: Azure has no ${path} any more; /models is checked`);
    return "/models";
  }
  return path.replace(/^(\/openai)?\/v1(?=\/)/, "").replace(/\?.*$/, "");
}

/** Objects' names, each given once. */
class Names {
  readonly #given = new Set<string>();

  of(text: string): string {
    const base = text
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, "-")
      .replace(/[^a-z0-9]*\.[^a-z0-9]*/g, ".")
      .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
      .slice(0, LONGEST_NAME);
    const wanted = base === "" ? "model" : base;
    let name = wanted;
    for (let i = 2; this.#given.has(name); i++) name = `${wanted}-${i}`;
    this.#given.add(name);
    return name;
  }
}

/** Without what was not said. */
function present(value: object): object {
  return JSON.parse(JSON.stringify(value)) as object;
}
