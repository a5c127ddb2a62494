/** The quickstart's manifests in a folder that a test may edit, and `tandem run` over simulated providers. */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { startSimulators } from "../../simulators/main.ts";
import { QUICKSTART, type RunningGateway, startGatewayCommand, temporaryFolder } from "./tandem.ts";

const simulators = await startSimulators();
after(() => simulators.close());

export const { openai, azure } = simulators;

export const CONNECT_TO = [
  "--dev",
  ...["--connect-to", `api.openai.com=${simulators.openaiUrl}`],
  ...["--connect-to", `contoso-sweden.openai.azure.com=${simulators.azureUrl}`],
];

/** A folder with the quickstart's two files. */
export async function quickstartCopy(): Promise<string> {
  const folder = join(await temporaryFolder(), "manifests");
  await cp(QUICKSTART, folder, { recursive: true });
  return folder;
}

export function runOver(paths: readonly string[], env: Record<string, string> = {}): Promise<RunningGateway> {
  return startGatewayCommand(["--manifests", ...paths, ...CONNECT_TO], env);
}
