/**
 * What do users write, and what does Tandem answer in status?
 *
 * The objects as `validateObject` hands them on: defaults are filled in, unknown fields are gone.
 */

// Generated from crds/*.yaml by `npm run generate`. Edit those, not this.

export type TandemObject = AIProvider | AIRoute | AIClient;

export const API_VERSION = "tandem.dev/v1alpha1";

/** What every Kubernetes object says of itself, as far as Tandem reads it. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An account at OpenAI or a resource of Azure OpenAI, with its key, its models and its limits. Routes name it as a backend. */
export interface AIProvider {
  readonly apiVersion: "tandem.dev/v1alpha1";
  readonly kind: "AIProvider";
  readonly metadata: ObjectMeta;
  readonly spec: AIProviderSpec;
  readonly status?: AIProviderStatus;
}

/** What is wanted. */
export interface AIProviderSpec {
  /** Whose API it speaks. It cannot be changed; make a new AIProvider instead. */
  readonly type: "AzureOpenAI" | "OpenAI";
  /** The API's address. OpenAI: the API base with its /v1, by default https://api.openai.com/v1. AzureOpenAI: the address of the resource, such as https://NAME.openai.azure.com. Private addresses are refused unless the gateway's egress settings allow them. */
  readonly endpoint?: string;
  /** AzureOpenAI only: v1 (the default), which needs no api-version, or a dated version such as 2024-10-21 or 2025-04-01-preview. */
  readonly apiVersion?: string;
  /** AzureOpenAI only. How this resource behaves where Microsoft's own documents and what resources do disagree. */
  readonly compatibility?: {
    /** What is sent as api-version with apiVersion v1. Left out, Omit: none, since some resources refuse it. Preview sends api-version=preview, which others need for operations in preview. */
    readonly apiVersionOnV1?: "Omit" | "Preview";
    /** How a batch names its operation. Left out, Short: /chat/completions, as Azure's documents do. Versioned: /v1/chat/completions, as OpenAI does. */
    readonly batchEndpoint?: "Short" | "Versioned";
  };
  /** AzureOpenAI only: the Azure region of the resource, such as swedencentral. With each model's deploymentType it decides where data may be processed; without it no residency is satisfied. */
  readonly region?: string;
  /** OpenAI only: the zones in which this provider's project stores and processes data, such as [EU] for an EU project on the EU endpoint. Left out, it satisfies no residency; with several, only one whose data may be in all of them. */
  readonly residency?: readonly ("APAC" | "EU" | "US" | "USGov")[];
  /** How Tandem proves itself to the provider. Exactly one of its fields. */
  readonly auth: {
    /** The provider's API key. */
    readonly apiKey?: {
      /** The Secret, in the namespace of this object, that holds the key. */
      readonly secretRef: {
        /** Name of the Secret. */
        readonly name: string;
        /** Key in the Secret's data. */
        readonly key: string;
      };
    };
    /** AzureOpenAI only. A Microsoft Entra ID token, fetched and refreshed by Tandem. */
    readonly entraID?: {
      /** The directory (tenant), as a UUID or a domain name. */
      readonly tenantID: string;
      /** The application (client), as a UUID. */
      readonly clientID: string;
      /** Prove the application by a client secret. */
      readonly clientSecret?: {
        /** The Secret, in the namespace of this object, that holds the client secret. */
        readonly secretRef: {
          /** Name of the Secret. */
          readonly name: string;
          /** Key in the Secret's data. */
          readonly key: string;
        };
      };
      /** Prove the application by the pod's own service account token (workload identity federation). Written as {}. */
      readonly workloadIdentity?: Readonly<Record<string, never>>;
      /** The token's scope. By default https://cognitiveservices.azure.com/.default, or its counterpart in a sovereign cloud. */
      readonly scope?: string;
      /** The token service. By default https://login.microsoftonline.com, or its counterpart in a sovereign cloud. */
      readonly authority?: string;
    };
  };
  /** How the provider's certificate is checked, where the public authorities do not suffice. */
  readonly tls?: {
    /** The Secret, in the namespace of this object, with the PEM certificates of the authorities to trust beside the public ones. */
    readonly caSecretRef?: {
      /** Name of the Secret. */
      readonly name: string;
      /** Key in the Secret's data, often ca.crt. */
      readonly key: string;
    };
  };
  /** What it offers. AzureOpenAI serves only the models listed here; OpenAI, when none is listed, any model by its own name. */
  readonly models?: readonly {
    /** The gateway's name for the model. On OpenAI it is also the provider's. */
    readonly name: string;
    /** AzureOpenAI only. The deployment that serves the model; by default the one with the model's name. */
    readonly deployment?: string;
    /** Which model it really is, such as gpt-5-mini, where its name does not say: it decides which fields of a request are renamed for it. By default the name, on OpenAI the provider's. */
    readonly baseModel?: string;
    /** The model's version, such as 2024-11-20. For people; nothing is decided by it. */
    readonly version?: string;
    /** The size of the context in tokens. A request that was too long for one backend is tried again only where this is larger. */
    readonly contextTokens?: number;
    /** AzureOpenAI only. The deployment's type (SKU), which decides where data may be processed: Standard and ProvisionedManaged keep it in the region, DataZone types in the zone, Global types and DeveloperTier anywhere. */
    readonly deploymentType?: "DataZoneBatch" | "DataZoneProvisionedManaged" | "DataZoneStandard" | "DeveloperTier" | "GlobalBatch" | "GlobalProvisionedManaged" | "GlobalStandard" | "ProvisionedManaged" | "Standard";
    /** AzureOpenAI only. The api-version for this model, where it differs from the provider's. */
    readonly apiVersion?: string;
    /** Time limits for this model, where they differ from the provider's. */
    readonly timeouts?: {
      /** Until the connection stands. */
      readonly connect?: string;
      /** Until the headers of a streamed answer. */
      readonly firstByte?: string;
      /** Until the first content of a streamed answer; keep-alives do not count. */
      readonly firstToken?: string;
      /** Between two chunks of a streamed answer. */
      readonly idle?: string;
      /** The whole call. */
      readonly request?: string;
    };
    /** What the provider grants for this model. Until the provider's own headers say more, a backend near it is passed over. */
    readonly limits?: {
      /** Tokens a minute. */
      readonly tokensPerMinute?: number;
      /** Requests a minute. */
      readonly requestsPerMinute?: number;
    };
    /** What the model costs, as decimal strings in US dollars. Left out, the shipped list applies; a model in neither is unpriced, never free. */
    readonly price?: {
      /** Per million input tokens. */
      readonly input?: string;
      /** Per million input tokens that the provider had cached. By default the price of input. */
      readonly cachedInput?: string;
      /** Per million output tokens, reasoning included. */
      readonly output?: string;
      /** Per million tokens of audio in the input. */
      readonly audioInput?: string;
      /** Per million tokens of audio in the output. */
      readonly audioOutput?: string;
      /** Per million tokens of images in the input. */
      readonly imageInput?: string;
      /** Per million tokens of images in the output. */
      readonly imageOutput?: string;
      /** Per generated image. */
      readonly perImage?: string;
      /** Per minute of audio. */
      readonly perMinute?: string;
      /** Per million characters of speech. */
      readonly perMillionCharacters?: string;
      /** Other prices for requests whose input is longer than a size, smallest first. */
      readonly steps?: readonly {
        /** Input tokens above which these prices apply, to the whole request. */
        readonly aboveContextTokens: number;
        /** Per million input tokens. */
        readonly input?: string;
        /** Per million input tokens that the provider had cached. */
        readonly cachedInput?: string;
        /** Per million output tokens. */
        readonly output?: string;
      }[];
    };
    /** Capacity that is paid whether it is used or not, so it is used first. Exactly one of usdPerHour and tokensPerMinute. */
    readonly commitment?: {
      /** US dollars paid an hour, after the discount. */
      readonly usdPerHour?: string;
      /** The discount on the price: 60.00 an hour at 30 covers 60 / 0.70 = 85.71 of list value an hour. Left out, 0. */
      readonly discountPercent?: number;
      /** Bought throughput (PTU), in tokens a minute. */
      readonly tokensPerMinute?: number;
      /** The time within which the committed value must be used or is lost. Left out, 1m. */
      readonly window?: string;
    };
  }[];
  /** Time limits of a call. firstByte, firstToken and idle watch streams only; a plain answer has connect and request. Default: `{"connect":"5s","firstByte":"60s","idle":"120s","request":"10m"}`. */
  readonly timeouts: {
    /** Until the connection stands, TLS included. Default: `5s`. */
    readonly connect: string;
    /** Until the headers of a streamed answer. Default: `60s`. */
    readonly firstByte: string;
    /** Until the first content of a streamed answer; keep-alives do not count. Unset by default, since reasoning models think for minutes. */
    readonly firstToken?: string;
    /** Between two chunks of a streamed answer. Default: `120s`. */
    readonly idle: string;
    /** The whole call. Default: `10m`. */
    readonly request: string;
  };
  /** How many calls one proxy has in flight to this provider. Unset by default, which means no limit. */
  readonly concurrency?: {
    /** Calls in flight per proxy. */
    readonly max: number;
    /** Calls that may wait for a place per proxy; beyond that the next backend is tried. Default: `0`. */
    readonly queue: number;
  };
  /** Active health checks. 2xx and 429 are healthy. Default: `{"enabled":true,"path":"/models","interval":"10s","timeout":"5s","failureThreshold":3}`. */
  readonly health: {
    /** Whether the provider is asked at all. Default: `true`. */
    readonly enabled: boolean;
    /** What is asked for, relative to the API base: /models is /openai/v1/models on AzureOpenAI, or /openai/models?api-version= in dated form. Default: `/models`. */
    readonly path: string;
    /** Time between two checks. Default: `10s`. */
    readonly interval: string;
    /** After which a check has failed. Default: `5s`. */
    readonly timeout: string;
    /** Failed checks in a row that make the provider unhealthy. Default: `3`. */
    readonly failureThreshold: number;
  };
  /** When a model of this provider is left alone after failures. 429 never counts. Default: `{"enabled":true,"failureThreshold":5,"failurePercent":50,"minRequests":20,"recoveryTimeout":"60s"}`. */
  readonly circuitBreaker: {
    /** Whether there is a breaker. Default: `true`. */
    readonly enabled: boolean;
    /** Failures in a row that open it. Default: `5`. */
    readonly failureThreshold: number;
    /** Share of failures that opens it, once minRequests were seen. Default: `50`. */
    readonly failurePercent: number;
    /** Requests below which failurePercent does not count. Default: `20`. */
    readonly minRequests: number;
    /** How long it stays open before one request probes the provider. Default: `60s`. */
    readonly recoveryTimeout: string;
  };
  /** OpenAI only: providers with the same group share what is known of rate limits, which belong to the organisation. By default those with the same Secret and key. */
  readonly rateLimitGroup?: string;
  /** Which other namespaces' routes may use this provider. By default none; its own namespace always may. */
  readonly allowedRoutes?: {
    /** All, or a list of namespaces. */
    readonly namespaces: "All" | readonly string[];
  };
}

