/** Simulated OpenAI, Azure OpenAI and Entra ID, for anyone's tests. */
import { DEMO_APPLICATION, DEMO_LATENCY, NO_LATENCY, startSimulators } from "../simulators/main.ts";
import { listenProblem, readAddress } from "./addresses.ts";
import { type Command, CommandError, type Given } from "./command.ts";
import { untilSignal } from "./signals.ts";
import { tell } from "./tell.ts";

export const simulate: Command = {
  name: "simulate",
  summary: "simulated OpenAI and Azure OpenAI, with faults on request",
  options: [
    { name: "openai", value: "ADDRESS", default: "127.0.0.1:8101", help: "where OpenAI is simulated" },
    { name: "azure", value: "ADDRESS", default: "127.0.0.1:8102", help: "where Azure OpenAI is simulated" },
    { name: "entra", value: "ADDRESS", help: "where Entra ID's token service is simulated (default: nowhere)" },
    { name: "instant", help: "answer at once instead of as slowly as a model" },
  ],
  examples: [
    "tandem simulate",
    `curl -d '{"fault":"503","times":3}' http://127.0.0.1:8101/_sim/faults`,
    "curl http://127.0.0.1:8101/_sim/requests",
  ],
  run: runSimulators,
};

async function runSimulators(given: Given): Promise<number> {
  const entra = given.text("entra");
  const simulators = await startSimulators({
    openai: readAddress("openai", given.text("openai") ?? ""),
    azure: readAddress("azure", given.text("azure") ?? ""),
    ...(entra !== undefined && { entra: readAddress("entra", entra) }),
    options: { latency: given.isOn("instant") ? NO_LATENCY : DEMO_LATENCY },
  }).catch((error: Error) => {
    throw new CommandError(listenProblem(error, "--openai, --azure or --entra"));
  });
  const stop = untilSignal();
  tell(`OpenAI: ${simulators.openaiUrl}/v1 (key sk-demo-openai)`);
  tell(`Azure OpenAI: ${simulators.azureUrl} (key demo-azure-key)`);
  if (simulators.entra) {
    const { tenant, clientID, secrets } = DEMO_APPLICATION;
    tell(`Entra ID: ${simulators.entra.url} (tenant ${tenant}, client ${clientID}, secret ${secrets[0]})`);
  }
  tell("faults, bill and requests: /_sim/ on either port, see simulators/README.md");
  await stop;
  await simulators.close();
  return 0;
}
