/** How do the tests of this folder put a gateway over both simulated providers? */
import { after } from "node:test";
import {
  type RunningSimulator,
  type RunningSimulators,
  type SimulatorOptions,
  startSimulators,
} from "../../simulators/main.ts";
import { AZURE_KEY, type Harness, type HarnessOptions, OPENAI_KEY, object, startHarness } from "../proxy/harness.ts";

/** The gateway's names, at OpenAI the models' own, and the deployments that have them. */
export const MODELS: Readonly<Record<string, string>> = {
  "gpt-4o": "chat-prod",
  "text-embedding-3-small": "embed-prod",
  "gpt-3.5-turbo-instruct": "instruct-prod",
  "gpt-image-1": "image-prod",
  "gpt-4o-mini-tts": "speech-prod",
  "gpt-5-mini": "reasoning-prod",
  "gpt-4o-transcribe": "transcribe-prod",
  "whisper-1": "whisper-prod",
};
/** What only OpenAI has. */
export const MODERATION = "omni-moderation-latest";
const ONLY_OPENAI = [MODERATION, "dall-e-2"];

/** Both providers, with the keys that the harness gives the gateway. Closed when the file's tests have ended. */
export async function simulators(
  options: SimulatorOptions = {},
  own: { readonly openai?: SimulatorOptions; readonly azure?: SimulatorOptions } = {},
): Promise<RunningSimulators> {
  const deployments = Object.entries(MODELS).map(([model, name]) => ({ name, model }));
  const running = await startSimulators({
    options: { counting: "estimate", keepBodyBytes: 4096, ...options },
    openai: { keys: [OPENAI_KEY], ...own.openai },
    azure: { keys: [AZURE_KEY], deployments, ...own.azure },
  });
  after(() => running.close());
  return running;
}

/** What answers behind the gateway. */
export const FORMS = ["OpenAI", "Azure, dated", "Azure, v1"] as const;
export type Form = (typeof FORMS)[number];

interface Change {
  readonly provider?: object;
  readonly route?: object;
}

const HEALTH = { path: "/models", interval: "1h", timeout: "5s", failureThreshold: 3 };
const AUTH = { apiKey: { secretRef: { name: "keys" } } };

export function openaiProvider(spec: object = {}): object {
  const models = [...Object.keys(MODELS), ...ONLY_OPENAI].map((name) => ({ name }));
  const auth = { apiKey: { secretRef: { ...AUTH.apiKey.secretRef, key: "openai" } } };
  return object("AIProvider", "openai", { type: "OpenAI", auth, models, health: HEALTH, ...spec });
}

export function azureProvider(apiVersion: string, spec: object = {}): object {
  return object("AIProvider", "azure", {
    type: "AzureOpenAI",
    endpoint: "https://contoso-sweden.openai.azure.com",
    apiVersion,
    auth: { apiKey: { secretRef: { ...AUTH.apiKey.secretRef, key: "azure" } } },
    models: Object.entries(MODELS).map(([name, deployment]) => ({ name, deployment })),
    health: HEALTH,
    ...spec,
  });
}

export function client(spec: object = {}): object {
  return object("AIClient", "app", {
    keys: [{ name: "current", secretRef: { name: "keys", key: "client" } }],
    ...spec,
  });
}

const VERSIONS: Readonly<Record<Form, string>> = {
  OpenAI: "",
  "Azure, dated": "2025-04-01-preview",
  "Azure, v1": "v1",
};

/** One provider and a route to it. */
export function objectsOf(form: Form, change: Change = {}): object[] {
  const openai = form === "OpenAI";
  const name = openai ? "openai" : "azure";
  const route = {
    models: openai ? [...Object.keys(MODELS), ...ONLY_OPENAI] : Object.keys(MODELS),
    backends: [{ name, providerRef: { name } }],
    failover: { retrySameProvider: 0, fallbackToNext: true },
    ...change.route,
  };
  const provider = openai ? openaiProvider(change.provider) : azureProvider(VERSIONS[form], change.provider);
  return [provider, object("AIRoute", "all", route), client()];
}

export function simulatorOf(form: Form, { openai, azure }: RunningSimulators): RunningSimulator {
  return form === "OpenAI" ? openai : azure;
}

/** A gateway over the simulators. */
export function gatewayOver(
  { openaiUrl, azureUrl }: RunningSimulators,
  objects: readonly object[],
  options: Partial<HarnessOptions> = {},
): Promise<Harness> {
  return startHarness({ openai: openaiUrl, azure: azureUrl, objects, ...options });
}
