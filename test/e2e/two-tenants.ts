/** How do tests ask as two AIClients, for one model at both simulated providers, what stays whose? */
import OpenAI from "openai";
import type { RunningSimulators } from "../../simulators/main.ts";
import { type Harness, KEY, object } from "../proxy/harness.ts";
import { azureProvider, gatewayOver, openaiProvider } from "./over-simulators.ts";

export const CHAT = "gpt-4o";
export const OTHER_KEY = "tdm-another-tenants-key";
export const SECRETS = { openai: "sk-harness-openai", azure: "harness-azure-key", client: KEY, other: OTHER_KEY };
/** At the end of an id that has its home and owner. */
export const TAG = /_tdm[\w-]{32}$/;

export function tenant(name: string, key: string, spec: object = {}): object {
  return object("AIClient", name, { keys: [{ name: "current", secretRef: { name: "keys", key } }], ...spec });
}

/** Both providers, a route to them, and the clients `app` and `other`. */
export function twoProvidersBy(route: object): object[] {
  return [
    openaiProvider(),
    azureProvider("v1"),
    object("AIRoute", "all", { models: [CHAT], ...route }),
    tenant("app", "client"),
    tenant("other", "other"),
  ];
}

export function sdk({ url }: Harness, apiKey = KEY): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });
}

export async function gatewayOf(both: RunningSimulators, objects: readonly object[]): Promise<Harness> {
  const harness = await gatewayOver(both, []);
  harness.apply(objects, SECRETS);
  return harness;
}