/** What is the case. */
export interface AIProviderStatus {
  /** The generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /** The address in use, with defaults filled in. */
  readonly endpoint?: string;
  /** Where the price of each model comes from. */
  readonly prices?: readonly {
    /** The gateway's name for the model. */
    readonly model: string;
    /** The object's own price, the shipped list, or none. */
    readonly source: "List" | "None" | "Spec";
    /** The date of the shipped list. */
    readonly date?: string;
  }[];
  /** Accepted, ResolvedRefs (the Secrets and keys exist), Healthy (as the proxies see it, with the reason) and Ready. */
  readonly conditions?: readonly {
    /** What it speaks of. */
    readonly type: string;
    /** Whether it is so. */
    readonly status: "False" | "True" | "Unknown";
    /** The generation of the spec that it speaks of. */
    readonly observedGeneration?: number;
    /** When status last changed. */
    readonly lastTransitionTime: string;
    /** Why */
    readonly reason: string;
    /** Why */
    readonly message: string;
  }[];
}

/** The models that applications ask for, and the backends that answer, in tiers by priority and inside a tier by strategy. */
export interface AIRoute {
  readonly apiVersion: "tandem.dev/v1alpha1";
  readonly kind: "AIRoute";
  readonly metadata: ObjectMeta;
  readonly spec: AIRouteSpec;
  readonly status?: AIRouteStatus;
}

