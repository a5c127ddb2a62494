/** What do the manifests of a command line make? */
import { type Loaded, loadManifests, ManifestError } from "../manifests/load.ts";
import { compile } from "../routing/compile.ts";
import { describeSecret, Redacted } from "../routing/secrets.ts";
import type { RoutingTable } from "../routing/table.ts";
import type { Verdict } from "../routing/verdict.ts";
import { CommandError, type Given, type Option, UsageError } from "./command.ts";
import { place } from "./tell.ts";

export const MANIFESTS_OPTION: Option = {
  name: "manifests",
  value: "PATH",
  many: true,
  help: "files or folders; a later one replaces objects of an earlier one",
};

/** Of commands that can also ask a cluster, once there is an operator. */
export const SOURCE_OPTIONS: readonly Option[] = [
  MANIFESTS_OPTION,
  { name: "kubeconfig", value: "FILE", help: "a cluster's objects instead of files (not yet: needs the operator)" },
];

/** No caller is looked up in this table: any pepper does, and always the same one makes equal bytes. */
export const PEPPER = new Redacted("compile");

export interface Compiled {
  readonly table: RoutingTable;
  readonly verdicts: readonly Verdict[];
  readonly loaded: Loaded;
}

/** By `--manifests` and `--dev`. Throws CommandError where a file cannot be used. */
export async function compiled(given: Given): Promise<Compiled> {
  refuseCluster(given);
  const loaded = await loadManifests(given.list("manifests"), { env: given.env }).catch((error: unknown) => {
    throw error instanceof ManifestError ? new CommandError(`${place(error)}${error.message}`) : error;
  });
  const secrets = loaded.secrets.map((secret) => describeSecret(secret, PEPPER).facts);
  const { table, verdicts } = compile({ objects: loaded.objects, secrets, dev: given.isOn("dev") });
  return { table, verdicts, loaded };
}

function refuseCluster(given: Given): void {
  if (given.text("kubeconfig") !== undefined) {
    throw new UsageError("--kubeconfig needs Tandem's operator, which this version does not have: give --manifests");
  }
  if (given.list("manifests").length === 0) throw new UsageError("--manifests PATH is missing");
}
