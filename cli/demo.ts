/**
 * The main job on one machine: the gateway over two simulated providers, with the quickstart's manifests.
 *
 * The manifests are used byte for byte; where their providers' hosts are, is said by connecting elsewhere. A provider
 * whose real key is in the environment is the real one.
 */
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { loadManifests } from "../manifests/load.ts";
import { toYaml } from "../manifests/read-yaml.ts";
import { LogDestination } from "../proxy/telemetry/log.ts";
import { DEMO_LATENCY, type RunningSimulators, startSimulators } from "../simulators/main.ts";
import { listenProblem, readAddress } from "./addresses.ts";
import { type Command, CommandError, type Given, UsageError } from "./command.ts";
import { listenOptions } from "./gateway-options.ts";
import { runGateway } from "./run-gateway.ts";
import { readSettings } from "./settings-file.ts";
import { untilSignal } from "./signals.ts";

const EXAMPLES = fileURLToPath(new URL("../examples/", import.meta.url));
const QUICKSTART = join(EXAMPLES, "quickstart");
const OPENAI_HOST = "api.openai.com";
const AZURE_HOST = "contoso-sweden.openai.azure.com";
/** Of 08-residency.yaml; no variable makes it real. */
const GOVERNMENT_HOST = "contoso-gov.openai.azure.us";
/** Milliseconds. */
const DRAIN = 2000;
const DEMO_KEY = "tdm-demo-key-for-trying-out";

export const demo: Command = {
  name: "demo",
  summary: "the gateway over two simulated providers, with the quickstart's manifests",
  options: [
    ...listenOptions("127.0.0.1:8080", "127.0.0.1:9090"),
    { name: "openai", value: "ADDRESS", default: "127.0.0.1:8101", help: "where OpenAI is simulated" },
    { name: "azure", value: "ADDRESS", default: "127.0.0.1:8102", help: "where Azure OpenAI is simulated" },
    { name: "access-log", value: "FILE", help: "where the access log is written (default: nowhere)" },
  ],
  examples: [
    "npm start",
    "npm start -- --listen 127.0.0.1:8888",
    "OPENAI_API_KEY=sk-… npm start",
    "AZURE_OPENAI_ENDPOINT=https://me.openai.azure.com AZURE_OPENAI_API_KEY=… npm start",
  ],
  run: runDemo,
};

/** Which providers are real, by their keys in the environment. */
interface Real {
  readonly openai: boolean;
  readonly azure: boolean;
}

async function runDemo(given: Given): Promise<number> {
  const stop = untilSignal(["SIGHUP"]);
  const real = { openai: isSet(given, "OPENAI_API_KEY"), azure: isAzureSet(given) };
  const [simulators, scratch] = await Promise.all([startProviders(given), makeScratch()]);
  if (real.azure) await writeEndpoint(scratch, given);
  const accessLog = given.text("access-log");
  const gateway = await runGateway({
    manifests: [QUICKSTART, scratch],
    settings: await readSettings(undefined),
    listen: given.text("listen") ?? "",
    admin: given.text("admin") ?? "",
    state: join(scratch, "state"),
    dev: true,
    connectTo: connectionsOf(real, simulators),
    allowAnonymous: undefined,
    env: given.env,
    showVerdicts: false,
    accessLog: accessLog === undefined ? undefined : new LogDestination(accessLog),
  }).catch(async (error: unknown) => {
    await simulators.close();
    throw error;
  });
  const key = given.env.TANDEM_DEMO_KEY || DEMO_KEY;
  process.stdout.write(introduction({ url: gateway.url, admin: gateway.adminUrl, key, real, simulators, scratch }));
  await stop;
  await gateway.close({ drainMs: DRAIN });
  await simulators.close();
  return 0;
}

function startProviders(given: Given): Promise<RunningSimulators> {
  return startSimulators({
    openai: readAddress("openai", given.text("openai") ?? ""),
    azure: readAddress("azure", given.text("azure") ?? ""),
    options: { latency: DEMO_LATENCY },
  }).catch((error: Error) => {
    throw new CommandError(listenProblem(error, "--openai or --azure"));
  });
}

