/** What do the manifests of a command line make? */
import type { Kubeconfig } from "../kube/client.ts";
import { type KubeObject, keyOf } from "../kube/objects.ts";
import { type Loaded, loadManifests, ManifestError } from "../manifests/load.ts";
import { validSpec } from "../routing/compile/validate.ts";
import { compile } from "../routing/compile.ts";
import { pinnedTableOf } from "../routing/history.ts";
import type { AIRouteSpec } from "../routing/objects.generated.ts";
import { positionOf, type RolloutPosition, readMemory } from "../routing/rollout/memory.ts";
import { rolloutSpec } from "../routing/rollout/spec.ts";
import { describeSecret, Redacted } from "../routing/secrets.ts";
import type { RoutingTable } from "../routing/table.ts";
import type { Verdict } from "../routing/verdict.ts";
import { CommandError, type Given, type Option, UsageError } from "./command.ts";
import { kubeconfigOf } from "./kubeconfig.ts";
import { rolloutSentence } from "./rollout-text.ts";
import { place } from "./tell.ts";

export const MANIFESTS_OPTION: Option = {
  name: "manifests",
  value: "PATH",
  many: true,
  help: "files or folders; a later one replaces objects of an earlier one",
};

/** Of commands that can also ask a cluster. */
export const SOURCE_OPTIONS: readonly Option[] = [
  MANIFESTS_OPTION,
  { name: "kubeconfig", value: "FILE", help: "a cluster's objects instead of files" },
];

/** No caller is looked up in this table: any pepper does, and always the same one makes equal bytes. */
export const PEPPER = new Redacted("compile");

export interface Compiled {
  readonly table: RoutingTable;
  readonly verdicts: readonly Verdict[];
  /** Where rollouts stand, a sentence each: a cluster knows it, files do not. */
  readonly rollouts: ReadonlyMap<string, string>;
  readonly loaded: Pick<Loaded, "objects" | "secrets" | "locate">;
}

/** By `--manifests` or `--kubeconfig`, and `--dev`. Throws CommandError where a file or the cluster cannot be used. */
export async function compiled(given: Given): Promise<Compiled> {
  const hasFiles = given.list("manifests").length > 0;
  if (given.text("kubeconfig") !== undefined && hasFiles)
    throw new UsageError("--manifests and --kubeconfig: choose one of the two");
  const kubeconfig = hasFiles ? undefined : kubeconfigOf(given);
  if (kubeconfig !== undefined) return await fromCluster(given, kubeconfig);
  if (!hasFiles) throw new UsageError("--manifests PATH is missing, or --kubeconfig FILE");
  const loaded = await loadManifests(given.list("manifests"), { env: given.env }).catch((error: unknown) => {
    throw error instanceof ManifestError ? new CommandError(`${place(error)}${error.message}`) : error;
  });
  const secrets = loaded.secrets.map((secret) => describeSecret(secret, PEPPER).facts);
  const { table, verdicts } = compile({ objects: loaded.objects, secrets, dev: given.isOn("dev") });
  return { table, verdicts, rollouts: new Map(), loaded };
}

async function fromCluster(given: Given, kubeconfig: Kubeconfig): Promise<Compiled> {
  // Few commands need it, and its client takes its time to load.
  const { readCluster } = await import("./cluster.ts");
  const { objects, secrets, assumed, lastTable, history } = await readCluster(kubeconfig);
  const facts = [...secrets.map((secret) => describeSecret(secret, PEPPER).facts), ...assumed];
  const input = { objects, history, secrets: facts, dev: given.isOn("dev"), rollouts: positionsOf(objects) };
  const { table, verdicts } = compile(input, lastTable);
  return { table, verdicts, rollouts: sentencesOf(objects), loaded: { objects, secrets, locate: () => undefined } };
}

/** Where the operator says that rollouts stand. */
function positionsOf(objects: readonly KubeObject[]): ReadonlyMap<string, RolloutPosition> {
  return new Map(
    objects.flatMap((object) => {
      const { status } = object as { readonly status?: { readonly rollout?: unknown } };
      const memory = object.kind === "AIRoute" ? readMemory(status?.rollout) : undefined;
      return memory === undefined ? [] : [[keyOf(object), positionOf(memory)] as const];
    }),
  );
}

function sentencesOf(objects: readonly KubeObject[]): ReadonlyMap<string, string> {
  return new Map(
    objects.flatMap((object) => {
      const spec = object.kind === "AIRoute" ? (validSpec(object) as AIRouteSpec | undefined) : undefined;
      if (spec?.rollout === undefined) return [];
      const { status } = object as { readonly status?: { readonly rollout?: unknown } };
      const isHeld = pinnedTableOf(object) !== undefined;
      const sentence = rolloutSentence(rolloutSpec(spec.rollout), readMemory(status?.rollout));
      return [[keyOf(object), isHeld ? `${sentence} (it stands still while the route is held)` : sentence] as const];
    }),
  );
}
