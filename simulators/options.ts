/** What may be set on a simulator, and what holds when nobody sets it? */

import type { ProviderName } from "./call.ts";
import { CATALOG, type CatalogModel } from "./catalog.ts";

/** A key that a simulated provider takes; with `hosts`, only when the Host header matches one of them. */
export interface AcceptedKey {
  readonly key: string;
  /** Host names; a leading `*.` stands for any sub-domain. Loopback hosts always match. */
  readonly hosts?: readonly string[];
}

/** An Azure deployment: the customer's name for a base model. */
export interface DeploymentOption {
  readonly name: string;
  /** Name of the base model in `catalog.ts`. */
  readonly model: string;
  /** Model version as in the answer's `model` (`2024-11-20`); the catalogue's when absent. */
  readonly version?: string;
  readonly hosts?: readonly string[];
  /** Provisioned throughput: no `x-ratelimit-*` headers. */
  readonly provisioned?: boolean;
  /** Deployment-level content filter mode; asynchronous sends annotations apart from the text. */
  readonly filter?: "default" | "asynchronous";
}

/** Limits per model (OpenAI) or deployment (Azure). Without them nothing is refused and the headers show a wide allowance. */
export interface RateLimits {
  readonly tokensPerMinute: number;
  readonly requestsPerMinute: number;
}

export interface Latency {
  /** Until the first token, in milliseconds. */
  readonly firstTokenMs: number;
  /** Between two tokens, in milliseconds. */
  readonly perTokenMs: number;
}

/** What a region is called in `x-ms-region`, for hosts that begin with a prefix. */
export interface RegionOption {
  readonly hostPrefix: string;
  readonly region: string;
}

