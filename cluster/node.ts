/** How does the node start: the containers, the kubelet that wants them, the packet filter of the Services? */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import { cgroupOf } from "./cgroups.ts";
import { run } from "./commands.ts";
import { type AskApi, writeKubeconfig } from "./control-plane.ts";
import { type Daemon, startDaemon, waitForDaemon } from "./daemons.ts";
import { type Machine, NODE_IP } from "./machine.ts";
import { NODE_NAME } from "./pki.ts";

const SOCKET = "/run/containerd/containerd.sock";
const POD_CIDR = "10.244.0.0/24";
/** Nothing answers there: pods go by addresses. Without one the kubelet complains about every pod. */
const DNS_IP = "10.96.0.10";
export const PAUSE_IMAGE = "tandem.local/pause:1";

/** Its images can be imported before there is an API server. */
export async function startContainerd(machine: Machine, pluginFolder: string): Promise<void> {
  const network = join(machine.folder, "cni");
  await mkdir(network, { recursive: true });
  await writeFile(join(network, "10-pods.conflist"), JSON.stringify(NETWORK));
  const config = join(machine.folder, "containerd.toml");
  await writeFile(config, containerdConfig(machine.folder, network, pluginFolder));
  const daemon = startDaemon(machine, "containerd", ["containerd", "--config", config]);
  await waitForDaemon(daemon, async () => {
    await run(...inside(machine, ["ctr", "version"]));
    return true;
  });
}

/** From an archive, which is all there is in place of a registry. */
export async function importImage(machine: Machine, archive: string): Promise<void> {
  await run(...inside(machine, ["ctr", "--namespace=k8s.io", "images", "import", archive]));
}

export async function startNode(machine: Machine, programs: Binaries<"kubelet" | "kube-proxy">): Promise<Daemon> {
  const config = join(machine.folder, "kubelet.json");
  await writeFile(join(machine.folder, "resolv.conf"), "");
  await writeFile(config, JSON.stringify(kubeletConfig(machine.folder)));
  const kubelet = startDaemon(machine, "kubelet", [
    programs.kubelet,
    `--config=${config}`,
    `--kubeconfig=${await writeKubeconfig(machine, "kubelet")}`,
    `--hostname-override=${NODE_NAME}`,
    `--node-ip=${NODE_IP}`,
  ]);
  startDaemon(machine, "kube-proxy", [
    programs["kube-proxy"],
    `--kubeconfig=${await writeKubeconfig(machine, "kube-proxy")}`,
    `--hostname-override=${NODE_NAME}`,
    "--proxy-mode=nftables",
    `--cluster-cidr=${POD_CIDR}`,
    // These are the kernel's, not the namespace's: hands off.
    "--conntrack-max-per-core=0",
    "--conntrack-tcp-timeout-established=0",
    "--conntrack-tcp-timeout-close-wait=0",
    "--healthz-bind-address=127.0.0.1:10256",
    "--metrics-bind-address=127.0.0.1:10249",
  ]);
  return kubelet;
}

/** Until pods can be created: the node is Ready, and the first namespace has its service account. */
export async function waitForNode(kubelet: Daemon, ask: AskApi): Promise<void> {
  await waitForDaemon(kubelet, async () => {
    const [node, account] = await Promise.all([
      ask(`/api/v1/nodes/${NODE_NAME}`),
      ask("/api/v1/namespaces/default/serviceaccounts/default"),
    ]);
    if (node.status !== 200 || account.status !== 200) return false;
    const { status } = JSON.parse(node.body) as { status: { conditions?: { type: string; status: string }[] } };
    return status.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
  });
}

function inside(machine: Machine, command: readonly string[]): [string, string[]] {
  const [program = "", ...args] = [...machine.enter, ...command];
  return [program, args];
}

/** Each pod hangs on a line of its own: everything is routed, so that the packet filter sees it without a bridge's help. */
const NETWORK = {
  cniVersion: "1.0.0",
  name: "pods",
  plugins: [
    {
      type: "ptp",
      ipam: { type: "host-local", ranges: [[{ subnet: POD_CIDR }]], routes: [{ dst: "0.0.0.0/0" }] },
    },
  ],
};

function containerdConfig(folder: string, network: string, pluginFolder: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  return `version = 2
root = ${JSON.stringify(join(folder, "containerd"))}
state = "/run/containerd"
# The first makes a folder in /opt; the others need file systems that are not there.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${SOCKET}"
[${cri}]
  sandbox_image = "${PAUSE_IMAGE}"
  disable_tcp_service = true
  stream_server_address = "127.0.0.1"
  # Not every machine lets root lower it.
  restrict_oom_score_adj = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  disable_apparmor = true
[${cri}.containerd]
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
[${cri}.cni]
  bin_dir = ${JSON.stringify(pluginFolder)}
  conf_dir = ${JSON.stringify(network)}
`;
}

function kubeletConfig(folder: string) {
  const key = (name: string) => join(folder, "pki", name);
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: NODE_IP,
    healthzBindAddress: "127.0.0.1",
    tlsCertFile: key("kubelet.crt"),
    tlsPrivateKeyFile: key("kubelet.key"),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: key("ca.crt") },
    },
    authorization: { mode: "Webhook" },
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${cgroupOf(folder)}`,
    // Kubernetes 1.36 still runs with version 1, when told so.
    failCgroupV1: false,
    failSwapOn: false,
    resolvConf: join(folder, "resolv.conf"),
    clusterDNS: [DNS_IP],
    clusterDomain: "cluster.local",
    volumePluginDir: join(folder, "kubelet-plugins"),
    // A full disk of the developer is no reason to evict; neither is an image to remove that no registry has.
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "0%",
      "nodefs.inodesFree": "0%",
      "imagefs.available": "0%",
      "imagefs.inodesFree": "0%",
    },
    logging: { verbosity: 2 },
  };
}
