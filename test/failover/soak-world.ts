/**
 * Over what is soaked?
 *
 * `tandem run` over both simulators, which say the same, so that a broken stream can go on elsewhere. The objects change every
 * few seconds, as people edit them: weights, providers, their keys and the callers'.
 */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { type RunningSimulators, startSimulators } from "../../simulators/main.ts";
import { type RunningGateway, startGatewayCommand, statusOf, temporaryFolder, waitFor } from "../cli/tandem.ts";
import { INSPECTABLE } from "./inside.ts";
import { ANSWER } from "./world.ts";

export const MODEL = "gpt-4o";
export const MOST_ATTEMPTS = 5;
/**
 * What the simulators' silences and stalls run into: longer than a busy machine makes a healthy one wait. Only `request`
 * watches a whole stream, which a busy machine makes longest.
 */
const TIMEOUTS = { connect: "8s", request: "20s", firstByte: "8s", firstToken: "8s", idle: "8s" };
const RELOADS_WITHIN = 20_000;

export interface SoakWorld {
  readonly simulators: RunningSimulators;
  readonly gateway: RunningGateway;
  /** The key that callers use now: valid in this version of the objects and in the one before and after. */
  key(): string;
  /** Puts the next version in force. */
  edit(): Promise<void>;
}

export async function startSoakWorld(): Promise<SoakWorld> {
  const simulators = await startSimulators({
    options: {
      keys: "any",
      says: ANSWER,
      counting: "estimate",
      keepRequests: 3000,
      keepBodyBytes: 128,
      latency: { firstTokenMs: 5, perTokenMs: 1 },
    },
  });
  after(() => simulators.close());
  const folder = await temporaryFolder();
  let version = 0;
  const write = async () => {
    const text = objectsOf(version).map((object) => JSON.stringify(object));
    await writeFile(join(folder, ".next"), text.join("\n---\n"));
    await rename(join(folder, ".next"), join(folder, "all.yaml"));
  };
  await write();
  const hosts = ["contoso-sweden", "fabrikam"].map((name) => `${name}.openai.azure.com`);
  const gateway = await startGatewayCommand(
    [
      ...["--manifests", folder, "--dev", "--connect-to", `api.openai.com=${simulators.openaiUrl}`],
      ...hosts.flatMap((host) => ["--connect-to", `${host}=${simulators.azureUrl}`]),
    ],
    INSPECTABLE,
  );
  const hashNow = async () => (await statusOf(gateway.adminUrl)).table?.hash;
  return {
    simulators,
    gateway,
    key: () => callerKey(version),
    async edit() {
      const before = await hashNow();
      version++;
      await write();
      await waitFor("the edit is in force", RELOADS_WITHIN, async () => (await hashNow()) !== before);
    },
  };
}

/** Two are valid at a time: the one in use and the next. */
function callerKey(version: number): string {
  return `tdm-soak-caller-key-number-${version}`;
}

function objectsOf(version: number): object[] {
  const hasSpare = version % 2 === 1;
  const backends = [
    { name: "openai", providerRef: { name: "openai" }, weight: 20 + ((version * 37) % 60) },
    { name: "azure", providerRef: { name: "azure" }, weight: 50 },
    ...(hasSpare ? [{ name: "spare", providerRef: { name: "spare" }, weight: 10 }] : []),
  ];
  const keys = [version - 1, version, version + 1].slice(-2 - (version > 0 ? 1 : 0));
  return [
    secret("openai", { key: `sk-soak-${version}` }),
    secret("azure", { key: `azure-soak-${Math.floor(version / 3)}` }),
    secret("callers", Object.fromEntries(keys.map((n) => [`k${n}`, callerKey(n)]))),
    provider("openai", { type: "OpenAI", models: [{ name: MODEL }] }),
    provider("azure", azureAt("contoso-sweden")),
    ...(hasSpare ? [provider("spare", azureAt("fabrikam"), "azure")] : []),
    object("AIRoute", "soak", {
      models: [MODEL],
      strategy: "Weighted",
      backends,
      failover: {
        retrySameProvider: 1,
        maxAttempts: MOST_ATTEMPTS,
        maxDuration: "60s",
        backoff: { base: "5ms", max: "50ms" },
        streamRecovery: "Splice",
      },
    }),
    ...keys.map((n) =>
      object("AIClient", `app-${n}`, { keys: [{ name: "one", secretRef: { name: "callers", key: `k${n}` } }] }),
    ),
  ];
}

function azureAt(host: string): object {
  const models = [{ name: MODEL, deployment: "gpt-4o-prod" }];
  return { type: "AzureOpenAI", endpoint: `https://${host}.openai.azure.com`, apiVersion: "2024-10-21", models };
}

function provider(name: string, spec: object, secretName = name): object {
  return object("AIProvider", name, {
    auth: { apiKey: { secretRef: { name: secretName, key: "key" } } },
    timeouts: TIMEOUTS,
    circuitBreaker: { failureThreshold: 5, recoveryTimeout: "1s" },
    ...spec,
  });
}

function object(kind: string, name: string, spec: object): object {
  return { apiVersion: "tandem.dev/v1alpha1", kind, metadata: { name, namespace: "ai" }, spec };
}

function secret(name: string, stringData: Record<string, string>): object {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "ai" }, stringData };
}
