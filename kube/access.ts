/** Where is the API server, and as whom do we speak to it? */

import { readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { createRequire } from "node:module";
import { isIPv6 } from "node:net";
import { dirname, join } from "node:path";
import type { SecureContextOptions } from "node:tls";
import type { Cluster, KubeConfig } from "@kubernetes/client-node";
import { describe } from "./errors.ts";

/** What TLS needs to know about either end. */
export interface Tls extends Pick<SecureContextOptions, "ca" | "cert" | "key"> {
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface Access {
  /** The API server's address without a trailing slash. */
  readonly server: string;
  readonly proxyUrl: string | undefined;
  /** What the connections need. */
  tls(): Promise<Tls>;
  /** What every request needs. Tokens rotate: ask before each request. */
  headers(): Promise<Record<string, string>>;
  /** The API server refused the headers: read them anew. */
  forget(): void;
}

/** One file's path; or paths of several, which make one as kubectl merges them: who is not there, or empty, is passed over. */
export type Kubeconfig = string | readonly string[];

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** The kubelet renews a token when a fifth of its life, minutes at least, is left. */
const TOKEN_KEPT_MS = 10_000;

/**
 * As a pod: what its service account's folder says. KubeConfig.loadFromCluster would do the same, but with the package
 * come the classes of the whole API: measured, 60 MB and 400 ms in every pod.
 */
export function inCluster(folder: string = SERVICE_ACCOUNT): Access {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = process.env;
  const help = "pass --kubeconfig FILE, or run as a pod with a service account";
  if (!host) throw new Error(`no API server is known, as KUBERNETES_SERVICE_HOST is not set: ${help}`);
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name), "utf8").trim();
    } catch (error) {
      throw new Error(`the service account's ${name} cannot be read: ${describe(error)}; ${help}`);
    }
  };
  const ca = read("ca.crt");
  let token = read("token");
  let readAt = performance.now();
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    proxyUrl: undefined,
    tls: async () => ({ ca }),
    headers: async () => {
      if (performance.now() - readAt > TOKEN_KEPT_MS) {
        token = read("token");
        readAt = performance.now();
      }
      return { authorization: `Bearer ${token}` };
    },
    forget: () => {
      readAt = Number.NEGATIVE_INFINITY;
    },
  };
}

/** As a person, or as a test: what a kubeconfig's context says. */
export function fromKubeconfig(kubeconfig: Kubeconfig, context: string | undefined): Access {
  const config = typeof kubeconfig === "string" ? load(kubeconfig) : merged(kubeconfig);
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = clusterOf(config, [kubeconfig].flat().join(" with "));
  const options = async () => {
    const found: RequestOptions = {};
    await config.applyToHTTPSOptions(found);
    return found;
  };
  return {
    server: cluster.server,
    proxyUrl: cluster.proxyUrl,
    tls: async () => {
      const { ca, cert, key, rejectUnauthorized, servername } = await options();
      return {
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(servername && { servername }),
        ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
      };
    },
    headers: async () => {
      const { headers = {}, auth } = await options();
      const named = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value).trim()]);
      if (auth) named.push(["authorization", `Basic ${Buffer.from(auth).toString("base64")}`]);
      return Object.fromEntries(named);
    },
    // A kubeconfig's tokens either stand in it or are renewed by what it names.
    forget: () => {},
  };
}

function load(file: string): KubeConfig {
  return parsed(file, textOf(file));
}

/** The first file that says something of a name, or which context is the current one, has the last word. */
function merged(files: readonly string[]): KubeConfig {
  const parts = files.flatMap((file) => {
    const text = textOf(file, "may be missing");
    return text.trim() === "" ? [] : [parsed(file, text)];
  });
  const [first] = parts;
  if (first === undefined) throw new Error(`no kubeconfig is there: looked for ${files.join(", ") || "none"}`);
  first.loadFromOptions({
    clusters: firstOfEachName(parts.flatMap((part) => part.getClusters())),
    contexts: firstOfEachName(parts.flatMap((part) => part.getContexts())),
    users: firstOfEachName(parts.flatMap((part) => part.getUsers())),
    currentContext: parts.map((part) => part.getCurrentContext()).find((name) => name),
  });
  return first;
}

function firstOfEachName<One extends { readonly name: string }>(all: readonly One[]): One[] {
  return all.filter((one, i) => all.findIndex(({ name }) => name === one.name) === i);
}

function textOf(file: string, missing: "is an error" | "may be missing" = "is an error"): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (missing === "may be missing" && (error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw unreadable(file, error);
  }
}

/** Paths in it are its own folder's. */
function parsed(file: string, text: string): KubeConfig {
  // Only now: see inCluster.
  const { KubeConfig } = createRequire(import.meta.url)(
    "@kubernetes/client-node",
  ) as typeof import("@kubernetes/client-node");
  const config = new KubeConfig();
  try {
    config.loadFromString(text);
  } catch (error) {
    throw unreadable(file, error);
  }
  config.makePathsAbsolute(dirname(file));
  return config;
}

function unreadable(file: string, error: unknown): Error {
  return new Error(`the kubeconfig ${file} cannot be read: ${reasonOf(error)}`);
}

/** The YAML parser's own message quotes the lines around the mistake, tokens and all. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && error.name === "YAMLException") return "it is not valid YAML";
  if (error instanceof TypeError) return "it is empty or no kubeconfig";
  return describe(error);
}

function clusterOf(config: KubeConfig, file: string): Cluster {
  const name = config.getCurrentContext();
  const known = config.getContexts().map((one) => one.name);
  if (!name) throw new Error(`the kubeconfig ${file} has no current-context: set it, or name a context`);
  const context = config.getContextObject(name);
  if (!context) {
    throw new Error(`the kubeconfig ${file} has no context "${name}"; it has ${known.join(", ") || "none"}`);
  }
  const cluster = config.getCluster(context.cluster);
  if (!cluster) throw new Error(`the kubeconfig ${file} has no cluster "${context.cluster}", which its context names`);
  return cluster;
}
