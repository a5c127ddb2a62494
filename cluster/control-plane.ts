/** How do the API server, its store and the controllers start? */

import { readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import type { Binaries } from "./binaries.ts";
import { type Daemon, startDaemon, waitForDaemon } from "./daemons.ts";
import { type Machine, NODE_IP, SERVICE_CIDR } from "./machine.ts";
import { kubeconfigOf } from "./pki.ts";

const ETCD_URL = "http://127.0.0.1:2379";
const ETCD_PEER_URL = "http://127.0.0.1:2380";
export const API_PORT = 6443;
/** The API server's own address among the Services. */
export const API_SERVICE_IP = "10.96.0.1";

type Programs = Binaries<"etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler">;

/** Answers as the administrator. */
export type AskApi = (path: string) => Promise<{ readonly status: number; readonly body: string }>;

/** Starts the store and the API server; `isReady` looks whether it answers. */
export function startApiServer(machine: Machine, programs: Programs): Daemon {
  startDaemon(machine, "etcd", [programs.etcd, ...etcdFlags(machine)]);
  return startDaemon(machine, "kube-apiserver", [programs["kube-apiserver"], ...apiServerFlags(machine)]);
}

export async function waitForApiServer(daemon: Daemon, ask: AskApi): Promise<void> {
  await waitForDaemon(daemon, async () => (await ask("/readyz")).status === 200);
}

/** They give up where no API server answers: it comes first. */
export async function startControllers(machine: Machine, programs: Programs): Promise<void> {
  const keys = join(machine.folder, "pki");
  for (const name of ["kube-controller-manager", "kube-scheduler"] as const) {
    const kubeconfig = await writeKubeconfig(machine, name);
    const own = name === "kube-controller-manager" ? controllerFlags(keys) : [];
    startDaemon(machine, name, [
      programs[name],
      ...["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map(
        (flag) => `--${flag}=${kubeconfig}`,
      ),
      "--bind-address=127.0.0.1",
      // There is no other.
      "--leader-elect=false",
      ...own,
    ]);
  }
}

/** For a part of the cluster, which calls the API server from inside. */
export async function writeKubeconfig(machine: Machine, name: string): Promise<string> {
  const file = join(machine.folder, "pki", `${name}.kubeconfig`);
  const text = await kubeconfigOf(join(machine.folder, "pki"), name, `https://127.0.0.1:${API_PORT}`);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

/** Asks the API server at this port of the host. */
export async function askAt(folder: string, port: number): Promise<AskApi> {
  const [ca, cert, key] = await Promise.all(
    ["ca.crt", "admin.crt", "admin.key"].map((name) => readFile(join(folder, "pki", name))),
  );
  const agent = new Agent({ ca: ca ?? "", cert: cert ?? "", key: key ?? "" });
  return (path) =>
    new Promise((resolve, reject) => {
      const sent = request({ host: "127.0.0.1", port, path, agent, timeout: 5_000 }, (answer) => {
        let body = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => {
          body += chunk;
        });
        answer.once("error", reject);
        answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      });
      sent.once("timeout", () => sent.destroy(new Error("no answer")));
      sent.once("error", reject).end();
    });
}

function etcdFlags({ folder }: Machine): string[] {
  return [
    "--name=tandem",
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${ETCD_URL}`,
    `--advertise-client-urls=${ETCD_URL}`,
    `--listen-peer-urls=${ETCD_PEER_URL}`,
    `--initial-advertise-peer-urls=${ETCD_PEER_URL}`,
    `--initial-cluster=tandem=${ETCD_PEER_URL}`,
    // What it keeps is thrown away at the end.
    "--unsafe-no-fsync",
  ];
}

function apiServerFlags({ folder }: Machine): string[] {
  const key = (name: string) => join(folder, "pki", name);
  return [
    `--etcd-servers=${ETCD_URL}`,
    // Of the machine's own network: nobody outside reaches it.
    "--bind-address=0.0.0.0",
    `--advertise-address=${NODE_IP}`,
    `--secure-port=${API_PORT}`,
    `--service-cluster-ip-range=${SERVICE_CIDR}`,
    `--client-ca-file=${key("ca.crt")}`,
    `--tls-cert-file=${key("apiserver.crt")}`,
    `--tls-private-key-file=${key("apiserver.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${key("service-accounts.pub")}`,
    `--service-account-signing-key-file=${key("service-accounts.key")}`,
    `--kubelet-client-certificate=${key("apiserver-to-kubelet.crt")}`,
    `--kubelet-client-key=${key("apiserver-to-kubelet.key")}`,
    `--kubelet-certificate-authority=${key("ca.crt")}`,
    // Nobody extends the API; the controllers ask for it all the same.
    `--requestheader-client-ca-file=${key("ca.crt")}`,
    "--requestheader-allowed-names=nobody",
    // By name it would hang: there is no DNS.
    "--kubelet-preferred-address-types=InternalIP",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
  ];
}

function controllerFlags(keys: string): string[] {
  return [
    `--service-account-private-key-file=${join(keys, "service-accounts.key")}`,
    `--root-ca-file=${join(keys, "ca.crt")}`,
    `--cluster-signing-cert-file=${join(keys, "ca.crt")}`,
    `--cluster-signing-key-file=${join(keys, "ca.key")}`,
    "--use-service-account-credentials=true",
    "--controllers=*,-nodeipam,-cloud-node-lifecycle",
  ];
}
