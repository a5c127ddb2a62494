/**
 * Which objects must be refused, with which sentence, and which odd ones must be taken?
 *
 * One table, two judges: a real API server, and `validateObject` without one.
 */

export interface TestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec?: unknown;
  readonly [field: string]: unknown;
}

export interface BadObject {
  readonly name: string;
  readonly object: TestObject;
  /** What must be said, among what is said. */
  readonly says: string;
}

type Fields = Readonly<Record<string, unknown>>;

function make(kind: string, spec: Fields, metadata: Fields = {}): TestObject {
  return { apiVersion: "tandem.dev/v1alpha1", kind, metadata: { name: "it", namespace: "ai", ...metadata }, spec };
}

const SECRET = { secretRef: { name: "openai", key: "api-key" } };
const OPENAI = { type: "OpenAI", auth: { apiKey: SECRET } };
const AZURE = {
  type: "AzureOpenAI",
  endpoint: "https://contoso.openai.azure.com",
  auth: { apiKey: SECRET },
  models: [{ name: "gpt-4o", deployment: "prod" }],
};
const ENTRA = { tenantID: "contoso.onmicrosoft.com", clientID: "11111111-1111-1111-1111-111111111111" };
const A = { name: "a", providerRef: { name: "openai" } };
const B = { name: "b", providerRef: { name: "azure" } };
const ROUTE = { models: ["gpt-4o"], backends: [A, B] };
const KEY = { name: "current", secretRef: { name: "app", key: "key" } };
const ROLLOUT = { stable: "a", candidate: "b", steps: [{ setWeight: 100 }] };

const openai = (more: Fields) => make("AIProvider", { ...OPENAI, ...more });
const openaiModel = (more: Fields) => openai({ models: [{ name: "gpt-4o", ...more }] });
const azure = (more: Fields) => make("AIProvider", { ...AZURE, ...more });
const azureModel = (more: Fields) => azure({ models: [{ name: "gpt-4o", ...more }] });
const route = (more: Fields) => make("AIRoute", { ...ROUTE, ...more });
const rollout = (more: Fields) => route({ rollout: { ...ROLLOUT, ...more } });
const analysis = (...metrics: Fields[]) => rollout({ analysis: { metrics } });
const client = (more: Fields) => make("AIClient", { keys: [KEY], ...more });

const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
const bad = (name: string, object: TestObject, says: string): BadObject => ({ name, object, says });
const times = <T>(count: number, item: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => item(i));

const DURATION = "must be a duration between 1ms and 24h, such as 250ms, 10s or 1m30s";
const DURATION_FROM_SECOND = "must be a duration between 1s and 24h, such as 10s or 1m30s";
const DOLLARS = 'must be a decimal number of US dollars, such as "2.50"';
const BACKEND_NAME = "must be the name of one of the backends";

