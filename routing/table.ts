/**
 * What is the routing table: the one thing that the compiler makes and the proxy runs?
 *
 * Plain readonly JSON. It holds names and opaque versions of secrets, never values. Durations are integer
 * milliseconds. Additive changes keep `SCHEMA_VERSION`; a proxy refuses a table whose version it does not know.
 */

import type { Zone } from "./zones.ts";

export const SCHEMA_VERSION = 1;

/** `namespace/name` of an object. */
export type ObjectKey = string;

/**
 * Opaque, content-addressed version of one secret value: changes when the value changes and says nothing about it.
 * The value is looked up under it in the credentials that travel beside the table.
 */
export type CredentialVersion = string;

export interface RoutingTable {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly providers: Readonly<Record<ObjectKey, Provider>>;
  /** Sorted by key. A route that may not serve is still here, with no backends: it holds its model names. */
  readonly routes: readonly Route[];
  /** Sorted by key. */
  readonly clients: readonly Client[];
}

export type ProviderType = "OpenAI" | "AzureOpenAI";

export interface Provider {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly type: ProviderType;
  /** No trailing slash. OpenAI: the API base with its `/v1`. Azure: the resource's origin, without `/openai`. */
  readonly endpoint: string;
  /** Azure only: `v1`, or a dated version such as `2024-10-21`. */
  readonly apiVersion?: string;
  /** Azure only; absent where nothing was said. */
  readonly compatibility?: Compatibility;
  readonly region?: string;
  /** Where it keeps and processes what names no model; on OpenAI also everything else. Absent: anywhere. */
  readonly zones?: readonly Zone[];
  readonly auth: ProviderAuth;
  readonly tls?: { readonly ca: CredentialVersion };
  /** By the gateway's name for the model. */
  readonly models: Readonly<Record<string, Model>>;
  readonly timeouts: Timeouts;
  /** Absent: no active checks. */
  readonly health?: HealthCheck;
  /** Absent: the breaker is off. */
  readonly breaker?: Breaker;
  /** Absent: no limit. */
  readonly concurrency?: Concurrency;
  /** Providers with the same group share what is known of rate limits. */
  readonly rateLimitGroup: string;
}

export type ProviderAuth = ApiKeyAuth | EntraAuth;

export interface ApiKeyAuth {
  readonly kind: "ApiKey";
  readonly credential: CredentialVersion;
}

/** A token of Microsoft Entra ID. Exactly one of `clientSecret` and `workloadIdentity` proves the application. */
export interface EntraAuth {
  readonly kind: "EntraID";
  /** A UUID or a domain name. */
  readonly tenantID: string;
  readonly clientID: string;
  /** Origin of the token service, no trailing slash. */
  readonly authority: string;
  readonly scope: string;
  readonly clientSecret?: CredentialVersion;
  /** The proxy's own service account token, where `AZURE_FEDERATED_TOKEN_FILE` says. */
  readonly workloadIdentity?: true;
}

/** How an Azure resource behaves where its documents leave it open. Absent means the first of each. */
export interface Compatibility {
  /** What goes as `api-version` with v1: nothing, or `preview`. */
  readonly apiVersionOnV1?: "Omit" | "Preview";
  /** How a batch names its operation: `/chat/completions` or `/v1/chat/completions`. */
  readonly batchEndpoint?: "Short" | "Versioned";
}

export interface Model {
  /** What the provider calls it: the deployment on Azure, the model name on OpenAI. */
  readonly upstream: string;
  /** Which model it really is; absent: the one that its name says. */
  readonly baseModel?: string;
  readonly contextTokens?: number;
  readonly deploymentType?: string;
  /** Azure only: where this deployment may process what it is sent. Absent: anywhere. */
  readonly zones?: readonly Zone[];
  readonly apiVersion?: string;
  readonly timeouts?: Partial<Timeouts>;
  /** What the provider object says; absent: the shipped list may know it. */
  readonly price?: Price;
  readonly commitment?: Commitment;
}