export interface SimulatorOptions {
  /** Accepted keys, or `"any"` for any key that is not empty. */
  readonly keys?: readonly (string | AcceptedKey)[] | "any";
  /** Entra ID tokens that Azure takes as Bearer; by default those that a simulated token service has issued for it. */
  readonly tokens?: readonly string[];
  /** Names of the models that exist; default all of `catalog.ts`. */
  readonly models?: readonly string[];
  readonly deployments?: readonly DeploymentOption[];
  readonly regions?: readonly RegionOption[];
  readonly limits?: RateLimits;
  readonly latency?: Latency;
  /** Called before each plain answer that costs tokens, which waits for what it gives: for simulations in a time of their own. */
  readonly hold?: () => Promise<void>;
  /** What every model says in chats, completions and responses, in place of a text that names who says it. */
  readonly says?: string;
  /** `exact` counts with o200k (loaded at the first request); `estimate` takes four characters for a token. */
  readonly counting?: "exact" | "estimate";
  /** Azure: what an `api-version` on a `/openai/v1` path gets. */
  readonly apiVersionOnV1?: "refuse" | "accept";
  /** Azure: whether batches on v1 also take OpenAI's `/v1/chat/completions` in place of `/chat/completions`. */
  readonly batchUrlsOnV1?: "refuse" | "accept";
  /** How long batches, background responses and trainings stay in each of their states, in milliseconds. */
  readonly jobStepMs?: number;
  /** Requests kept for `GET /_sim/requests`; 0 keeps none. */
  readonly keepRequests?: number;
  /** Bytes of each request body kept with it, for tests; 0 keeps only length and hash. */
  readonly keepBodyBytes?: number;
  /** PEM key and certificate: the simulator speaks HTTPS. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Everything filled in. */
export interface Settings {
  readonly keys: readonly AcceptedKey[] | "any";
  readonly tokens: readonly string[] | undefined;
  readonly models: readonly CatalogModel[];
  readonly deployments: readonly DeploymentOption[];
  readonly regions: readonly RegionOption[];
  readonly limits: RateLimits | undefined;
  readonly latency: Latency;
  readonly hold: (() => Promise<void>) | undefined;
  readonly says: string | undefined;
  readonly counting: "exact" | "estimate";
  readonly apiVersionOnV1: "refuse" | "accept";
  readonly batchUrlsOnV1: "refuse" | "accept";
  readonly jobStepMs: number;
  readonly keepRequests: number;
  readonly keepBodyBytes: number;
  readonly tls: { readonly key: string; readonly cert: string } | undefined;
}

const GOV_HOSTS = ["*.azure.us"];
const PUBLIC_HOSTS = ["*.azure.com"];

const DEFAULT_KEYS = {
  openai: [{ key: "sk-demo-openai" }],
  azure: [
    { key: "demo-azure-key", hosts: PUBLIC_HOSTS },
    { key: "demo-azure-gov-key", hosts: GOV_HOSTS },
  ],
} satisfies Record<ProviderName, readonly AcceptedKey[]>;

/** The deployments that the shipped examples name. */
export const DEFAULT_DEPLOYMENTS: readonly DeploymentOption[] = [
  { name: "gpt-4o-prod", model: "gpt-4o", hosts: PUBLIC_HOSTS },
  { name: "gpt4o-mini-prod", model: "gpt-4o-mini", hosts: PUBLIC_HOSTS },
  { name: "embed-small", model: "text-embedding-3-small", hosts: PUBLIC_HOSTS },
  { name: "gpt-4o-ptu", model: "gpt-4o", provisioned: true, hosts: PUBLIC_HOSTS },
  { name: "gpt-4o-gov", model: "gpt-4o", hosts: GOV_HOSTS },
];

const DEFAULT_REGIONS: readonly RegionOption[] = [
  { hostPrefix: "contoso-sweden", region: "Sweden Central" },
  { hostPrefix: "contoso-gov", region: "USGov Virginia" },
];

const DEFAULT_KEPT_REQUESTS = 500;
const DEFAULT_JOB_STEP_MS = 20;

/** Defaults are for tests and measurements: no waiting. The demo passes `DEMO_LATENCY`. */
export const NO_LATENCY: Latency = { firstTokenMs: 0, perTokenMs: 0 };
export const DEMO_LATENCY: Latency = { firstTokenMs: 320, perTokenMs: 18 };

export function settingsOf(provider: ProviderName, options: SimulatorOptions): Settings {
  return {
    keys: acceptedKeys(options.keys) ?? DEFAULT_KEYS[provider],
    tokens: options.tokens,
    models: options.models ? CATALOG.filter((model) => options.models?.includes(model.name)) : CATALOG,
    deployments: options.deployments ?? DEFAULT_DEPLOYMENTS,
    regions: options.regions ?? DEFAULT_REGIONS,
    limits: options.limits,
    latency: options.latency ?? NO_LATENCY,
    hold: options.hold,
    says: options.says,
    counting: options.counting ?? "exact",
    apiVersionOnV1: options.apiVersionOnV1 ?? "refuse",
    batchUrlsOnV1: options.batchUrlsOnV1 ?? "refuse",
    jobStepMs: options.jobStepMs ?? DEFAULT_JOB_STEP_MS,
    keepRequests: options.keepRequests ?? DEFAULT_KEPT_REQUESTS,
    keepBodyBytes: options.keepBodyBytes ?? 0,
    tls: options.tls,
  };
}

function acceptedKeys(keys: SimulatorOptions["keys"]): Settings["keys"] | undefined {
  if (keys === undefined || keys === "any") return keys;
  return keys.map((entry) => (typeof entry === "string" ? { key: entry } : entry));
}

/** Whether something bound to `hosts` exists at this Host header. A host outside Azure's domains is a stand-in for all of them. */
export function servedAt(hosts: readonly string[] | undefined, host: string): boolean {
  if (hosts === undefined) return true;
  const name = host.replace(/:\d+$/, "").toLowerCase();
  if (!name.endsWith(".azure.com") && !name.endsWith(".azure.us")) return true;
  return hosts.some((pattern) => (pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern));
}
