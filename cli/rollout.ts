/** A rollout: where it stands, on with it, or back. */
import { setTimeout as sleep } from "node:timers/promises";
import { clientFor } from "./cluster.ts";
import { type Command, CommandError, type Given, UsageError } from "./command.ts";
import { MANIFESTS_OPTION } from "./compiled.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { ClusterRollout } from "./rollout-cluster.ts";
import { LaptopRollout } from "./rollout-laptop.ts";
import { rolloutText } from "./rollout-text.ts";
import { printable, tell } from "./tell.ts";

/** Milliseconds between two looks. */
const LOOK = 1_000;
const CLEAR = "\u001b[H\u001b[2J";

export const rollout: Command = {
  name: "rollout",
  summary: "where a rollout stands (status), on with it (promote), or back to stable (abort)",
  positionals: ["ACTION", "ROUTE"],
  options: [
    { name: "namespace", short: "n", value: "NAMESPACE", default: "default", help: "of the AIRoute" },
    { name: "watch", short: "w", help: "status: draws it until it ends; exit code 1 when it was not promoted" },
    { name: "kubeconfig", value: "FILE", help: "the route is in a cluster" },
    {
      name: "admin",
      value: "URL",
      default: "http://127.0.0.1:9090",
      help: "without a cluster: the gateway's admin port",
    },
    { ...MANIFESTS_OPTION, help: "without a cluster, promote and abort: the files of the gateway, which are edited" },
  ],
  examples: [
    "tandem rollout status gpt-4o -n ai -w --kubeconfig ~/.kube/config",
    "tandem rollout promote gpt-4o -n ai --kubeconfig ~/.kube/config",
    "tandem rollout abort gpt-4o -n ai --manifests examples/quickstart",
    "kubectl tandem rollout status gpt-4o -n ai",
  ],
  run: act,
};

type Place = ClusterRollout | LaptopRollout;

async function act(given: Given): Promise<number> {
  const [action = "", route = ""] = given.positionals;
  const does = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (does === undefined) throw new UsageError(`'${action}' is no action: choose status, promote or abort`);
  const namespace = given.text("namespace") ?? "";
  const kubeconfig = kubeconfigOf(given);
  if (kubeconfig === undefined) {
    const admin = given.text("admin") ?? "";
    if (!URL.canParse(admin)) throw new UsageError(`--admin ${admin}: must be a URL, such as http://127.0.0.1:9090`);
    return does(new LaptopRollout(admin, given.list("manifests"), given.env, namespace, route), given);
  }
  const client = clientFor(kubeconfig);
  try {
    return await does(new ClusterRollout(client, namespace, route), given);
  } finally {
    await client.close();
  }
}

const ACTIONS: Readonly<Record<string, (place: Place, given: Given) => Promise<number>>> = {
  status: (place, given) => (given.isOn("watch") ? watch(place) : show(place)),
  promote,
  abort,
};

async function show(place: Place): Promise<number> {
  write(rolloutText(await place.look()));
  return 0;
}

/** Redrawn at a terminal; elsewhere said whenever it changes. */
async function watch(place: Place): Promise<number> {
  let shown = "";
  for (;;) {
    const now = await place.look();
    const text = rolloutText(now);
    if (text !== shown) write(process.stdout.isTTY ? `${CLEAR}${text}` : text);
    shown = text;
    const outcome = now.memory?.outcome;
    if (outcome !== undefined) return outcome === "Promoted" ? 0 : 1;
    await sleep(LOOK);
  }
}

async function promote(place: Place): Promise<number> {
  const { memory, route } = await place.look();
  if (memory?.phase !== "Waiting") {
    throw new CommandError(
      `AIRoute ${route} does not wait for a promotion: ${memory?.outcome ?? memory?.phase ?? "it has not begun"}`,
    );
  }
  await place.promote(memory.stepIndex);
  tell(`AIRoute ${route}: step ${memory.stepIndex} is promoted`);
  return 0;
}

async function abort(place: Place): Promise<number> {
  await place.abort();
  const { route, spec } = await place.look();
  tell(`AIRoute ${route}: aborted, ${spec.stable} gets all traffic; spec.rollout.state: Run begins again`);
  return 0;
}

function write(text: string): void {
  process.stdout.write(`${text.split("\n").map(printableButColours).join("\n")}\n`);
}

function printableButColours(line: string): string {
  return line.startsWith(CLEAR) ? `${CLEAR}${printable(line.slice(CLEAR.length))}` : printable(line);
}