/** What is wanted. */
export interface AIRouteSpec {
  /** The names that applications ask for. "*" claims every name of the namespace that no other route claims. */
  readonly models: readonly string[];
  /** The order of the backends inside one priority: by their weights, all to activeBackend, the cheapest first, or the fastest first. Default: `Weighted`. */
  readonly strategy: "BlueGreen" | "Cost" | "Latency" | "Weighted";
  /** Strategy BlueGreen only. The backend that takes all traffic; the others stay idle and do not answer when it fails. */
  readonly activeBackend?: string;
  /** Who answers. */
  readonly backends: readonly {
    /** The backend's name within this route. Sticky choices hang on it. */
    readonly name: string;
    /** The AIProvider. */
    readonly providerRef: {
      /** Name of the AIProvider. */
      readonly name: string;
      /** Its namespace, where it is not the route's own. The provider must allow it by allowedRoutes. */
      readonly namespace?: string;
    };
    /** The provider's model to use. Left out, the one that the caller asked for. */
    readonly model?: string;
    /** The tier; 1 is asked first, the next when nobody there could answer. Left out, 1. */
    readonly priority?: number;
    /** The share among the backends of its priority; they need not add up to 100. 0 takes no traffic of its own. Left out, 1. */
    readonly weight?: number;
    /** Whether it may answer when others fail. Left out, Never for a shadow's target, a rollout's candidate and the idle side of BlueGreen, Allowed for the rest. */
    readonly failover?: "Allowed" | "Never";
  }[];
  /** Keeps a conversation where it began. */
  readonly sticky?: {
    /** Where the conversation's key is found; the first that is present counts. */
    readonly by: readonly {
      /** A request header, such as x-session-id. */
      readonly header?: string;
      /** A top-level field of the request's body, such as user. */
      readonly bodyField?: string;
    }[];
  };
  /** What is done when a backend fails. Default: `{"retrySameProvider":1,"fallbackToNext":true,"maxAttempts":4,"maxDuration":"60s","backoff":{"base":"250ms","max":"4s"},"streamRecovery":"None"}`. */
  readonly failover: {
    /** How often a backend is asked again after a connect error, a reset, 408 or 5xx. Default: `1`. */
    readonly retrySameProvider: number;
    /** Whether the next backend is asked. Default: `true`. */
    readonly fallbackToNext: boolean;
    /** Attempts per request, all backends together. Default: `4`. */
    readonly maxAttempts: number;
    /** No attempt is begun after this time. Default: `60s`. */
    readonly maxDuration: string;
    /** The wait before the same backend is asked again, doubled each time, with jitter. Default: `{"base":"250ms","max":"4s"}`. */
    readonly backoff: {
      /** The first wait. Default: `250ms`. */
      readonly base: string;
      /** The longest wait. Default: `4s`. */
      readonly max: string;
    };
    /** A second attempt is begun at the next backend when the first has sent nothing by then, for at most a tenth of the route's requests; the first answer counts and both are paid. Unset by default, which means never. */
    readonly hedgeAfter?: string;
    /** What is done when a stream breaks after it began: None ends it with an error event; Splice asks the next backend and goes on where its answer begins with exactly what the caller already has. Default: `None`. */
    readonly streamRecovery: "None" | "Splice";
  };
  /** A copy of some requests goes to another backend after the caller was answered. The answer never comes from the copy. */
  readonly shadow?: {
    /** The backend that gets the copies. */
    readonly backend: string;
    /** Share of requests that are copied. */
    readonly percent: number;
    /** Share of the copies for which the live backend is asked again too, to learn what differs anyway. Default: `0`. */
    readonly noisePercent: number;
    /** Copies in flight per proxy; beyond that they are dropped. Default: `32`. */
    readonly maxInFlight: number;
    /** Tokens that copies may use a day (UTC). Unset means no limit. */
    readonly dailyTokenBudget?: number;
    /** Whether requests that offer tools are copied too. What a copy's answer asks for is never called, but a provider's own tools may act. Default: `Deny`. */
    readonly tools: "Allow" | "Deny";
    /** What is kept of the last comparisons, in the proxies' memory only. */
    readonly records?: {
      /** Hashes keeps nothing that can be read. Keep keeps requests and answers too, up to 64 KiB of each, for holders of the proxies' admin token; never those of callers with a known residency. Default: `Hashes`. */
      readonly bodies: "Hashes" | "Keep";
      /** For how long bodies are kept. Default: `1h`. */
      readonly retention: string;
    };
    /** A webhook that says which of two answers is better, without knowing whose they are. Requests and answers are sent to it; never those of callers with a known residency. */
    readonly judge?: {
      /** Where the pairs are sent to, by POST. Private addresses need the setting egress.allowedCIDRs. */
      readonly url: string;
      /** Where the bearer token stands, in the route's namespace. Left out, none is sent. */
      readonly secretRef?: {
        /** Name of the Secret. */
        readonly name: string;
        /** Its key. */
        readonly key: string;
      };
      /** Share of the compared pairs that are sent. Default: `100`. */
      readonly percent: number;
    };
  };
  /** Moves traffic from stable to candidate step by step, judged by what the proxies measure. Weights of backends are ignored beside it. */
  readonly rollout?: {
    /** Run goes on, Pause stays, Abort goes back to stable. Default: `Run`. */
    readonly state: "Abort" | "Pause" | "Run";
    /** The backend that serves today. */
    readonly stable: string;
    /** The backend that shall take over. */
    readonly candidate: string;
    /** What is done, in this order. */
    readonly steps: readonly {
      /** Share of requests copied to the candidate. */
      readonly setShadow?: number;
      /** Share of requests that the candidate answers. */
      readonly setWeight?: number;
      /** Stays for a time and judges. */
      readonly analyze?: {
        /** How long. */
        readonly duration: string;
      };
      /** Stays for a time or, written as {}, until promoted by the annotation tandem.dev/promoted-step. */
      readonly pause?: {
        /** How long. */
        readonly duration?: string;
      };
    }[];
    /** Bounds of the copies that setShadow makes. Default: `{"noisePercent":0,"maxInFlight":32,"tools":"Deny"}`. */
    readonly shadow: {
      /** Share of the copies for which the live backend is asked again too, to learn what differs anyway. Default: `0`. */
      readonly noisePercent: number;
      /** Copies in flight per proxy; beyond that they are dropped. Default: `32`. */
      readonly maxInFlight: number;
      /** Tokens that copies may use a day (UTC). Unset means no limit. */
      readonly dailyTokenBudget?: number;
      /** Whether requests that offer tools are copied too. What a copy's answer asks for is never called, but a provider's own tools may act. Default: `Deny`. */
      readonly tools: "Allow" | "Deny";
      /** What is kept of the last comparisons, in the proxies' memory only. */
      readonly records?: {
        /** Hashes keeps nothing that can be read. Keep keeps requests and answers too, up to 64 KiB of each, for holders of the proxies' admin token; never those of callers with a known residency. Default: `Hashes`. */
        readonly bodies: "Hashes" | "Keep";
        /** For how long bodies are kept. Default: `1h`. */
        readonly retention: string;
      };
      /** A webhook that says which of two answers is better, without knowing whose they are. Requests and answers are sent to it; never those of callers with a known residency. */
      readonly judge?: {
        /** Where the pairs are sent to, by POST. Private addresses need the setting egress.allowedCIDRs. */
        readonly url: string;
        /** Where the bearer token stands, in the route's namespace. Left out, none is sent. */
        readonly secretRef?: {
          /** Name of the Secret. */
          readonly name: string;
          /** Its key. */
          readonly key: string;
        };
        /** Share of the compared pairs that are sent. Default: `100`. */
        readonly percent: number;
      };
    };
    /** How the candidate is judged in every step in which it has traffic. Without it nothing is judged. */
    readonly analysis?: {
      /** The length of a window. Default: `30s`. */
      readonly interval: string;
      /** Failed windows that are allowed; the next one rolls back. Default: `2`. */
      readonly failureLimit: number;
      /** Requests below which a window is inconclusive. Default: `50`. */
      readonly minRequests: number;
      /** What is done when a step ends without a verdict. Default: `Pause`. */
      readonly onInconclusive: "Abort" | "Continue" | "Pause";
      /** What is measured. All must hold. */
      readonly metrics: readonly {
        /** What is measured on the candidate: CostPerRequest (US dollars), ErrorPercent, P50LatencyMilliseconds, P95FirstTokenMilliseconds (of streams), P95LatencyMilliseconds, P99LatencyMilliseconds, RefusalPercent, SchemaFailurePercent (of answers that were to be JSON or tool calls), ShadowDisagreementPercent (of copies, noise taken off), TokensPerSecond (of streams, the median), TruncationPercent; or, with prometheus, a name of your own. */
        readonly name: string;
        /** The highest value allowed, as a decimal string. */
        readonly max?: string;
        /** The lowest value allowed, as a decimal string. */
        readonly min?: string;
        /** How much higher than stable in the same window it may be. */
        readonly maxIncreasePercent?: number;
        /** How much lower than stable in the same window it may be. */
        readonly maxDecreasePercent?: number;
        /** Asks a Prometheus server instead. The operator asks it at the end of each window. */
        readonly prometheus?: {
          /** Address of the server, before /api/v1/query. */
          readonly url: string;
          /** An instant query (PromQL) that gives one number. */
          readonly query: string;
          /** Where the bearer token stands, in the route's namespace. Left out, none is sent. */
          readonly secretRef?: {
            /** Name of the Secret. */
            readonly name: string;
            /** Its key. */
            readonly key: string;
          };
        };
        /** Whether it is only told and never decides. Left out */
        readonly dryRun?: boolean;
      }[];
    };
  };
  /** Strategy Cost only. */
  readonly cost?: {
    /** What is done with a model without a price. It is never taken to be free. Default: `Last`. */
    readonly unpriced: "Exclude" | "Last";
  };
  /** Strategy Latency only. */
  readonly latency?: {
    /** What is compared, the time to the first token or to the end. Default: `FirstToken`. */
    readonly metric: "FirstToken" | "Total";
    /** Share of requests that keep measuring the other backends. Default: `2`. */
    readonly explorePercent: number;
    /** How much faster another backend must be to take over. Default: `10`. */
    readonly switchMarginPercent: number;
  };
  /** Where callers' data may be processed. A filter before everything else. */
  readonly compliance?: {
    /** What a known residency allows. One without a rule allows its own zone only. */
    readonly rules?: readonly {
      /** The caller's residency. */
      readonly residency: "APAC" | "EU" | "US" | "USGov";
      /** The zones in which its data may be processed. */
      readonly allow: readonly ("APAC" | "EU" | "US" | "USGov")[];
      /** Tools and fields that send content elsewhere and are allowed all the same. Those not listed are refused for such callers. */
      readonly allowTools?: readonly ("DataSources" | "MCP" | "RemoteFiles" | "RemoteImages" | "WebSearch")[];
    }[];
    /** Whether callers of whom nothing is known may use this route. Default: `Allow`. */
    readonly unknownResidency: "Allow" | "Deny";
  };
  /** The same content rules on every backend. */
  readonly contentPolicy?: {
    /** What is refused in requests, from which severity on. A category left out is not checked. */
    readonly input?: {
      /** Hate and fairness. */
      readonly hate?: "High" | "Low" | "Medium";
      /** Sexual content. */
      readonly sexual?: "High" | "Low" | "Medium";
      /** Violence. */
      readonly violence?: "High" | "Low" | "Medium";
      /** Self-harm. */
      readonly selfHarm?: "High" | "Low" | "Medium";
      /** Attempts to lift the model's rules. */
      readonly jailbreak?: "Block";
    };
    /** What is refused in answers, from which severity on. A category left out is not checked. */
    readonly output?: {
      /** Hate and fairness. */
      readonly hate?: "High" | "Low" | "Medium";
      /** Sexual content. */
      readonly sexual?: "High" | "Low" | "Medium";
      /** Violence. */
      readonly violence?: "High" | "Low" | "Medium";
      /** Self-harm. */
      readonly selfHarm?: "High" | "Low" | "Medium";
    };
    /** What becomes of a backend that cannot check one of the categories: Deny leaves it out, Allow takes it and says so in the condition PolicyEnforced. Default: `Deny`. */
    readonly unsupported: "Allow" | "Deny";
    /** What becomes of a request when the check itself cannot be made. Default: `Deny`. */
    readonly onCheckFailure: "Allow" | "Deny";
  };
  /** Which other namespaces' clients may use this route. By default none; its own namespace's always may. */
  readonly allowedClients?: {
    /** All, or a list of namespaces. */
    readonly namespaces: "All" | readonly string[];
  };
  /** What is done with ids of files, responses and the like that were made before Tandem: Probe looks for them at the caller's own backends, NotFound answers 404. Default: `NotFound`. */
  readonly foreignIDs: "NotFound" | "Probe";
}

