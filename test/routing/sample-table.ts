/** What does a small table look like? Builders for tests that need one without the compiler. */
import type { Backend, Client, Provider, Route, RoutingTable, Sharing } from "../../routing/table.ts";

export function provider(key: string, type: Provider["type"], models: readonly string[]): Provider {
  const [namespace = "", name = ""] = key.split("/");
  return {
    key,
    namespace,
    name,
    type,
    endpoint: type === "OpenAI" ? "https://api.openai.com/v1" : `https://${name}.openai.azure.com`,
    ...(type === "AzureOpenAI" && { apiVersion: "v1" }),
    auth: { kind: "ApiKey", credential: "0123" },
    models: Object.fromEntries(
      models.map((model) => [model, { upstream: type === "OpenAI" ? model : `${model}-prod` }]),
    ),
    timeouts: { connect: 5000, firstByte: 60000, idle: 120000, request: 600000 },
    rateLimitGroup: `provider:${key}`,
  };
}

export function backend(name: string, part: Partial<Backend> = {}): Backend {
  return { name, provider: `ai/${name}`, priority: 1, weight: 1, failover: "Allowed", ...part };
}

export function route(key: string, models: readonly string[], part: Partial<Route> = {}): Route {
  const [namespace = "", name = ""] = key.split("/");
  return {
    key,
    namespace,
    name,
    uid: key,
    generation: 1,
    models,
    strategy: "Weighted",
    backends: [backend("openai")],
    sticky: [],
    failover: {
      retrySameProvider: 1,
      fallbackToNext: true,
      maxAttempts: 4,
      maxDuration: 60000,
      backoff: { base: 250, max: 4000 },
    },
    allowedClients: "Same",
    ...part,
  };
}

/** Shared with other namespaces, of a given age. */
export function sharedRoute(key: string, models: readonly string[], created: string, allowedClients: Sharing = "All") {
  return route(key, models, { allowedClients, created });
}

export function client(key: string, part: Partial<Client> = {}): Client {
  const [namespace = "", name = ""] = key.split("/");
  return { key, namespace, name, keys: [{ name: "current", hmac: `hmac-of-${key}` }], ...part };
}

export function table(
  providers: readonly Provider[],
  routes: readonly Route[],
  clients: readonly Client[] = [],
): RoutingTable {
  const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
  return {
    schemaVersion: 1,
    providers: Object.fromEntries([...providers].sort(byKey).map((p) => [p.key, p])),
    routes: [...routes].sort(byKey),
    clients: [...clients].sort(byKey),
  };
}
