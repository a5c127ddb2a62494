/**
 * Where do the scenarios happen?
 *
 * `tandem run` over both simulators. Each scenario has a provider of its own that fails, at OpenAI, and all the same
 * fallback, another model at Azure; all say the same sixty words.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { type RunningSimulators, startSimulators } from "../../simulators/main.ts";
import { DEMO_KEY, type RunningGateway, startGatewayCommand, temporaryFolder } from "../cli/tandem.ts";
import { SCENARIOS, type Scenario, type Timings } from "./catalogue.ts";

export const ANSWER =
  "A gateway that only ever meets healthy providers proves nothing, for anyone can forward what works. Trust begins when a stream " +
  "breaks after forty words, when a limit is reached, when a region falls silent: then the caller must still get one whole answer " +
  "or one honest error, soon, from somebody, and the bill must name exactly who gave it.";

export type StreamRecovery = "None" | "Splice";
export const OK = "ok";
const FALLBACK = "fallback";
const NAMESPACE = "ai";

export interface World {
  readonly gateway: RunningGateway;
  readonly simulators: RunningSimulators;
}

export async function startWorld(timings: Timings, streamRecovery: StreamRecovery): Promise<World> {
  const simulators = await startSimulators({
    options: {
      says: ANSWER,
      counting: "estimate",
      keepBodyBytes: 4096,
      latency: { firstTokenMs: 0, perTokenMs: timings.perTokenMs },
    },
  });
  after(() => simulators.close());
  const folder = await temporaryFolder();
  const documents = objects(timings, streamRecovery).map((object) => JSON.stringify(object));
  await writeFile(join(folder, "scenarios.yaml"), documents.join("\n---\n"));
  const gateway = await startGatewayCommand([
    ...["--manifests", folder, "--dev"],
    ...["--connect-to", `api.openai.com=${simulators.openaiUrl}`],
    ...["--connect-to", `contoso-sweden.openai.azure.com=${simulators.azureUrl}`],
  ]);
  return { gateway, simulators };
}

/** The model that a scenario asks for, which is also its provider's name. */
export function nameOf({ id }: Scenario): string {
  return id.toLowerCase().replaceAll(" ", "-");
}

function objects(timings: Timings, streamRecovery: StreamRecovery): object[] {
  return [
    secret("openai", "api-key", "sk-demo-openai"),
    secret("azure", "api-key", "demo-azure-key"),
    secret("client", "key", DEMO_KEY),
    object("AIClient", "app", { keys: [{ name: "current", secretRef: { name: "client", key: "key" } }] }),
    fallback(),
    failing(OK, timings),
    object("AIRoute", OK, { models: [OK], backends: [{ name: "first", providerRef: { name: OK }, model: "gpt-4o" }] }),
    ...SCENARIOS.flatMap((scenario) => [
      failing(nameOf(scenario), timings),
      route(nameOf(scenario), scenario, streamRecovery),
    ]),
  ];
}

function failing(name: string, { timeouts, circuitBreaker }: Timings): object {
  return object("AIProvider", name, {
    type: "OpenAI",
    auth: { apiKey: { secretRef: { name: "openai", key: "api-key" } } },
    models: [{ name: "gpt-4o", contextTokens: 8192 }],
    // What one scenario teaches of the account's limits must not be known in the next.
    rateLimitGroup: name,
    timeouts,
    circuitBreaker,
  });
}

function fallback(): object {
  return object("AIProvider", FALLBACK, {
    type: "AzureOpenAI",
    endpoint: "https://contoso-sweden.openai.azure.com",
    apiVersion: "2024-10-21",
    auth: { apiKey: { secretRef: { name: "azure", key: "api-key" } } },
    models: [{ name: "gpt-4o-mini", deployment: "gpt4o-mini-prod", contextTokens: 128_000 }],
  });
}

function route(name: string, { alone }: Scenario, streamRecovery: StreamRecovery): object {
  const first = { name: "first", providerRef: { name }, model: "gpt-4o", priority: 1 };
  const second = { name: "second", providerRef: { name: FALLBACK }, model: "gpt-4o-mini", priority: 2 };
  return object("AIRoute", name, {
    models: [name],
    backends: alone ? [first] : [first, second],
    failover: { retrySameProvider: 1, fallbackToNext: true, streamRecovery },
  });
}

function object(kind: string, name: string, spec: object): object {
  return { apiVersion: "tandem.dev/v1alpha1", kind, metadata: { name, namespace: NAMESPACE }, spec };
}

function secret(name: string, key: string, value: string): object {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE }, stringData: { [key]: value } };
}
