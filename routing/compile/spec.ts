/**
 * Which parts of a validated spec does the compiler read?
 *
 * The types of the objects are generated from the CRDs; these are the parts by name.
 */
export interface SecretKeyRef {
  readonly name: string;
  readonly key: string;
}

export interface ModelSpec {
  readonly name: string;
  readonly deployment?: string;
  readonly apiVersion?: string;
  readonly contextTokens?: number;
  readonly deploymentType?: string;
  readonly timeouts?: TimeoutsSpec;
}

export interface TimeoutsSpec {
  readonly connect?: string;
  readonly firstByte?: string;
  readonly firstToken?: string;
  readonly idle?: string;
  readonly request?: string;
}

export interface SharingSpec {
  readonly namespaces?: string | readonly string[];
}

export interface ProviderSpec {
  readonly type: "OpenAI" | "AzureOpenAI";
  readonly endpoint?: string;
  readonly apiVersion?: string;
  readonly region?: string;
  readonly auth: { readonly apiKey?: { readonly secretRef: SecretKeyRef }; readonly entraID?: unknown };
  readonly tls?: { readonly caSecretRef?: SecretKeyRef };
  readonly models?: readonly ModelSpec[];
  readonly timeouts?: TimeoutsSpec;
  readonly health?: {
    readonly enabled?: boolean;
    readonly path?: string;
    readonly interval?: string;
    readonly timeout?: string;
    readonly failureThreshold?: number;
  };
  readonly circuitBreaker?: {
    readonly enabled?: boolean;
    readonly failureThreshold?: number;
    readonly failurePercent?: number;
    readonly minRequests?: number;
    readonly recoveryTimeout?: string;
  };
  readonly rateLimitGroup?: string;
  readonly allowedRoutes?: SharingSpec;
}

export interface BackendSpec {
  readonly name: string;
  readonly providerRef: { readonly name: string; readonly namespace?: string };
  readonly priority?: number;
  readonly weight?: number;
  readonly failover?: "Allowed" | "Never";
  readonly model?: string;
}

export interface RouteSpec {
  readonly models: readonly string[];
  readonly strategy?: "Weighted" | "BlueGreen" | "Cost" | "Latency";
  readonly activeBackend?: string;
  readonly backends: readonly BackendSpec[];
  readonly sticky?: { readonly by?: readonly { readonly header?: string; readonly bodyField?: string }[] };
  readonly failover?: {
    readonly retrySameProvider?: number;
    readonly fallbackToNext?: boolean;
    readonly maxAttempts?: number;
    readonly maxDuration?: string;
    readonly backoff?: { readonly base?: string; readonly max?: string };
  };
  readonly shadow?: { readonly backend: string };
  readonly rollout?: { readonly stable: string; readonly candidate: string };
  readonly allowedClients?: SharingSpec;
}

export interface ClientSpec {
  readonly keys: readonly { readonly name: string; readonly secretRef: SecretKeyRef }[];
  readonly models?: readonly string[];
  readonly defaultRoute?: string;
  readonly residency?: string;
}
