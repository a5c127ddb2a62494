/**
 * Has this value the shape of a part of the routing table?
 *
 * Checked on every reload for thousands of routes, so: in place, without copies, unknown members allowed (a newer
 * release may add some). Each check answers with the path of the first fault, or `undefined`. Models are a record of
 * names that users choose, `__proto__` included; checkers that copy records lose that one.
 */

type Check = (value: unknown, path: string) => string | undefined;

const text: Check = (value, path) => (typeof value === "string" ? undefined : `${path} is not a text`);

const address: Check = (value, path) =>
  typeof value === "string" && URL.canParse(value) ? undefined : `${path} is not an address`;

const integer: Check = (value, path) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : `${path} is not a whole number from 0`;

const positive: Check = (value, path) => (value === 0 ? `${path} is zero` : integer(value, path));

const flag: Check = (value, path) => (typeof value === "boolean" ? undefined : `${path} is not true or false`);

function oneOf(...allowed: readonly string[]): Check {
  return (value, path) =>
    allowed.includes(value as string) ? undefined : `${path} is not one of ${allowed.join(", ")}`;
}

function list(item: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) return `${path} is not a list`;
    for (const [i, element] of value.entries()) {
      const fault = item(element, `${path}[${i}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function record(item: Check): Check {
  return (value, path) => {
    if (!isRecord(value)) return `${path} is not an object`;
    for (const [key, member] of Object.entries(value)) {
      const fault = item(member, `${path}.${key}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** A name that ends in `?` may be absent. */
function object(members: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(members).map(([name, check]) => ({
    name: name.replace(/\?$/, ""),
    optional: name.endsWith("?"),
    check,
  }));
  return (value, path) => {
    if (!isRecord(value)) return `${path} is not an object`;
    for (const { name, optional, check } of checks) {
      const member = Object.hasOwn(value, name) ? value[name] : undefined;
      if (member === undefined && optional) continue;
      const fault = check(member, `${path}.${name}`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

const timeouts = object({
  connect: integer,
  firstByte: integer,
  "firstToken?": integer,
  idle: integer,
  request: integer,
});
const someTimeouts = object({
  "connect?": integer,
  "firstByte?": integer,
  "firstToken?": integer,
  "idle?": integer,
  "request?": integer,
});

const zone = oneOf("APAC", "EU", "US", "USGov");

const sharing: Check = (value, path) => (value === "Same" || value === "All" ? undefined : list(text)(value, path));

const stickyKey: Check = (value, path) =>
  isRecord(value) && (typeof value.header === "string" || typeof value.bodyField === "string")
    ? undefined
    : `${path} has neither header nor bodyField`;

const apiKeyAuth = object({ kind: oneOf("ApiKey"), credential: text });

const entraAuth = object({
  kind: oneOf("EntraID"),
  tenantID: text,
  clientID: text,
  authority: address,
  scope: text,
  "clientSecret?": text,
  "workloadIdentity?": flag,
});

const auth: Check = (value, path) =>
  isRecord(value) && value.kind === "EntraID" ? entraAuth(value, path) : apiKeyAuth(value, path);

/** US dollars, as the CRD has them. */
const decimal: Check = (value, path) =>
  typeof value === "string" && /^\d{1,9}(\.\d{1,9})?$/.test(value) ? undefined : `${path} is not a decimal number`;

const price = object({
  "input?": decimal,
  "cachedInput?": decimal,
  "output?": decimal,
  "audioInput?": decimal,
  "audioOutput?": decimal,
  "imageInput?": decimal,
  "imageOutput?": decimal,
  "perImage?": decimal,
  "perMinute?": decimal,
  "perMillionCharacters?": decimal,
  "steps?": list(
    object({ aboveContextTokens: integer, "input?": decimal, "cachedInput?": decimal, "output?": decimal }),
  ),
});

const provider = object({
  key: text,
  namespace: text,
  name: text,
  type: oneOf("OpenAI", "AzureOpenAI"),
  endpoint: address,
  "apiVersion?": text,
  "compatibility?": object({
    "apiVersionOnV1?": oneOf("Omit", "Preview"),
    "batchEndpoint?": oneOf("Short", "Versioned"),
  }),
  "region?": text,
  "zones?": list(zone),
  auth,
  "tls?": object({ ca: text }),
  models: record(
    object({
      upstream: text,
      "baseModel?": text,
      "contextTokens?": integer,
      "deploymentType?": text,
      "zones?": list(zone),
      "apiVersion?": text,
      "timeouts?": someTimeouts,
      "price?": price,
      "commitment?": object({
        "usdPerHour?": decimal,
        "discountPercent?": integer,
        "tokensPerMinute?": integer,
        window: positive,
      }),
    }),
  ),
  timeouts,
  "health?": object({ path: text, interval: integer, timeout: integer, failureThreshold: integer }),
  "breaker?": object({
    failureThreshold: integer,
    failurePercent: integer,
    minRequests: integer,
    recoveryTimeout: integer,
  }),
  "concurrency?": object({ max: integer, queue: integer }),
  rateLimitGroup: text,
});

const backend = object({
  name: text,
  provider: text,
  priority: integer,
  weight: integer,
  failover: oneOf("Allowed", "Never"),
  "model?": text,
});

const route = object({
  key: text,
  namespace: text,
  name: text,
  uid: text,
  generation: integer,
  "created?": text,
  models: list(text),
  strategy: oneOf("Weighted", "BlueGreen", "Cost", "Latency"),
  backends: list(backend),
  sticky: list(stickyKey),
  failover: object({
    retrySameProvider: integer,
    fallbackToNext: flag,
    maxAttempts: integer,
    maxDuration: integer,
    backoff: object({ base: integer, max: integer }),
    "hedgeAfter?": integer,
    "streamRecovery?": oneOf("Splice"),
  }),
  allowedClients: sharing,
  "cost?": object({ unpriced: oneOf("Exclude") }),
  "latency?": object({ "metric?": oneOf("Total"), explorePercent: integer, switchMarginPercent: integer }),
  "foreignIDs?": oneOf("Probe"),
  "compliance?": object({
    rules: list(
      object({
        residency: zone,
        allow: list(zone),
        "allowTools?": list(oneOf("DataSources", "MCP", "RemoteFiles", "RemoteImages", "WebSearch")),
      }),
    ),
    unknownResidency: oneOf("Allow", "Deny"),
  }),
  "shadow?": object({
    backend: text,
    percent: integer,
    "noisePercent?": integer,
    maxInFlight: integer,
    "dailyTokenBudget?": integer,
    "tools?": oneOf("Allow"),
    "keepBodies?": positive,
    "judge?": object({ url: text, percent: integer, "credential?": text }),
  }),
  "rollout?": object({ stable: text, candidate: text }),
});

const client = object({
  key: text,
  namespace: text,
  name: text,
  keys: list(object({ name: text, hmac: text })),
  "models?": list(text),
  "defaultRoute?": text,
  "residency?": zone,
  "location?": text,
  "budget?": object({ usdPerMonth: text, "onExceeded?": oneOf("Warn") }),
  "statefulListing?": oneOf("Allow"),
  "limits?": object({
    "requestsPerMinute?": positive,
    "tokensPerMinute?": positive,
    "maxConcurrent?": positive,
  }),
});

const shard = object({ providers: list(provider), routes: list(route), clients: list(client) });

/** The first fault of one shard's content, or `undefined` when all of it has the table's shape. */
export function shardFault(value: unknown, name: string): string | undefined {
  return shard(value, name);
}
