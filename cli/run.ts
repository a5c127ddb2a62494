/** The gateway over manifests, without a cluster. */
import { homedir } from "node:os";
import { join } from "node:path";
import { LogDestination } from "../proxy/telemetry/log.ts";
import { readConnectTo } from "./addresses.ts";
import type { Command, Given } from "./command.ts";
import { MANIFESTS_OPTION } from "./compiled.ts";
import { readSeconds } from "./durations.ts";
import { CONNECT_TO_OPTION, listenOptions, SETTINGS_OPTIONS } from "./gateway-options.ts";
import { runGateway } from "./run-gateway.ts";
import { readSettings, withLocation } from "./settings-file.ts";
import { readSharedState } from "./shared-state.ts";
import { untilSignal } from "./signals.ts";
import { tell } from "./tell.ts";

const STANDARD_OUTPUT = 1;

export const run: Command = {
  name: "run",
  summary: "the gateway over manifests, without a cluster",
  options: [
    { ...MANIFESTS_OPTION, required: true },
    ...SETTINGS_OPTIONS,
    ...listenOptions("127.0.0.1:8080", "127.0.0.1:9090"),
    {
      name: "state",
      value: "DIR",
      help: "what outlives a restart: the routes in force (default ~/.local/state/tandem)",
    },
    { name: "allow-anonymous", value: "NAMESPACE", help: "callers without a key belong to this namespace" },
    { name: "dev", help: "serve objects whose protecting fields have no effect yet; allow --connect-to" },
    CONNECT_TO_OPTION,
    { name: "drain", value: "SECONDS", default: "30", help: "how long requests in flight may take after SIGTERM" },
  ],
  examples: [
    "tandem run --manifests examples/quickstart",
    "tandem run --manifests prod/ override.yaml --listen 0.0.0.0:8080",
    "tandem run --manifests examples/quickstart --dev --connect-to api.openai.com=http://127.0.0.1:8101",
  ],
  run: runUntilSignal,
};

async function runUntilSignal(given: Given): Promise<number> {
  const dev = given.isOn("dev");
  const drainMs = readSeconds("drain", given.text("drain") ?? "");
  const settings = await readSettings(given.text("settings"));
  const gateway = await runGateway({
    manifests: given.list("manifests"),
    settings: withLocation(settings, given.text("location")),
    sharedState: readSharedState(settings, given.env),
    listen: given.text("listen") ?? "",
    admin: given.text("admin") ?? "",
    state: given.text("state") ?? join(homedir(), ".local", "state", "tandem"),
    dev,
    connectTo: readConnectTo(given.list("connect-to"), dev),
    allowAnonymous: given.text("allow-anonymous"),
    env: given.env,
    showVerdicts: true,
    accessLog: new LogDestination(STANDARD_OUTPUT),
  });
  const stop = untilSignal();
  tell(`ready: ${gateway.url}/v1 (admin ${gateway.adminUrl})`);
  await stop;
  tell(`stopping: requests in flight may take ${drainMs / 1000} s more; a second signal ends them`);
  await gateway.close({ drainMs });
  return 0;
}
