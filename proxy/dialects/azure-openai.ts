/**
 * How does one call Azure OpenAI?
 *
 * Two forms: v1 (`/openai/v1/…`, the deployment in the body's `model`, no api-version) and dated
 * (`/openai/deployments/{deployment}/…?api-version=`, or `/openai/…?api-version=` for what has no deployment).
 */
import type { Model, Provider } from "../../routing/table.ts";
import type { Call, Dialect } from "./dialect.ts";

const V1 = "v1";

export const azureOpenAI: Dialect = {
  path(provider, call) {
    const version = versionOf(provider, call.model);
    if (version === V1) {
      if (!call.operation.azureV1) return undefined;
      return `/openai/v1/${call.path}${withApiVersion(call.query, versionOnV1(provider))}`;
    }
    return datedPath(call, version);
  },
  apiPath(provider, path) {
    const version = versionOf(provider, undefined);
    if (version === V1) return `/openai/v1${path}${withApiVersion("", versionOnV1(provider))}`;
    return `/openai${path}${withApiVersion("", version)}`;
  },
  auth: (key) => ["api-key", key.reveal()],
  modelInPath: (provider, model) => versionOf(provider, model) !== V1,
};

function datedPath(call: Call, version: string): string | undefined {
  const query = withApiVersion(call.query, version);
  switch (call.operation.azureDated) {
    case "deployment":
      if (call.upstream === undefined) return undefined;
      return `/openai/deployments/${encodeURIComponent(call.upstream)}/${call.path}${query}`;
    case "resource":
      return `/openai/${call.path}${query}`;
    default:
      return undefined;
  }
}

function versionOf(provider: Provider, model: Model | undefined): string {
  return model?.apiVersion ?? provider.apiVersion ?? V1;
}

/**
 * v1 needs no api-version, and some resources answer 400 to one; others have operations in preview only under
 * `api-version=preview` (api-version-lifecycle.md and reference-preview-latest of Azure's documentation disagree).
 */
function versionOnV1({ compatibility }: Provider): string | undefined {
  return compatibility?.apiVersionOnV1 === "Preview" ? "preview" : undefined;
}

/** The caller's query with this backend's api-version in place of any other; without a version none goes. */
function withApiVersion(query: string, version: string | undefined): string {
  if (query === "") return version === undefined ? "" : `?api-version=${encodeURIComponent(version)}`;
  const parameters = new URLSearchParams(query);
  parameters.delete("api-version");
  if (version !== undefined) parameters.set("api-version", version);
  return parameters.size === 0 ? "" : `?${parameters}`;
}
