/** The operator, as the chart starts it: watches Tandem's objects and publishes what the proxies run. */
import { hostname } from "node:os";
import { Operator } from "../operator/operator.ts";
import { createLogger } from "../proxy/telemetry/log.ts";
import { listenProblem, readAddress } from "./addresses.ts";
import { clientFor } from "./cluster.ts";
import { type Command, CommandError, type Given } from "./command.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { KUBECONFIG_OPTION, RELEASE_OPTIONS } from "./release-options.ts";
import { untilSignal } from "./signals.ts";

export const operator: Command = {
  name: "operator",
  summary: "watches Tandem's objects in a cluster and publishes what its proxies run",
  options: [
    ...RELEASE_OPTIONS,
    {
      name: "watch-namespaces",
      value: "NAMESPACE",
      many: true,
      help: "only objects of these namespaces (default: all)",
    },
    { name: "identity", value: "NAME", help: "this replica's name in the leader election (default: the host's name)" },
    {
      name: "admin",
      value: "ADDRESS",
      default: "0.0.0.0:9090",
      help: "where /healthz, /readyz and /metrics are served",
    },
    { name: "dev", help: "serve objects whose protecting fields have no effect yet" },
    KUBECONFIG_OPTION,
  ],
  examples: ["tandem operator --release tandem --namespace tandem-system"],
  run: runOperator,
};

async function runOperator(given: Given): Promise<number> {
  const log = createLogger(process.stderr, "info");
  const operator = new Operator({
    client: clientFor(kubeconfigOf(given)),
    release: { name: given.text("release") ?? "", namespace: given.text("namespace") ?? "" },
    watchNamespaces: given.list("watch-namespaces"),
    identity: given.text("identity") ?? hostname(),
    admin: readAddress("admin", given.text("admin") ?? ""),
    dev: given.isOn("dev"),
    log,
  });
  const stop = untilSignal();
  const { adminUrl } = await operator.start().catch((error: Error) => {
    throw new CommandError(listenProblem(error, "--admin"));
  });
  log.info({ admin: adminUrl }, "the operator runs");
  await stop;
  log.info({}, "the operator stops and hands over");
  await operator.stop();
  return 0;
}