/** What is paid whether it is used or not. Exactly one of `usdPerHour` and `tokensPerMinute`. */
export interface Commitment {
  /** US dollars paid an hour, after the discount; a decimal text. */
  readonly usdPerHour?: string;
  /** 0–99; absent: 0. */
  readonly discountPercent?: number;
  readonly tokensPerMinute?: number;
  /** Milliseconds within which it is used or lost. */
  readonly window: number;
}

/** US dollars as decimal texts, per million tokens where the name says nothing else. What is absent has no price. */
export interface Price {
  readonly input?: string;
  /** Absent: as `input`. */
  readonly cachedInput?: string;
  /** Reasoning included. */
  readonly output?: string;
  readonly audioInput?: string;
  readonly audioOutput?: string;
  readonly imageInput?: string;
  readonly imageOutput?: string;
  readonly perImage?: string;
  readonly perMinute?: string;
  readonly perMillionCharacters?: string;
  /** Smallest first. */
  readonly steps?: readonly PriceStep[];
}

/** Prices of the whole request when its input is longer; what is absent costs as below it. */
export interface PriceStep {
  readonly aboveContextTokens: number;
  readonly input?: string;
  readonly cachedInput?: string;
  readonly output?: string;
}

/** Milliseconds. `firstByte`, `firstToken` and `idle` watch streams only. */
export interface Timeouts {
  readonly connect: number;
  readonly firstByte: number;
  readonly firstToken?: number;
  readonly idle: number;
  readonly request: number;
}

export interface HealthCheck {
  /** Relative to the API base. */
  readonly path: string;
  readonly interval: number;
  readonly timeout: number;
  readonly failureThreshold: number;
}

export interface Breaker {
  /** Failures in a row that open it. */
  readonly failureThreshold: number;
  /** Share of failures that opens it once `minRequests` were seen in the window. */
  readonly failurePercent: number;
  readonly minRequests: number;
  /** How long it stays open before one probe is let through. */
  readonly recoveryTimeout: number;
}

/** Of one proxy's calls to the provider. */
export interface Concurrency {
  /** In flight at once. */
  readonly max: number;
  /** How many more may wait for a place. */
  readonly queue: number;
}

export type Strategy = "Weighted" | "BlueGreen" | "Cost" | "Latency";

export interface Route {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  /** The object's UID in a cluster, its key on a laptop. Seeds sticky choices. */
  readonly uid: string;
  readonly generation: number;
  /** `metadata.creationTimestamp`; absent where there is none. Of two namespaces' shared routes the older is found. */
  readonly created?: string;
  /** Names that applications ask for; `*` claims every other name. */
  readonly models: readonly string[];
  readonly strategy: Strategy;
  /** As written; `priority` makes the tiers. Empty: the route holds its names and answers that none may serve. */
  readonly backends: readonly Backend[];
  readonly sticky: readonly StickyKey[];
  readonly failover: Failover;
  /** Which namespaces' clients may use it beside its own. */
  readonly allowedClients: Sharing;
  /** Of strategy Cost. Absent: an unpriced backend comes last in its tier. */
  readonly cost?: { readonly unpriced: "Exclude" };
  /** Of strategy Latency. Absent: `LATENCY_RULES`. */
  readonly latency?: LatencyRules;
  /** Absent: ids that Tandem did not give out are not found. */
  readonly foreignIDs?: "Probe";
  /** Absent: a known residency means its own zone only, and callers of unknown residency are served. */
  readonly compliance?: Compliance;
  /** Absent: nothing is copied. */
  readonly shadow?: Shadow;
  /** Absent: there is none. How far it has come is folded into the weights and the shadow. */
  readonly rollout?: Rollout;
}

/** Names of two of the route's backends, which are measured to be compared. */
export interface Rollout {
  readonly stable: string;
  readonly candidate: string;
}

/** Some requests are sent to another backend as well, after their caller was answered. */
export interface Shadow {
  /** Name of one of the route's backends. */
  readonly backend: string;
  /** 1–100. */
  readonly percent: number;
  /** Of the copies, 1–100: the backend that answered is asked again too. Absent: never. */
  readonly noisePercent?: number;
  /** Copies in flight at once, per proxy. */
  readonly maxInFlight: number;
  /** Of all proxies together, a UTC day. Absent: no limit. */
  readonly dailyTokenBudget?: number;
  /** Absent: requests that offer tools are not copied. */
  readonly tools?: "Allow";
  /** Milliseconds for which requests and answers of comparisons are kept. Absent: none is. */
  readonly keepBodies?: number;
  /** Absent: nobody is asked which answer is better. */
  readonly judge?: Judge;
}

