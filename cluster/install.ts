/** How does Tandem come into a cluster, with simulated providers and the manifests of the quickstart? */

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Cluster } from "./client.ts";

const ROOT = resolve(import.meta.dirname, "..");
export const CHART = join(ROOT, "charts", "tandem");
export const QUICKSTART = join(ROOT, "examples", "quickstart", "01-two-providers.yaml");
/** Those that the simulators take. */
const PROVIDER_KEYS = { openai: "sk-demo-openai", azure: "demo-azure-key" };
const INSTALL_TIMEOUT = "120s";
const READY_TIMEOUT = "60s";
const MAX_SHOWN_CHARS = 6_000;

export interface InstallOptions {
  /** The release's name; `tandem` when left out, as for `namespace`. */
  readonly release?: string;
  readonly namespace?: string;
  /** A folder or an archive; the checkout's when left out. */
  readonly chart?: string;
  /** Chart values beside those that lead to the simulators, which they may replace. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** `helm upgrade --install --wait`. Simulators must be there: see `startSimulators`. */
export async function installTandem(cluster: Cluster, options: InstallOptions = {}): Promise<void> {
  const { release = "tandem", namespace = "tandem", chart = CHART, values = {} } = options;
  const files = ["--values=-"];
  const where = ["--namespace", namespace, "--create-namespace", "--wait", "--timeout", INSTALL_TIMEOUT];
  const all = deepMerge(await simulatorValues(cluster), values);
  await cluster
    .helm(["upgrade", "--install", release, chart, ...where, ...files], JSON.stringify(all))
    .catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await whatIsWrong(cluster, namespace)}`);
    });
}

/** The image, and the way from the providers' hosts to the simulators. */
export async function simulatorValues(cluster: Cluster): Promise<Readonly<Record<string, unknown>>> {
  const [repository, tag] = splitName(cluster.image);
  const address = await serviceAddress(cluster, "simulators", "simulators");
  return {
    image: { repository, tag },
    operator: { dev: true },
    proxy: {
      dev: true,
      connectTo: {
        "api.openai.com": `http://${address}:8101`,
        "contoso-sweden.openai.azure.com": `http://${address}:8102`,
      },
    },
  };
}

/** `isInstant`: they answer at once instead of as slowly as a model. */
export async function startSimulators(cluster: Cluster, { isInstant = false } = {}): Promise<void> {
  const text = (await readFile(join(import.meta.dirname, "simulators.yaml"), "utf8"))
    .replaceAll(/\$\{IMAGE\}/g, cluster.image)
    .replaceAll(/\$\{OPTIONS\}/g, isInstant ? ", --instant" : "");
  await cluster.kubectl(["apply", "-f", "-"], text);
}

/** The namespace of the quickstart and its Secrets, with the simulators' keys and a client key that is made up here. */
export async function createSecrets(cluster: Cluster, clientKey = newClientKey()): Promise<string> {
  const secret = (name: string, stringData: Readonly<Record<string, string>>) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "ai" },
    stringData,
  });
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "ai" } },
    secret("openai", { "api-key": PROVIDER_KEYS.openai }),
    secret("azure", { "api-key": PROVIDER_KEYS.azure }),
    secret("demo-client-key", { key: clientKey }),
  ];
  await cluster.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return clientKey;
}

function newClientKey(): string {
  return `tdm-${randomBytes(24).toString("base64url")}`;
}

/** Byte for byte as a user would, and waits until its routes are Ready. */
export async function applyQuickstart(cluster: Cluster): Promise<void> {
  await cluster.kubectl(["apply", "-f", QUICKSTART]);
  const wait = ["wait", "--for=condition=Ready", "airoutes", "--all", `--timeout=${READY_TIMEOUT}`];
  await cluster.kubectl(["--namespace=ai", ...wait]).catch(async (error: Error) => {
    const objects = await cluster.kubectl(["--namespace=ai", "get", "aiproviders,airoutes,aiclients", "-o", "wide"]);
    throw new Error(`the routes of the quickstart are not Ready: ${error.message}\n${objects}`);
  });
}

/** Where a release's gateway is, inside the cluster. */
export async function gatewayOf(
  cluster: Cluster,
  { release = "tandem", namespace = "tandem" }: Pick<InstallOptions, "release" | "namespace"> = {},
): Promise<{ readonly host: string; readonly port: number }> {
  const labels = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=proxy`;
  const answer = await cluster.kubectl([`--namespace=${namespace}`, "get", "services", "-l", labels, "-o", "json"]);
  const { items } = JSON.parse(answer) as {
    items: { spec: { clusterIP: string; ports: { name?: string; port: number }[] } }[];
  };
  for (const { spec } of items) {
    const port = spec.ports.find(({ name }) => name === "http");
    if (port !== undefined && spec.clusterIP !== "None") return { host: spec.clusterIP, port: port.port };
  }
  throw new Error(`release ${release} in namespace ${namespace} has no Service with a port named http`);
}

async function serviceAddress(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const what = ["get", "service", name, "--output=jsonpath={.spec.clusterIP}"];
  return await cluster.kubectl([`--namespace=${namespace}`, ...what]);
}

function splitName(image: string): [string, string] {
  const at = image.lastIndexOf(":");
  return [image.slice(0, at), image.slice(at + 1)];
}

type Values = Readonly<Record<string, unknown>>;

function deepMerge(below: Values, above: Values): Values {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const lower = merged[key];
    merged[key] = isValues(lower) && isValues(value) ? deepMerge(lower, value) : value;
  }
  return merged;
}

function isValues(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a person would look at first. */
async function whatIsWrong(cluster: Cluster, namespace: string): Promise<string> {
  const looks = [
    ["get", "pods", "-o", "wide"],
    ["get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"],
    ["logs", "-l", "app.kubernetes.io/name=tandem", "--all-containers", "--prefix", "--tail=15"],
  ];
  const answers = await Promise.all(
    looks.map((look) => cluster.kubectl([`--namespace=${namespace}`, ...look]).catch((error: Error) => error.message)),
  );
  return answers.map((answer) => answer.slice(-MAX_SHOWN_CHARS)).join("\n");
}