/** Gone when the process is, however it ends. */
async function makeScratch(): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), "tandem-demo-"));
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  await mkdir(join(scratch, "state"));
  return scratch;
}

function connectionsOf(real: Real, simulators: RunningSimulators): ReadonlyMap<string, string> {
  return new Map([
    ...(real.openai ? [] : [[OPENAI_HOST, simulators.openaiUrl] as const]),
    ...(real.azure ? [] : [[AZURE_HOST, simulators.azureUrl] as const]),
    [GOVERNMENT_HOST, simulators.azureUrl] as const,
  ]);
}

function isSet(given: Given, name: string): boolean {
  return (given.env[name] ?? "") !== "";
}

function isAzureSet(given: Given): boolean {
  const [endpoint, key] = [isSet(given, "AZURE_OPENAI_ENDPOINT"), isSet(given, "AZURE_OPENAI_API_KEY")];
  if (endpoint === key) return endpoint;
  throw new UsageError(
    `${endpoint ? "AZURE_OPENAI_API_KEY" : "AZURE_OPENAI_ENDPOINT"} is missing: set both, or neither`,
  );
}

/** The quickstart's Azure provider, at the caller's own endpoint: one more manifest over it. */
async function writeEndpoint(folder: string, given: Given): Promise<void> {
  const { objects } = await loadManifests([QUICKSTART], { env: given.env });
  const azure = (objects as readonly { metadata: { name: string }; spec: object }[]).find(
    ({ metadata }) => metadata.name === "azure-sweden",
  );
  const endpoint = given.env.AZURE_OPENAI_ENDPOINT?.replace(/\/+$/, "");
  await writeFile(join(folder, "azure-endpoint.yaml"), toYaml({ ...azure, spec: { ...azure?.spec, endpoint } }));
}

interface Facts {
  readonly url: string;
  readonly admin: string;
  readonly key: string;
  readonly real: Real;
  readonly simulators: RunningSimulators;
  /** Watched like the quickstart, and over it. */
  readonly scratch: string;
}

/** Every command in it works as it stands. */
function introduction({ url, admin, key, real, simulators, scratch }: Facts): string {
  const examples = relative(process.cwd(), EXAMPLES) || ".";
  const call = `curl -s ${url}/v1/chat/completions -H "Authorization: Bearer ${key}" -H "Content-Type: application/json"`;
  const shown = (isReal: boolean, at: string) => (isReal ? "the real one, for real money" : `simulated, ${at}`);
  const failover = real.openai
    ? ["3. A failover needs the simulated OpenAI: start without OPENAI_API_KEY to see one."]
    : [
        "3. A failover: break OpenAI, ask again and Azure answers; then mend it.",
        `   curl -s ${simulators.openaiUrl}/_sim/faults -d '{"fault":"503"}'`,
        `   ${call} -i -d '{"model":"gpt-4o","messages":[{"role":"user","content":"Who are you now?"}]}'`,
        `   curl -s -X DELETE ${simulators.openaiUrl}/_sim/faults`,
      ];
  const deployments = `\n               (your deployments' names go into ${scratch}/azure-endpoint.yaml)`;
  return `
Tandem is ready.

  OpenAI API   ${url}/v1   key ${key}
  Admin        ${admin}/status and /metrics
  OpenAI       ${shown(real.openai, simulators.openaiUrl)}
  Azure        ${shown(real.azure, simulators.azureUrl)}
  Manifests    ${examples}/quickstart, and over them ${scratch}${real.azure ? deployments : ""}

Try it in another terminal, from this folder:

1. A chat. The header x-tandem-provider says who answered.
   ${call} -i -d '{"model":"gpt-4o","messages":[{"role":"user","content":"Who are you?"}]}'

2. A stream.
   ${call} -N -d '{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Count to ten."}]}'

${failover.join("\n")}

4. A canary: 10 % to Azure. Then move the weights; the split follows within a second.
   cp ${examples}/02-canary.yaml ${scratch}/
   sed -i.bak 's/weight: [0-9]*/weight: 50/' ${scratch}/02-canary.yaml

Stop with Ctrl-C.
`;
}