/** What is the case. */
export interface AIRouteStatus {
  /** The generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /** The model names in force, joined. */
  readonly models?: string;
  /** The order in force: shares such as openai 90%, azure 10%, or where a strategy decides its backends, such as by cost: committed, burst. */
  readonly weights?: string;
  /** How many proxies run this generation. */
  readonly proxies?: {
    /** Proxies that serve, ready or terminating. */
    readonly serving?: number;
    /** Those of them that run a table with this generation. */
    readonly programmed?: number;
  };
  /** Strategy BlueGreen only, the side that takes all traffic. */
  readonly activeBackend?: {
    /** The backend. */
    readonly name: string;
    /** When it was switched to. */
    readonly since: string;
    /** The backend before. */
    readonly previous?: string;
  };
  /** Where the rollout stands. Its memory. */
  readonly rollout?: {
    /** Grows with every change. The memory beside the table has it too; the higher one counts. */
    readonly sequence?: number;
    /** Identifies stable, candidate and steps; another one restarts the rollout. */
    readonly hash?: string;
    /** The step, counted from 1, of how many: 3/7. */
    readonly step?: string;
    /** The step, counted from 0. As many as there are steps: done. */
    readonly stepIndex?: number;
    /** The candidate's share in force. */
    readonly weight?: number;
    /** The share of requests copied. */
    readonly shadowPercent?: number;
    /** When the rollout began. */
    readonly startedAt?: string;
    /** When the step began on every serving proxy. */
    readonly stepStartedAt?: string;
    /** Held: the step is not entered, since the rollout is paused. Spreading: not every serving proxy runs it yet. Running. Waiting: for a promotion. Ended: see outcome. */
    readonly phase?: "Ended" | "Held" | "Running" | "Spreading" | "Waiting";
    /** How much of a timed step has passed. */
    readonly runMilliseconds?: number;
    /** Since when the time of a step that is not judged runs on. */
    readonly runningSince?: string;
    /** When state Pause was seen. */
    readonly pausedSince?: string;
    /** When the window in progress began. */
    readonly windowSince?: string;
    /** From when on requests count in it. Windows without a verdict are carried on. */
    readonly evidenceSince?: string;
    /** Windows that passed in this step. */
    readonly passedWindows?: number;
    /** Windows that passed since the last that failed. */
    readonly passedInRow?: number;
    /** What the annotation said when the step began to wait. It promotes nothing. */
    readonly seenPromotion?: string;
    /** How it ended. Absent while it goes on. */
    readonly outcome?: "Aborted" | "Promoted" | "RolledBack";
    /** Windows that failed and count. Twenty that passed in a row clear them. */
    readonly failedWindows?: number;
    /** Windows without a verdict in this step. */
    readonly inconclusiveWindows?: number;
    /** What decided the last change */
    readonly message?: string;
    /** The last window's values. */
    readonly metrics?: readonly {
      /** The metric. */
      readonly name: string;
      /** Its value on stable. */
      readonly stable?: string;
      /** Its value on the candidate. */
      readonly candidate?: string;
      /** What it says. */
      readonly verdict?: "Failed" | "Inconclusive" | "Passed";
      /** Whether it is only told. */
      readonly dryRun?: boolean;
      /** Why, with the numbers that decided. */
      readonly message?: string;
    }[];
  };
  /** What the copies showed today (UTC). */
  readonly shadow?: {
    /** The day. */
    readonly date?: string;
    /** Requests copied. */
    readonly copied?: number;
    /** Copies dropped because of a bound. */
    readonly dropped?: number;
    /** Pairs compared. */
    readonly compared?: number;
    /** Pairs that differed. */
    readonly different?: number;
    /** Pairs of the live backend with itself. */
    readonly noiseCompared?: number;
    /** Those of them that differed. */
    readonly noiseDifferent?: number;
    /** Tokens that the copies used. */
    readonly tokens?: number;
    /** The backend that got the copies. */
    readonly backend?: string;
    /** What the judge said of pairs, seen from the copy. Absent where it said nothing. */
    readonly judged?: {
      /** The copy was better. */
      readonly wins?: number;
      /** Neither was. */
      readonly ties?: number;
      /** What the caller got was better. */
      readonly losses?: number;
    };
    /** Whether the copies differ from what callers got more often than the live backend differs from itself, by more than 5 %; with bounds at 95 %, so that few comparisons are Inconclusive. */
    readonly verdict?: "Alike" | "Different" | "Inconclusive";
    /** The verdict in a sentence. */
    readonly message?: string;
    /** What each process of a proxy said last. The sums above are made of it, also after a restart of the operator. */
    readonly counted?: readonly {
      /** Its name. */
      readonly instance: string;
      /** Its part of copied. */
      readonly copied?: number;
      /** Its part of dropped. */
      readonly dropped?: number;
      /** Its part of compared. */
      readonly compared?: number;
      /** Its part of different. */
      readonly different?: number;
      /** Its part of noiseCompared. */
      readonly noiseCompared?: number;
      /** Its part of noiseDifferent. */
      readonly noiseDifferent?: number;
      /** Its part of tokens. */
      readonly tokens?: number;
      /** Its part of judged.wins. */
      readonly wins?: number;
      /** Its part of judged.ties. */
      readonly ties?: number;
      /** Its part of judged.losses. */
      readonly losses?: number;
    }[];
  };
  /** Accepted, ResolvedRefs, Programmed (every serving proxy runs this generation), Progressing and Promoted of a rollout, PolicyEnforced of a contentPolicy, Pinned when held by a rollback, and Ready. */
  readonly conditions?: readonly {
    /** What it speaks of. */
    readonly type: string;
    /** Whether it is so. */
    readonly status: "False" | "True" | "Unknown";
    /** The generation of the spec that it speaks of. */
    readonly observedGeneration?: number;
    /** When status last changed. */
    readonly lastTransitionTime: string;
    /** Why */
    readonly reason: string;
    /** Why */
    readonly message: string;
  }[];
}

