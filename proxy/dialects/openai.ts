/** How does one call OpenAI? */
import type { Dialect } from "./dialect.ts";

export const openAI: Dialect = {
  path: (provider, call) => `${basePath(provider.endpoint)}/${call.path}${withoutApiVersion(call.query)}`,
  apiPath: (provider, path) => basePath(provider.endpoint) + path,
  auth: (key) => ["authorization", `Bearer ${key.reveal()}`],
  modelInPath: () => false,
};

/** The path of the API base: `/v1`. */
function basePath(endpoint: string): string {
  const path = new URL(endpoint).pathname;
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** A caller that speaks Azure's form sends `api-version`, which OpenAI does not know. */
function withoutApiVersion(query: string): string {
  if (!query.includes("api-version")) return query;
  const parameters = new URLSearchParams(query);
  parameters.delete("api-version");
  return parameters.size === 0 ? "" : `?${parameters}`;
}
