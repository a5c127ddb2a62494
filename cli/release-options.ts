/** How is said, in a cluster, which release a process belongs to and how the API server is reached? */
import type { Option } from "./command.ts";

export const RELEASE_OPTIONS: readonly Option[] = [
  { name: "release", value: "NAME", required: true, help: "the release's name: the beginning of all names" },
  { name: "namespace", value: "NAMESPACE", required: true, help: "the release's namespace" },
];

export const KUBECONFIG_OPTION: Option = {
  name: "kubeconfig",
  value: "FILE",
  help: "how the API server is reached (default: the pod's service account)",
};