/** An application that calls the gateway, by its keys. Its namespace decides which routes it may use. */
export interface AIClient {
  readonly apiVersion: "tandem.dev/v1alpha1";
  readonly kind: "AIClient";
  readonly metadata: ObjectMeta;
  readonly spec: AIClientSpec;
  readonly status?: AIClientStatus;
}

/** What is wanted. */
export interface AIClientSpec {
  /** The keys that prove the caller. Two at once allow a rotation without a gap. */
  readonly keys: readonly {
    /** The key's name within this client, such as current or next. */
    readonly name: string;
    /** The Secret, in the namespace of this object, that holds the key. */
    readonly secretRef: {
      /** Name of the Secret. */
      readonly name: string;
      /** Key in the Secret's data. */
      readonly key: string;
    };
  }[];
  /** The models that it may ask for. Left out, every routed model. */
  readonly models?: readonly string[];
  /** Where its data may be processed, enforced on every route. Left out, what the gateway's settings for callers say. */
  readonly residency?: "APAC" | "EU" | "US" | "USGov";
  /** Where it calls from, such as eu-west, for strategy Latency. Left out, what the gateway's settings for callers say. */
  readonly location?: string;
  /** How much it may ask for, over all proxies. Unset means no limit. */
  readonly limits?: {
    /** Requests within any minute. */
    readonly requestsPerMinute?: number;
    /** Tokens within any minute, of prompts and answers. */
    readonly tokensPerMinute?: number;
    /** Requests and realtime sessions at the same time. */
    readonly maxConcurrent?: number;
  };
  /** What it may spend. Unset means no limit. */
  readonly budget?: {
    /** US dollars a calendar month (UTC). */
    readonly usdPerMonth: string;
    /** Whether a spent budget ends the client's requests (429 insufficient_quota) or is only told. Default: `Deny`. */
    readonly onExceeded: "Deny" | "Warn";
  };
  /** The route, NAME or NAMESPACE/NAME, for calls that name no model (files, batches) when x-tandem-route is not sent. */
  readonly defaultRoute?: string;
  /** Whether it may list files, batches and the like: one provider key serves all clients, so a list shows what others made. Default: `Deny`. */
  readonly statefulListing: "Allow" | "Deny";
}

/** What is the case. */
export interface AIClientStatus {
  /** The generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /** The models that it may ask for, joined. */
  readonly models?: string;
  /** What the client used in the current month. The budget's memory. */
  readonly usage?: {
    /** The calendar month (UTC), such as 2026-11. */
    readonly month?: string;
    /** US dollars spent. */
    readonly usd?: string;
    /** Requests answered. */
    readonly requests?: number;
    /** Tokens used. */
    readonly tokens?: number;
    /** When this was last counted. */
    readonly updatedAt?: string;
  };
  /** Accepted, ResolvedRefs (the Secrets and keys exist), Ready, and LimitsExact where a shared state is configured. */
  readonly conditions?: readonly {
    /** What it speaks of. */
    readonly type: string;
    /** Whether it is so. */
    readonly status: "False" | "True" | "Unknown";
    /** The generation of the spec that it speaks of. */
    readonly observedGeneration?: number;
    /** When status last changed. */
    readonly lastTransitionTime: string;
    /** Why */
    readonly reason: string;
    /** Why */
    readonly message: string;
  }[];
}
