/** The gateway over what the operator publishes, as the chart starts it. */
import { setTimeout as sleep } from "node:timers/promises";
import { startGateway } from "../proxy/gateway.ts";
import { KubeSource } from "../proxy/kube-source.ts";
import { LastGood } from "../proxy/last-good.ts";
import { createLogger, LogDestination } from "../proxy/telemetry/log.ts";
import type { Redacted } from "../routing/secrets.ts";
import { listenProblem, readAddress, readConnectTo } from "./addresses.ts";
import { clientFor } from "./cluster.ts";
import { type Command, CommandError, type Given } from "./command.ts";
import { readSeconds } from "./durations.ts";
import { CONNECT_TO_OPTION, listenOptions, SETTINGS_OPTIONS } from "./gateway-options.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { KUBECONFIG_OPTION, RELEASE_OPTIONS } from "./release-options.ts";
import { readSettings, withLocation } from "./settings-file.ts";
import { readSharedState } from "./shared-state.ts";
import { untilSignal } from "./signals.ts";

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;

export const proxy: Command = {
  name: "proxy",
  summary: "the gateway over what the operator publishes in a cluster",
  options: [
    ...RELEASE_OPTIONS,
    ...listenOptions("0.0.0.0:8080", "0.0.0.0:9090"),
    ...SETTINGS_OPTIONS,
    { name: "state", value: "DIR", help: "where the last good table is kept, for a start without the API server" },
    { name: "companion", value: "DIR", help: "where the companion Secret is mounted, for the same" },
    { name: "dev", help: "allow --connect-to" },
    CONNECT_TO_OPTION,
    { name: "drain", value: "SECONDS", default: "600", help: "how long requests in flight may take after SIGTERM" },
    KUBECONFIG_OPTION,
  ],
  examples: ["tandem proxy --release tandem --namespace tandem-system"],
  run: runProxy,
};

/**
 * Milliseconds in which new connections are still taken: whoever balances the load learns late that this pod goes. The
 * chart's preStop hook has waited for that already; this is for those who are later still.
 */
const ACCEPT = 2_000;
/** Milliseconds for the connections to the API server, and for the last lines of the log. */
const LAST_THINGS = 2_000;

async function runProxy(given: Given): Promise<number> {
  const dev = given.isOn("dev");
  const drainMs = readSeconds("drain", given.text("drain") ?? "");
  // Not process.stderr, which waits for whoever reads it.
  const logged = new LogDestination(STANDARD_ERROR);
  const log = createLogger(logged);
  let adminToken: Redacted | undefined;
  let source: KubeSource | undefined;
  const client = clientFor(kubeconfigOf(given));
  const settings = await readSettings(given.text("settings"));
  const gateway = await startGateway({
    listen: readAddress("listen", given.text("listen") ?? ""),
    admin: readAddress("admin", given.text("admin") ?? ""),
    settings: withLocation(settings, given.text("location")),
    sharedState: readSharedState(settings, given.env),
    connectTo: readConnectTo(given.list("connect-to"), dev),
    adminToken: () => adminToken,
    source: () => source?.status() ?? {},
    log,
    accessLog: new LogDestination(STANDARD_OUTPUT),
    env: given.env,
  }).catch((error: Error) => {
    throw new CommandError(listenProblem(error));
  });
  const state = given.text("state");
  source = new KubeSource({
    client,
    gateway,
    log,
    release: { name: given.text("release") ?? "", namespace: given.text("namespace") ?? "" },
    lastGood: state === undefined ? undefined : new LastGood(state, given.text("companion") ?? "", log),
    onAdminToken: (token) => {
      adminToken = token;
    },
  });
  const stop = untilSignal();
  log.info({ listen: gateway.url, admin: gateway.adminUrl }, "the proxy listens");
  void source.start();
  await stop;
  log.info({ drain_ms: drainMs }, "the proxy drains");
  await gateway.close({ drainMs, acceptMs: ACCEPT, keepIdle: true });
  // Until now: a key that is rotated while streams run on is picked up.
  await Promise.race([source.stop(), sleep(LAST_THINGS, undefined, { ref: false })]);
  await client.close();
  await logged.close(LAST_THINGS);
  return 0;
}