export const BAD_PROVIDERS: readonly BadObject[] = [
  bad(
    "an unknown type",
    openai({ type: "Foo" }),
    'spec.type: Unsupported value: "Foo": supported values: "AzureOpenAI", "OpenAI"',
  ),
  bad("no type", make("AIProvider", without(OPENAI, "type")), "spec.type: Required value"),
  bad("no auth", make("AIProvider", without(OPENAI, "auth")), "spec.auth: Required value"),
  bad("no spec", { ...make("AIProvider", {}), spec: undefined }, "spec: Required value"),
  bad(
    "two ways to authenticate",
    azure({ auth: { apiKey: SECRET, entraID: { ...ENTRA, workloadIdentity: {} } } }),
    "spec.auth: Invalid value: needs exactly one of apiKey and entraID",
  ),
  bad(
    "no way to authenticate",
    openai({ auth: {} }),
    "spec.auth: Invalid value: needs exactly one of apiKey and entraID",
  ),
  bad(
    "a key in place of a reference",
    openai({ auth: { apiKey: "sk-123" } }),
    'spec.auth.apiKey: Invalid value: "string": spec.auth.apiKey in body must be of type object: "string"',
  ),
  bad(
    "a reference without key",
    openai({ auth: { apiKey: { secretRef: { name: "openai" } } } }),
    "spec.auth.apiKey.secretRef.key: Required value",
  ),
  bad("a misspelt field", openai({ endpont: "https://api.openai.com/v1" }), 'unknown field "spec.endpont"'),
  bad("a misspelt field in a list", openaiModel({ contextToken: 1 }), 'unknown field "spec.models[0].contextToken"'),
  bad(
    "something in workloadIdentity",
    azure({ auth: { entraID: { ...ENTRA, workloadIdentity: { on: "true" } } } }),
    'unknown field "spec.auth.entraID.workloadIdentity.on"',
  ),
  bad(
    "an endpoint that is no address",
    openai({ endpoint: "api.openai.com" }),
    'spec.endpoint: Invalid value: "api.openai.com": must be an http or https address without user, query or fragment, such as https://api.openai.com/v1',
  ),
  bad(
    "an endpoint of another scheme",
    openai({ endpoint: "ftp://api.openai.com" }),
    'spec.endpoint: Invalid value: "ftp://api.openai.com": must be an http or https address without user, query or fragment, such as https://api.openai.com/v1',
  ),
  bad(
    "a password in the endpoint",
    openai({ endpoint: "https://me:secret@host/v1" }),
    'spec.endpoint: Invalid value: "https://me:secret@host/v1": must be an http or https address without user, query or fragment, such as https://api.openai.com/v1',
  ),
  bad(
    "an endpoint without host",
    openai({ endpoint: "https:///v1" }),
    'spec.endpoint: Invalid value: "https:///v1": must be an http or https address without user, query or fragment, such as https://api.openai.com/v1',
  ),
  bad(
    "an endpoint without end",
    openai({ endpoint: `https://${"a".repeat(512)}` }),
    "spec.endpoint: Too long: may not be more than 512 bytes",
  ),
  bad(
    "Azure without endpoint",
    make("AIProvider", without(AZURE, "endpoint")),
    "spec.endpoint: Required value: an AzureOpenAI provider needs the address of its resource, such as https://NAME.openai.azure.com",
  ),
  bad(
    "Azure's endpoint with a path of the API",
    azure({ endpoint: "https://contoso.openai.azure.com/openai/v1" }),
    "spec.endpoint: Invalid value: must be the resource's address alone: leave out /openai and what follows",
  ),
  bad(
    "Azure without models",
    azure({ models: [] }),
    "spec.models: Required value: an AzureOpenAI provider needs its models: each with the deployment that serves it",
  ),
  bad(
    "Azure with residency",
    azure({ residency: ["EU"] }),
    "spec.residency: Forbidden: is for type OpenAI: on AzureOpenAI the region and each model's deploymentType decide",
  ),
  bad(
    "Azure with a rate limit group",
    azure({ rateLimitGroup: "org" }),
    "spec.rateLimitGroup: Forbidden: is for type OpenAI: limits of AzureOpenAI belong to each deployment",
  ),
  bad(
    "OpenAI with api-version",
    openai({ apiVersion: "v1" }),
    "spec.apiVersion: Forbidden: is for type AzureOpenAI: OpenAI has no api-version",
  ),
  bad(
    "OpenAI with a region",
    openai({ region: "westeurope" }),
    "spec.region: Forbidden: is for type AzureOpenAI: for OpenAI say residency",
  ),
  bad(
    "OpenAI with Entra ID",
    openai({ auth: { entraID: { ...ENTRA, workloadIdentity: {} } } }),
    "spec.auth.entraID: Forbidden: is for type AzureOpenAI: for OpenAI use auth.apiKey",
  ),
  bad(
    "OpenAI with a deployment",
    openaiModel({ deployment: "prod" }),
    "spec.models: Invalid value: deployment, deploymentType and apiVersion of a model are for type AzureOpenAI",
  ),
  bad(
    "an api-version that is none",
    azure({ apiVersion: "latest" }),
    'spec.apiVersion: Invalid value: "latest": must be v1 or a dated version such as 2024-10-21 or 2025-04-01-preview',
  ),
  bad(
    "OpenAI with compatibility",
    openai({ compatibility: { batchEndpoint: "Short" } }),
    "spec.compatibility: Forbidden: is for type AzureOpenAI: OpenAI has one form",
  ),
  bad(
    "compatibility of nothing",
    azure({ compatibility: {} }),
    "spec.compatibility: Invalid value: 0: spec.compatibility in body should have at least 1 properties",
  ),
  bad(
    "an api-version on v1 by its value",
    azure({ compatibility: { apiVersionOnV1: "preview" } }),
    'spec.compatibility.apiVersionOnV1: Unsupported value: "preview": supported values: "Omit", "Preview"',
  ),
  bad(
    "a batch endpoint by its path",
    azure({ compatibility: { batchEndpoint: "/v1" } }),
    'spec.compatibility.batchEndpoint: Unsupported value: "/v1": supported values: "Short", "Versioned"',
  ),
  bad(
    "a region as people say it",
    azure({ region: "Sweden Central" }),
    'spec.region: Invalid value: "Sweden Central": must be an Azure region in lower case without spaces, such as swedencentral',
  ),
  bad(
    "an unknown zone",
    openai({ residency: ["Mars"] }),
    'spec.residency[0]: Unsupported value: "Mars": supported values: "APAC", "EU", "US", "USGov"',
  ),
  bad("a zone twice", openai({ residency: ["EU", "EU"] }), 'spec.residency[1]: Duplicate value: "EU"'),
  bad(
    "no zone",
    openai({ residency: [] }),
    "spec.residency: Invalid value: 0: spec.residency in body should have at least 1 items",
  ),
  bad(
    "Entra ID without proof",
    azure({ auth: { entraID: ENTRA } }),
    "spec.auth.entraID: Invalid value: needs exactly one of clientSecret and workloadIdentity",
  ),
  bad(
    "Entra ID with an odd client",
    azure({ auth: { entraID: { ...ENTRA, clientID: "me", workloadIdentity: {} } } }),
    `spec.auth.entraID.clientID: Invalid value: "me": must be the application's UUID, such as 11111111-1111-1111-1111-111111111111`,
  ),
  bad(
    "a model twice",
    openai({ models: [{ name: "m" }, { name: "m" }] }),
    'spec.models[1]: Duplicate value: {"name":"m"}',
  ),
  bad("a model without name", openai({ models: [{ contextTokens: 1 }] }), "spec.models[0].name: Required value"),
  bad(
    "a model name with a space",
    openai({ models: [{ name: "gpt 4o" }] }),
    'spec.models[0].name: Invalid value: "gpt 4o": must begin with a letter or digit and hold only letters, digits and . _ : / @ -',
  ),
  bad(
    "a base model with a space",
    azureModel({ baseModel: "gpt 5" }),
    'spec.models[0].baseModel: Invalid value: "gpt 5": must begin with a letter or digit and hold only letters, digits and . _ : / @ -',
  ),
  bad(
    "an empty base model",
    openaiModel({ baseModel: "" }),
    'spec.models[0].baseModel: Invalid value: "": spec.models[0].baseModel in body should be at least 1 chars long',
  ),
  bad(
    "too many models",
    openai({ models: times(129, (i) => ({ name: `m${i}` })) }),
    "spec.models: Too many: 129: must have at most 128 items",
  ),
  bad(
    "an unknown deployment type",
    azureModel({ deploymentType: "Global" }),
    'spec.models[0].deploymentType: Unsupported value: "Global": supported values: "DataZoneBatch", "DataZoneProvisionedManaged", "DataZoneStandard", "DeveloperTier", "GlobalBatch", "GlobalProvisionedManaged", "GlobalStandard", "ProvisionedManaged", "Standard"',
  ),
  bad(
    "no context",
    openaiModel({ contextTokens: 0 }),
    "spec.models[0].contextTokens: Invalid value: 0: spec.models[0].contextTokens in body should be greater than or equal to 1",
  ),
  bad(
    "a price as a number",
    openaiModel({ price: { input: 2.5 } }),
    'spec.models[0].price.input: Invalid value: "number": spec.models[0].price.input in body must be of type string: "number"',
  ),
  bad(
    "a price with a currency",
    openaiModel({ price: { input: "$2.50" } }),
    `spec.models[0].price.input: Invalid value: "$2.50": ${DOLLARS}`,
  ),
  bad(
    "a price with a comma",
    openaiModel({ price: { input: "2,50" } }),
    `spec.models[0].price.input: Invalid value: "2,50": ${DOLLARS}`,
  ),
  bad(
    "a negative price",
    openaiModel({ price: { input: "-1" } }),
    `spec.models[0].price.input: Invalid value: "-1": ${DOLLARS}`,
  ),
  bad(
    "an empty price",
    openaiModel({ price: {} }),
    "spec.models[0].price: Invalid value: 0: spec.models[0].price in body should have at least 1 properties",
  ),
  bad(
    "a cached price alone",
    openaiModel({ price: { cachedInput: "1" } }),
    "spec.models[0].price.cachedInput: Invalid value: needs input beside it",
  ),
  bad(
    "price steps in disorder",
    openaiModel({ price: { input: "1", steps: [{ aboveContextTokens: 9 }, { aboveContextTokens: 8 }] } }),
    "spec.models[0].price.steps: Invalid value: must be in the order of aboveContextTokens, each once",
  ),
  bad(
    "a price step twice",
    openaiModel({ price: { input: "1", steps: [{ aboveContextTokens: 9 }, { aboveContextTokens: 9 }] } }),
    "spec.models[0].price.steps: Invalid value: must be in the order of aboveContextTokens, each once",
  ),
  bad(
    "an empty commitment",
    azureModel({ commitment: {} }),
    "spec.models[0].commitment: Invalid value: needs exactly one of usdPerHour and tokensPerMinute",
  ),
  bad(
    "a discount without money",
    azureModel({ commitment: { tokensPerMinute: 1000, discountPercent: 30 } }),
    "spec.models[0].commitment.discountPercent: Invalid value: needs usdPerHour beside it",
  ),
  bad(
    "a discount of everything",
    azureModel({ commitment: { usdPerHour: "60.00", discountPercent: 100 } }),
    "spec.models[0].commitment.discountPercent: Invalid value: 100: spec.models[0].commitment.discountPercent in body should be less than or equal to 99",
  ),
  bad(
    "a duration without unit",
    openai({ timeouts: { connect: "5" } }),
    `spec.timeouts.connect: Invalid value: "5": ${DURATION}`,
  ),
  bad(
    "a duration of nothing",
    openai({ timeouts: { request: "0s" } }),
    `spec.timeouts.request: Invalid value: "0s": ${DURATION}`,
  ),
  bad(
    "a duration of two days",
    openai({ timeouts: { request: "48h" } }),
    `spec.timeouts.request: Invalid value: "48h": ${DURATION}`,
  ),
  bad(
    "a duration as a number",
    openai({ timeouts: { idle: 120 } }),
    'spec.timeouts.idle: Invalid value: "integer": spec.timeouts.idle in body must be of type string: "integer"',
  ),
  bad(
    "a model's bad duration",
    openaiModel({ timeouts: { firstToken: "soon" } }),
    `spec.models[0].timeouts.firstToken: Invalid value: "soon": ${DURATION}`,
  ),
  bad(
    "checks more often than a second",
    openai({ health: { interval: "500ms", timeout: "500ms" } }),
    `spec.health.interval: Invalid value: "500ms": ${DURATION_FROM_SECOND}`,
  ),
  bad(
    "a check longer than its interval",
    openai({ health: { interval: "5s", timeout: "6s" } }),
    "spec.health.timeout: Invalid value: must not be longer than interval (left out, timeout is 5s and interval 10s)",
  ),
  bad(
    "a check of another host",
    openai({ health: { path: "https://evil.example/x" } }),
    'spec.health.path: Invalid value: "https://evil.example/x": must be a path that begins with / and is relative to the API base, such as /models',
  ),
  bad(
    "a check that climbs",
    openai({ health: { path: "/../admin" } }),
    'spec.health.path: Invalid value: "/../admin": must be a path that begins with / and is relative to the API base, such as /models',
  ),
  bad(
    "a breaker without threshold",
    openai({ circuitBreaker: { failureThreshold: 0 } }),
    "spec.circuitBreaker.failureThreshold: Invalid value: 0: spec.circuitBreaker.failureThreshold in body should be greater than or equal to 1",
  ),
  bad(
    "a breaker on by a word",
    openai({ circuitBreaker: { enabled: "on" } }),
    'spec.circuitBreaker.enabled: Invalid value: "string": spec.circuitBreaker.enabled in body must be of type boolean: "string"',
  ),
  bad("concurrency without max", openai({ concurrency: { queue: 5 } }), "spec.concurrency.max: Required value"),
  bad(
    "another word than All",
    openai({ allowedRoutes: { namespaces: "Same" } }),
    `spec.allowedRoutes.namespaces: Invalid value: "Same": spec.allowedRoutes.namespaces in body should match '^All$'`,
  ),
  bad(
    "no namespaces",
    openai({ allowedRoutes: { namespaces: [] } }),
    "spec.allowedRoutes.namespaces: Invalid value: 0: spec.allowedRoutes.namespaces in body should have at least 1 items",
  ),
  bad(
    "a namespace in capitals",
    openai({ allowedRoutes: { namespaces: ["Team-A"] } }),
    `spec.allowedRoutes.namespaces[0]: Invalid value: "Team-A": spec.allowedRoutes.namespaces[0] in body should match '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'`,
  ),
  bad(
    "a number of namespaces",
    openai({ allowedRoutes: { namespaces: 5 } }),
    "spec.allowedRoutes.namespaces: Invalid value: 5: spec.allowedRoutes.namespaces in body should be less than or equal to 0",
  ),
  bad(
    "namespaces by yes",
    openai({ allowedRoutes: { namespaces: true } }),
    '<nil>: Invalid value: "": "spec.allowedRoutes.namespaces" must not validate the schema (not)',
  ),
  bad(
    "namespaces by a selector",
    openai({ allowedRoutes: { namespaces: { from: "All" } } }),
    "spec.allowedRoutes.namespaces: Too many: 1: must have at most 0 items",
  ),
  bad(
    "a name in capitals",
    make("AIProvider", OPENAI, { name: "OpenAI" }),
    "metadata.name: Invalid value: \"OpenAI\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ),
  bad(
    "a name too long",
    make("AIProvider", OPENAI, { name: "a".repeat(64) }),
    "metadata.name: Too long: may not be more than 63 bytes",
  ),
  bad(
    "no name",
    make("AIProvider", OPENAI, { name: undefined }),
    "metadata.name: Required value: name or generateName is required",
  ),
];

export const BAD_ROUTES: readonly BadObject[] = [
  bad("no models", make("AIRoute", { backends: [A] }), "spec.models: Required value"),
  bad(
    "empty models",
    route({ models: [] }),
    "spec.models: Invalid value: 0: spec.models in body should have at least 1 items",
  ),
  bad("a model twice", route({ models: ["m", "m"] }), 'spec.models[1]: Duplicate value: "m"'),
  bad(
    "a pattern of models",
    route({ models: ["gpt-*"] }),
    'spec.models[0]: Invalid value: "gpt-*": must be "*", or begin with a letter or digit and hold only letters, digits and . _ : / @ -',
  ),
  bad(
    "too many models",
    route({ models: times(65, (i) => `m${i}`) }),
    "spec.models: Too many: 65: must have at most 64 items",
  ),
  bad(
    "no backends",
    route({ backends: [] }),
    "spec.backends: Invalid value: 0: spec.backends in body should have at least 1 items",
  ),
  bad(
    "too many backends",
    route({ backends: times(17, (i) => ({ ...A, name: `a${i}` })) }),
    "spec.backends: Too many: 17: must have at most 16 items",
  ),
  bad("a backend twice", route({ backends: [A, B, A] }), 'spec.backends[2]: Duplicate value: {"name":"a"}'),
  bad(
    "a backend without provider",
    route({ backends: [{ name: "a" }] }),
    "spec.backends[0].providerRef: Required value",
  ),
  bad(
    "a backend that is null",
    route({ backends: [null] }),
    'spec.backends[0]: Invalid value: "null": spec.backends[0] in body must be of type object: "null"',
  ),
  bad(
    "a backend in capitals",
    route({ backends: [{ ...A, name: "Primary" }] }),
    'spec.backends[0].name: Invalid value: "Primary": must hold only lower-case letters, digits and -, and begin and end with a letter or digit',
  ),
  bad(
    "a weight over 100",
    route({ backends: [{ ...A, weight: 101 }] }),
    "spec.backends[0].weight: Invalid value: 101: spec.backends[0].weight in body should be less than or equal to 100",
  ),
  bad(
    "a weight below 0",
    route({ backends: [{ ...A, weight: -1 }] }),
    "spec.backends[0].weight: Invalid value: -1: spec.backends[0].weight in body should be greater than or equal to 0",
  ),
  bad(
    "a weight with a fraction",
    route({ backends: [{ ...A, weight: 0.5 }] }),
    'spec.backends[0].weight: Invalid value: "number": spec.backends[0].weight in body must be of type integer: "number"',
  ),
  bad(
    "a weight in quotes",
    route({ backends: [{ ...A, weight: "50" }] }),
    'spec.backends[0].weight: Invalid value: "string": spec.backends[0].weight in body must be of type integer: "string"',
  ),
  bad(
    "priority 0",
    route({ backends: [{ ...A, priority: 0 }] }),
    "spec.backends[0].priority: Invalid value: 0: spec.backends[0].priority in body should be greater than or equal to 1",
  ),
  bad(
    "all weights 0",
    route({ backends: [{ ...A, weight: 0 }] }),
    "spec.backends: Invalid value: at least one backend needs a weight above 0",
  ),
  bad(
    "failover by yes",
    route({ backends: [{ ...A, failover: true }] }),
    'spec.backends[0].failover: Unsupported value: true: supported values: "Allowed", "Never"',
  ),
  bad(
    "an unknown strategy",
    route({ strategy: "RoundRobin" }),
    'spec.strategy: Unsupported value: "RoundRobin": supported values: "BlueGreen", "Cost", "Latency", "Weighted"',
  ),
  bad(
    "blue-green without a side",
    route({ strategy: "BlueGreen" }),
    "spec.activeBackend: Required value: strategy BlueGreen needs the name of the backend that takes the traffic",
  ),
  bad(
    "blue-green with an unknown side",
    route({ strategy: "BlueGreen", activeBackend: "teal" }),
    `spec.activeBackend: Invalid value: ${BACKEND_NAME}`,
  ),
  bad(
    "a side without blue-green",
    route({ activeBackend: "a" }),
    "spec.activeBackend: Forbidden: is for strategy BlueGreen",
  ),
  bad("cost without its strategy", route({ cost: { unpriced: "Last" } }), "spec.cost: Forbidden: is for strategy Cost"),
  bad("latency without its strategy", route({ latency: {} }), "spec.latency: Forbidden: is for strategy Latency"),
  bad(
    "exploring most of the time",
    route({ strategy: "Latency", latency: { explorePercent: 51 } }),
    "spec.latency.explorePercent: Invalid value: 51: spec.latency.explorePercent in body should be less than or equal to 50",
  ),
  bad(
    "sticky by nothing",
    route({ sticky: { by: [] } }),
    "spec.sticky.by: Invalid value: 0: spec.sticky.by in body should have at least 1 items",
  ),
  bad(
    "sticky by two things at once",
    route({ sticky: { by: [{ header: "x", bodyField: "user" }] } }),
    "spec.sticky.by[0]: Invalid value: needs exactly one of header and bodyField",
  ),
  bad(
    "sticky by a nested field",
    route({ sticky: { by: [{ bodyField: "metadata.user" }] } }),
    'spec.sticky.by[0].bodyField: Invalid value: "metadata.user": must be the name of a top-level field, such as user',
  ),
  bad(
    "sticky by no header's name",
    route({ sticky: { by: [{ header: "x session" }] } }),
    `spec.sticky.by[0].header: Invalid value: "x session": must be a header's name, such as x-session-id`,
  ),
  bad(
    "no attempts",
    route({ failover: { maxAttempts: 0 } }),
    "spec.failover.maxAttempts: Invalid value: 0: spec.failover.maxAttempts in body should be greater than or equal to 1",
  ),
  bad(
    "a backoff above its maximum",
    route({ failover: { backoff: { base: "5s" } } }),
    "spec.failover.backoff.base: Invalid value: must not be longer than max (left out, base is 250ms and max 4s)",
  ),
  bad(
    "hedging at once",
    route({ failover: { hedgeAfter: "0ms" } }),
    `spec.failover.hedgeAfter: Invalid value: "0ms": ${DURATION}`,
  ),
  bad(
    "an unknown recovery",
    route({ failover: { streamRecovery: "Restart" } }),
    'spec.failover.streamRecovery: Unsupported value: "Restart": supported values: "None", "Splice"',
  ),
  bad(
    "a shadow of nobody",
    route({ shadow: { backend: "c", percent: 1 } }),
    `spec.shadow.backend: Invalid value: ${BACKEND_NAME}`,
  ),
  bad(
    "a shadow whose tools are neither allowed nor denied",
    route({ shadow: { backend: "b", percent: 1, tools: "Some" } }),
    'spec.shadow.tools: Unsupported value: "Some": supported values: "Allow", "Deny"',
  ),
  bad(
    "a judge without a web address",
    route({ shadow: { backend: "b", percent: 1, judge: { url: "ftp://judge" } } }),
    `spec.shadow.judge.url: Invalid value: "ftp://judge": must be an http or https address, such as https://judge.example.com/compare`,
  ),
  bad(
    "bodies kept for a week",
    route({ shadow: { backend: "b", percent: 1, records: { bodies: "Keep", retention: "168h" } } }),
    `spec.shadow.records.retention: Invalid value: "168h": must be a duration between 1m and 24h, such as 30m or 1h`,
  ),
  bad("a shadow without share", route({ shadow: { backend: "b" } }), "spec.shadow.percent: Required value"),
  bad(
    "a shadow beside a rollout",
    route({ shadow: { backend: "b", percent: 1 }, rollout: ROLLOUT }),
    "spec.shadow: Forbidden: cannot stand beside a rollout: use rollout.shadow and a step setShadow",
  ),
  bad(
    "a rollout by latency",
    route({ strategy: "Latency", rollout: ROLLOUT }),
    "spec.rollout: Forbidden: needs strategy Weighted",
  ),
  bad(
    "a rollout to itself",
    rollout({ candidate: "a" }),
    "spec.rollout.candidate: Invalid value: must be another backend than stable",
  ),
  bad("a rollout from nobody", rollout({ stable: "c" }), `spec.rollout.stable: Invalid value: ${BACKEND_NAME}`),
  bad("a rollout to nobody", rollout({ candidate: "c" }), `spec.rollout.candidate: Invalid value: ${BACKEND_NAME}`),
  bad(
    "a rollout across priorities",
    route({ backends: [A, { ...B, priority: 2 }], rollout: ROLLOUT }),
    "spec.rollout.candidate: Invalid value: must have the same priority as stable",
  ),
  bad(
    "a rollout without steps",
    rollout({ steps: [] }),
    "spec.rollout.steps: Invalid value: 0: spec.rollout.steps in body should have at least 1 items",
  ),
  bad(
    "a rollout that falls back",
    rollout({ steps: [{ setWeight: 50 }, { setWeight: 5 }] }),
    "spec.rollout.steps: Invalid value: setWeight must not fall from one step to the next",
  ),
  bad(
    "a step of two kinds",
    rollout({ steps: [{ setWeight: 5, pause: {} }] }),
    "spec.rollout.steps[0]: Invalid value: needs exactly one of setShadow, setWeight, analyze and pause",
  ),
  bad(
    "a step of nothing",
    rollout({ steps: [{ pause: null }] }),
    "spec.rollout.steps[0]: Invalid value: needs exactly one of setShadow, setWeight, analyze and pause",
  ),
  bad(
    "a state that YAML made false",
    rollout({ state: false }),
    'spec.rollout.state: Unsupported value: false: supported values: "Abort", "Pause", "Run"',
  ),
  bad(
    "a metric without limit",
    analysis({ name: "ErrorPercent" }),
    "spec.rollout.analysis.metrics[0]: Invalid value: needs max, min, maxIncreasePercent or maxDecreasePercent",
  ),
  bad(
    "a metric nobody knows",
    analysis({ name: "Vibes", max: "1" }),
    "spec.rollout.analysis.metrics[0].name: Invalid value: must be CostPerRequest, ErrorPercent, P50LatencyMilliseconds, P95FirstTokenMilliseconds, P95LatencyMilliseconds, P99LatencyMilliseconds, RefusalPercent, SchemaFailurePercent, ShadowDisagreementPercent, TokensPerSecond or TruncationPercent; a metric of another name needs prometheus",
  ),
  bad(
    "a query under the name of a measure",
    analysis({ name: "ErrorPercent", max: "1", prometheus: { url: "http://prometheus:9090", query: "up" } }),
    "spec.rollout.analysis.metrics[0].name: Invalid value: is what the proxies measure themselves; give the query another name",
  ),
  bad(
    "a query compared with stable",
    analysis({ name: "Tickets", maxIncreasePercent: 5, prometheus: { url: "http://prometheus:9090", query: "up" } }),
    "spec.rollout.analysis.metrics[0]: Invalid value: has no stable side to be compared with: use max or min",
  ),
  bad(
    "a query at an address with a password",
    analysis({ name: "Tickets", max: "5", prometheus: { url: "http://me:secret@prometheus:9090", query: "up" } }),
    'spec.rollout.analysis.metrics[0].prometheus.url: Invalid value: "http://me:secret@prometheus:9090": must be an http or https address, such as http://prometheus.monitoring:9090',
  ),
  bad(
    "two metrics of one name",
    analysis({ name: "ErrorPercent", max: "1" }, { name: "ErrorPercent", maxIncreasePercent: 5 }),
    "spec.rollout.analysis.metrics: Invalid value: must not have two metrics of one name",
  ),
  bad(
    "a metric's limit in percent",
    analysis({ name: "ErrorPercent", max: "1%" }),
    'spec.rollout.analysis.metrics[0].max: Invalid value: "1%": must be a decimal number, such as "1.5"',
  ),
  bad(
    "a residency twice",
    route({
      compliance: {
        rules: [
          { residency: "EU", allow: ["EU"] },
          { residency: "EU", allow: ["US"] },
        ],
      },
    }),
    'spec.compliance.rules[1]: Duplicate value: {"residency":"EU"}',
  ),
  bad(
    "a residency that allows nothing",
    route({ compliance: { rules: [{ residency: "EU", allow: [] }] } }),
    "spec.compliance.rules[0].allow: Invalid value: 0: spec.compliance.rules[0].allow in body should have at least 1 items",
  ),
  bad(
    "an unknown tool",
    route({ compliance: { rules: [{ residency: "EU", allow: ["EU"], allowTools: ["web_search"] }] } }),
    'spec.compliance.rules[0].allowTools[0]: Unsupported value: "web_search": supported values: "DataSources", "MCP", "RemoteFiles", "RemoteImages", "WebSearch"',
  ),
  bad(
    "an empty content policy",
    route({ contentPolicy: {} }),
    "spec.contentPolicy: Invalid value: needs input or output",
  ),
  bad(
    "a severity that YAML made false",
    route({ contentPolicy: { input: { hate: false } } }),
    'spec.contentPolicy.input.hate: Unsupported value: false: supported values: "High", "Low", "Medium"',
  ),
  bad(
    "jailbreak by severity",
    route({ contentPolicy: { input: { jailbreak: "Low" } } }),
    'spec.contentPolicy.input.jailbreak: Unsupported value: "Low": supported values: "Block"',
  ),
  bad(
    "clients of another word",
    route({ allowedClients: { namespaces: "all" } }),
    `spec.allowedClients.namespaces: Invalid value: "all": spec.allowedClients.namespaces in body should match '^All$'`,
  ),
  bad(
    "foreign ids by yes",
    route({ foreignIDs: "Yes" }),
    'spec.foreignIDs: Unsupported value: "Yes": supported values: "NotFound", "Probe"',
  ),
  bad("a field of an object's own prototype", route({ constructor: {} }), 'unknown field "spec.constructor"'),
];

export const BAD_CLIENTS: readonly BadObject[] = [
  bad("no keys", make("AIClient", {}), "spec.keys: Required value"),
  bad(
    "empty keys",
    client({ keys: [] }),
    "spec.keys: Invalid value: 0: spec.keys in body should have at least 1 items",
  ),
  bad(
    "three keys",
    client({ keys: times(3, (i) => ({ ...KEY, name: `k${i}` })) }),
    "spec.keys: Too many: 3: must have at most 2 items",
  ),
  bad("a key's name twice", client({ keys: [KEY, KEY] }), 'spec.keys[1]: Duplicate value: {"name":"current"}'),
  bad(
    "a key in clear",
    client({ keys: [{ name: "current", value: "tdm-123" }] }),
    'unknown field "spec.keys[0].value"',
  ),
  bad("a key without Secret", client({ keys: [{ name: "current" }] }), "spec.keys[0].secretRef: Required value"),
  bad(
    "no models",
    client({ models: [] }),
    "spec.models: Invalid value: 0: spec.models in body should have at least 1 items",
  ),
  bad(
    "all models by a star",
    client({ models: ["*"] }),
    'spec.models[0]: Invalid value: "*": must begin with a letter or digit and hold only letters, digits and . _ : / @ -',
  ),
  bad(
    "an unknown residency",
    client({ residency: "Europe" }),
    'spec.residency: Unsupported value: "Europe": supported values: "APAC", "EU", "US", "USGov"',
  ),
  bad(
    "a residency that YAML made false",
    client({ residency: false }),
    'spec.residency: Unsupported value: false: supported values: "APAC", "EU", "US", "USGov"',
  ),
  bad(
    "no requests",
    client({ limits: { requestsPerMinute: 0 } }),
    "spec.limits.requestsPerMinute: Invalid value: 0: spec.limits.requestsPerMinute in body should be greater than or equal to 1",
  ),
  bad(
    "a budget as a number",
    client({ budget: { usdPerMonth: 500 } }),
    'spec.budget.usdPerMonth: Invalid value: "integer": spec.budget.usdPerMonth in body must be of type string: "integer"',
  ),
  bad(
    "a budget in thousands",
    client({ budget: { usdPerMonth: "1,000" } }),
    `spec.budget.usdPerMonth: Invalid value: "1,000": ${DOLLARS}`,
  ),
  bad("a budget without sum", client({ budget: { onExceeded: "Warn" } }), "spec.budget.usdPerMonth: Required value"),
  bad(
    "another end of the budget",
    client({ budget: { usdPerMonth: "1", onExceeded: "Block" } }),
    'spec.budget.onExceeded: Unsupported value: "Block": supported values: "Deny", "Warn"',
  ),
  bad(
    "a default route with two slashes",
    client({ defaultRoute: "a/b/c" }),
    'spec.defaultRoute: Invalid value: "a/b/c": must be the name of an AIRoute, or NAMESPACE/NAME',
  ),
  bad(
    "listing by yes",
    client({ statefulListing: true }),
    'spec.statefulListing: Unsupported value: true: supported values: "Allow", "Deny"',
  ),
];

export const BAD_OBJECTS: readonly BadObject[] = [...BAD_PROVIDERS, ...BAD_ROUTES, ...BAD_CLIENTS];

export interface GoodObject {
  readonly name: string;
  readonly object: TestObject;
}

/** At the edge of what is allowed. */
export const GOOD_OBJECTS: readonly GoodObject[] = [
  { name: "the shortest OpenAI provider", object: make("AIProvider", OPENAI) },
  { name: "the shortest Azure provider", object: make("AIProvider", AZURE) },
  { name: "a plain http endpoint with port and path", object: openai({ endpoint: "http://127.0.0.1:8101/proxy/v1" }) },
  { name: "an endpoint by IPv6", object: openai({ endpoint: "https://[2001:db8::1]:8443/v1" }) },
  {
    name: "an Azure resource in a project",
    object: azure({ endpoint: "https://acct.services.ai.azure.com/api/projects/p" }),
  },
  {
    name: "a client secret, an own scope and a sovereign authority",
    object: azure({
      auth: {
        entraID: {
          ...ENTRA,
          clientSecret: SECRET,
          scope: "https://ai.azure.com/.default",
          authority: "https://login.microsoftonline.us",
        },
      },
    }),
  },
  {
    name: "a resource that wants its preview named, and a base model",
    object: azure({
      compatibility: { apiVersionOnV1: "Preview", batchEndpoint: "Versioned" },
      models: [{ name: "fast", deployment: "prod", baseModel: "gpt-5-mini-2025-08-07" }],
    }),
  },
  {
    name: "a preview version and a model's own",
    object: azure({
      apiVersion: "2025-04-01-preview",
      models: [{ name: "m", apiVersion: "v1", timeouts: { request: "30m" } }],
    }),
  },
  {
    name: "every kind of price",
    object: openaiModel({
      price: {
        input: "0",
        cachedInput: "0.000000001",
        output: "999999999.999999999",
        audioInput: "1",
        audioOutput: "1",
        imageInput: "1",
        imageOutput: "1",
        perImage: "0.04",
        perMinute: "0.006",
        perMillionCharacters: "15",
        steps: [
          { aboveContextTokens: 200000, input: "5", cachedInput: "1", output: "20" },
          { aboveContextTokens: 500000, input: "9" },
        ],
      },
    }),
  },
  { name: "bought throughput", object: azureModel({ commitment: { tokensPerMinute: 300000, window: "1h" } }) },
  {
    name: "the shortest and the longest durations",
    object: openai({
      timeouts: { connect: "1ms", request: "24h", idle: "1h30m10s5ms" },
      health: { interval: "1s", timeout: "1s" },
    }),
  },
  {
    name: "all checks off, own CA, a queue of none",
    object: openai({
      health: { enabled: false },
      circuitBreaker: { enabled: false },
      tls: { caSecretRef: { name: "ca", key: "ca.crt" } },
      concurrency: { max: 1 },
    }),
  },
  { name: "nulls count as absent", object: openai({ endpoint: null, models: null, timeouts: null }) },
  { name: "128 models", object: openai({ models: times(128, (i) => ({ name: `m${i}` })) }) },
  { name: "a fine-tuned model", object: openai({ models: [{ name: "ft:gpt-4o-mini-2024-07-18:acme::A1b2C3" }] }) },
  {
    name: "a provider for all, in an EU project",
    object: openai({ residency: ["EU"], rateLimitGroup: "acme", allowedRoutes: { namespaces: "All" } }),
  },
  { name: "a provider for some", object: openai({ allowedRoutes: { namespaces: ["team-a", "team-b"] } }) },
  {
    name: "a route for every model and everybody",
    object: route({ models: ["*"], allowedClients: { namespaces: "All" }, foreignIDs: "Probe" }),
  },
  {
    name: "64 models over 16 backends in 16 tiers",
    object: route({
      models: times(64, (i) => `m${i}`),
      backends: times(16, (i) => ({ ...A, name: `a${i}`, priority: i + 1, weight: i })),
    }),
  },
  {
    name: "a provider of another namespace under another model",
    object: route({
      backends: [
        { ...A, providerRef: { name: "openai", namespace: "shared" }, model: "gpt-4o-mini", failover: "Never" },
      ],
    }),
  },
  {
    name: "all weights 0 beside a rollout",
    object: route({
      backends: [
        { ...A, weight: 0 },
        { ...B, weight: 0 },
      ],
      rollout: ROLLOUT,
    }),
  },
  {
    name: "all weights 0 in blue-green",
    object: route({ strategy: "BlueGreen", activeBackend: "a", backends: [{ ...A, weight: 0 }] }),
  },
  {
    name: "a rollout with equal weights and a pause",
    object: rollout({ steps: [{ setWeight: 5 }, { pause: {} }, { setWeight: 5 }, { analyze: { duration: "1s" } }] }),
  },
  {
    name: "no retries, one attempt, hedged and spliced",
    object: route({
      failover: {
        retrySameProvider: 0,
        fallbackToNext: false,
        maxAttempts: 1,
        hedgeAfter: "2s",
        streamRecovery: "Splice",
      },
    }),
  },
  {
    name: "compliance with tools",
    object: route({
      compliance: {
        rules: [{ residency: "EU", allow: ["EU", "US"], allowTools: ["WebSearch", "MCP"] }],
        unknownResidency: "Deny",
      },
    }),
  },
  {
    name: "a client of two keys with everything",
    object: client({
      keys: [KEY, { ...KEY, name: "next" }],
      location: "eu-west",
      defaultRoute: "shared/gpt-4o",
      statefulListing: "Allow",
      limits: { maxConcurrent: 1 },
      budget: { usdPerMonth: "0.01" },
    }),
  },
];