/** A webhook that says which of two answers is better. */
export interface Judge {
  readonly url: string;
  /** Of the compared pairs, 1–100. */
  readonly percent: number;
  /** Its bearer token. Absent: none is sent. */
  readonly credential?: CredentialVersion;
}

export interface LatencyRules {
  /** What is compared. Absent: the time to the first token. */
  readonly metric?: "Total";
  /** Share of the requests that measure backends which are not among the fastest, 0–50. */
  readonly explorePercent: number;
  /** Backends that are slower than the fastest by no more than this are as good as it, 0–100. */
  readonly switchMarginPercent: number;
}

/** Where a route says nothing. */
export const LATENCY_RULES: LatencyRules = { explorePercent: 2, switchMarginPercent: 10 };

export interface Compliance {
  /** At most one for each residency. */
  readonly rules: readonly ResidencyRule[];
  /** Whether callers of whom nothing is known are served. */
  readonly unknownResidency: "Allow" | "Deny";
}

export interface ResidencyRule {
  readonly residency: Zone;
  /** The zones in which the data of such callers may be processed. */
  readonly allow: readonly Zone[];
  /** What may send content elsewhere all the same. */
  readonly allowTools?: readonly ElsewhereTool[];
}

export type ElsewhereTool = "DataSources" | "MCP" | "RemoteFiles" | "RemoteImages" | "WebSearch";

export type Sharing = "Same" | "All" | readonly string[];

export interface Backend {
  readonly name: string;
  readonly provider: ObjectKey;
  /** 1 first. */
  readonly priority: number;
  /** Share among the backends of one tier, 0–100. BlueGreen and rollouts are already folded into it. */
  readonly weight: number;
  /** Whether it may answer when others fail. */
  readonly failover: "Allowed" | "Never";
  /** The provider's model to use, when it is not the one that the caller asked for. */
  readonly model?: string;
}

export type StickyKey = { readonly header: string } | { readonly bodyField: string };

export interface Failover {
  readonly retrySameProvider: number;
  readonly fallbackToNext: boolean;
  readonly maxAttempts: number;
  /** Milliseconds; no new attempt begins after this. */
  readonly maxDuration: number;
  readonly backoff: { readonly base: number; readonly max: number };
  /** Milliseconds of silence after which a second backend is asked beside the first. Absent: never. */
  readonly hedgeAfter?: number;
  /** Absent: a stream that breaks after it began ends with an error event. */
  readonly streamRecovery?: "Splice";
}

export interface Client {
  readonly key: ObjectKey;
  readonly namespace: string;
  readonly name: string;
  readonly keys: readonly ClientKey[];
  /** Absent: every model that a route offers. */
  readonly models?: readonly string[];
  readonly defaultRoute?: string;
  /** Where its data may be processed. Absent: what else is known of the caller decides. */
  readonly residency?: Zone;
  /** Where it calls from, for strategy Latency. Absent: what else is known of the caller. */
  readonly location?: string;
  /** Absent: no limit. */
  readonly budget?: ClientBudget;
  /** Absent: lists of what is kept at providers are closed. */
  readonly statefulListing?: "Allow";
  /** Of all proxies together. Absent: none. */
  readonly limits?: ClientLimits;
}

/** What a client may ask for; a limit that is absent is none. */
export interface ClientLimits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  /** Requests and realtime sessions at the same time. */
  readonly maxConcurrent?: number;
}

export interface ClientBudget {
  /** US dollars a calendar month (UTC); a decimal text. */
  readonly usdPerMonth: string;
  /** Absent: a spent budget ends the client's requests. */
  readonly onExceeded?: "Warn";
}

export interface ClientKey {
  readonly name: string;
  /** HMAC-SHA-256 of the key under the pepper, lower-case hex. */
  readonly hmac: string;
}
