/** How is a cluster used, ours or another: by kubectl, by helm, by programs in pods? */

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./commands.ts";

const POD_TIMEOUT_MS = 120_000;
const POD_POLL_MS = 100;

export interface Cluster {
  /** The file that KUBECONFIG names for it. */
  readonly kubeconfig: string;
  /** REPOSITORY:TAG of Tandem's image, which its nodes have or can get. */
  readonly image: string;
  /** Answers what it printed. `input` goes to its standard input. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  helm(args: readonly string[], input?: string): Promise<string>;
  /**
   * Runs a command to its end in a pod of Tandem's image, which holds Node and nothing else, and answers what it printed:
   * `runInside(["node", "-e", script])`.
   */
  runInside(command: readonly string[], options?: PodOptions): Promise<string>;
  /** Gives back what `openCluster` took. */
  close(): Promise<void>;
}

export interface PodOptions {
  /** `default`, when left out. It must be there. */
  readonly namespace?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
}

export interface ClientSettings {
  readonly kubeconfig: string;
  readonly image: string;
  readonly kubectl: string;
  readonly helm: string;
  /** Where both keep what they have learnt of the API; their own place when left out. */
  readonly cache?: string;
  readonly close?: () => Promise<void>;
}

export function clusterClient(settings: ClientSettings): Cluster {
  const { kubeconfig, image, cache, close } = settings;
  const env = { ...process.env, KUBECONFIG: kubeconfig, ...(cache !== undefined && { KUBECACHEDIR: cache }) };
  const runWith = (program: string) => (args: readonly string[], input?: string) =>
    run(program, args, { env, ...(input !== undefined && { input }) });
  const kubectl = runWith(settings.kubectl);
  return {
    kubeconfig,
    image,
    kubectl,
    helm: runWith(settings.helm),
    runInside: (command, options) => runInside(kubectl, image, command, options),
    close: close ?? (async () => {}),
  };
}

async function runInside(
  kubectl: Cluster["kubectl"],
  image: string,
  command: readonly string[],
  options: PodOptions = {},
): Promise<string> {
  const name = `inside-${randomBytes(4).toString("hex")}`;
  const inNamespace = [`--namespace=${options.namespace ?? "default"}`];
  // A new namespace gets its service account a moment later; without it no pod is let in.
  await kubectl([...inNamespace, "wait", "--for=create", "serviceaccount", options.serviceAccount ?? "default"]);
  await kubectl([...inNamespace, "create", "-f", "-"], JSON.stringify(podOf(name, image, command, options)));
  try {
    const phase = await phaseAtTheEnd(kubectl, [...inNamespace, "get", "pod", name]);
    const output = await kubectl([...inNamespace, "logs", name]).catch((error: Error) => error.message);
    if (phase !== "Succeeded") throw new Error(`pod ${name} (${command[0]}) is ${phase}: ${output}`);
    return output;
  } finally {
    await kubectl([...inNamespace, "delete", "pod", name, "--wait=false", "--grace-period=1"]);
  }
}

async function phaseAtTheEnd(kubectl: Cluster["kubectl"], getPod: readonly string[]): Promise<string> {
  const deadline = Date.now() + POD_TIMEOUT_MS;
  let phase = "";
  while (Date.now() < deadline) {
    phase = await kubectl([...getPod, "--output=jsonpath={.status.phase}"]);
    if (phase === "Succeeded" || phase === "Failed") return phase;
    await sleep(POD_POLL_MS);
  }
  return `${phase} after ${POD_TIMEOUT_MS / 1000} s`;
}

/** One that the strictest of the Pod Security Standards lets in. */
function podOf(name: string, image: string, command: readonly string[], options: PodOptions) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: options.labels ?? {} },
    spec: {
      restartPolicy: "Never",
      ...(options.serviceAccount !== undefined && { serviceAccountName: options.serviceAccount }),
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "inside",
          image,
          command,
          env: Object.entries(options.env ?? {}).map(([key, value]) => ({ name: key, value })),
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
        },
      ],
    },
  };
}
