/**
 * Which kubeconfigs does a command read?
 *
 * By kubectl's rule: `--kubeconfig` is one file, `KUBECONFIG` a list of them (of which not all need be there), and where
 * neither is said it is `~/.kube/config`.
 */
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { Kubeconfig } from "../kube/client.ts";
import type { Given } from "./command.ts";

/** What `--kubeconfig` names; else, as `kubectl tandem`, what kubectl reads. Undefined: no cluster is meant. */
export function kubeconfigOf(given: Given): Kubeconfig | undefined {
  // See kubectl-tandem.js.
  return given.env.TANDEM_STARTED_BY_KUBECTL === "1" ? kubeconfigAsKubectl(given) : given.text("kubeconfig");
}

/** The same for a command that is nothing without a cluster: what kubectl reads, whoever started it. */
export function kubeconfigAsKubectl(given: Given): Kubeconfig {
  const { KUBECONFIG: listed } = given.env;
  const files = listed ? listed.split(delimiter).filter((file) => file !== "") : [join(homedir(), ".kube", "config")];
  return given.text("kubeconfig") ?? files;
}
