/**
 * How do tests get a Kubernetes API server of their own?
 *
 * The level of envtest: etcd and kube-apiserver as child processes on free loopback ports, their state in a temporary
 * folder, no controllers and no nodes. RBAC is on. Stopping leaves neither a process nor a file.
 */

import type { ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Binaries } from "../../cluster/binaries.ts";
import type { CONTROL_PLANE } from "../../cluster/programs.ts";
import { freePorts } from "./free-ports.ts";
import { end, launch } from "./leash.ts";

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const START_ATTEMPTS = 3;

type Programs = Binaries<(typeof CONTROL_PLANE)[number]>;

/** An answer of the API server. `body` is the parsed JSON, or the text where it is not JSON. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ApiServer {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string;
  /** Bearer token of a member of system:masters. */
  readonly adminToken: string;
  /** Where the processes log and keep their state. */
  readonly folder: string;
  /** One call, as the administrator unless another token is given. A text is sent as it is, anything else as JSON. */
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<ApiAnswer>;
  /** A kubeconfig (JSON, which is YAML) for the token, the administrator's by default. */
  kubeconfig(token?: string): string;
  stop(): Promise<void>;
}

export interface CallOptions {
  readonly token?: string;
  /** `application/json` by default; a patch needs its own. */
  readonly contentType?: string;
  /** `application/json` by default. */
  readonly accept?: string;
}

/** Starts etcd and kube-apiserver and waits until `/readyz` says ok. */
export async function startApiServer(binaries: Programs): Promise<ApiServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(binaries);
    } catch (error) {
      // Somebody else took a port between our look and our start.
      if (attempt === START_ATTEMPTS || !String(error).includes("address already in use")) throw error;
    }
  }
}

async function startOnce(binaries: Programs): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-control-plane-"));
  const children: ChildProcess[] = [];
  const stop = async () => {
    // The API server first: without etcd it has nothing left to do but complain.
    for (const child of children.toReversed()) await end(child);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    return await startIn(folder, binaries, children, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startIn(
  folder: string,
  binaries: Programs,
  children: ChildProcess[],
  stop: () => Promise<void>,
): Promise<ApiServer> {
  const [clientPort, peerPort, apiPort] = await freePorts(3);
  const etcdUrl = `http://127.0.0.1:${clientPort}`;
  const etcd = launch(binaries.etcd, etcdFlags(folder, etcdUrl, `http://127.0.0.1:${peerPort}`), folder, "etcd");
  children.push(etcd);
  const adminToken = await writeCredentials(folder);
  await waitFor("etcd", etcd, folder, () => get(`${etcdUrl}/health`));

  const server = launch(
    binaries["kube-apiserver"],
    apiServerFlags(folder, etcdUrl, Number(apiPort)),
    folder,
    "kube-apiserver",
  );
  children.push(server);
  const url = `https://127.0.0.1:${apiPort}`;
  const certificate = join(folder, "certs", "apiserver.crt");
  let agent: Agent | undefined;
  const call: ApiServer["call"] = (method, path, body, options) => {
    if (agent === undefined) throw new Error("the API server has no certificate yet");
    return callApi(agent, `${url}${path}`, method, body, { token: adminToken, ...options });
  };
  let ca = "";
  await waitFor("kube-apiserver", server, folder, async () => {
    if (!existsSync(certificate)) return false;
    // Read anew each time: the file is there before all of it is.
    ca = await readFile(certificate, "utf8");
    agent?.destroy();
    agent = new Agent({ ca, keepAlive: true });
    return (await call("GET", "/readyz")).status === 200;
  });
  return {
    url,
    ca,
    adminToken,
    folder,
    call,
    kubeconfig: (token = adminToken) => kubeconfig(url, ca, token),
    stop: async () => {
      agent?.destroy();
      await stop();
    },
  };
}

function etcdFlags(folder: string, clientUrl: string, peerUrl: string): string[] {
  return [
    "--name=tandem",
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=tandem=${peerUrl}`,
    "--unsafe-no-fsync",
  ];
}

function apiServerFlags(folder: string, etcdUrl: string, port: number): string[] {
  return [
    `--etcd-servers=${etcdUrl}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    `--secure-port=${port}`,
    // The server makes its own certificate here, for 127.0.0.1.
    `--cert-dir=${join(folder, "certs")}`,
    `--token-auth-file=${join(folder, "tokens.csv")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${join(folder, "service-accounts.pub")}`,
    `--service-account-signing-key-file=${join(folder, "service-accounts.key")}`,
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.96.0.0/16",
    "--disable-admission-plugins=ServiceAccount",
  ];
}

/** Writes the token file and the key pair for service account tokens; answers the administrator's token. */
async function writeCredentials(folder: string): Promise<string> {
  const token = randomBytes(24).toString("hex");
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  await mkdir(join(folder, "certs"));
  await writeFile(join(folder, "tokens.csv"), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  await writeFile(join(folder, "service-accounts.pub"), publicKey);
  await writeFile(join(folder, "service-accounts.key"), privateKey, { mode: 0o600 });
  return token;
}

async function waitFor(
  name: string,
  child: ChildProcess,
  folder: string,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.pid === undefined) break;
    if (await isReady().catch(() => false)) return;
    await sleep(POLL_MS);
  }
  const log = await readFile(join(folder, `${name}.log`), "utf8").catch(() => "");
  throw new Error(`${name} did not become ready; the end of its log:\n${log.slice(-2_000)}`);
}

function get(url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on("error", reject).end();
  });
}

function callApi(agent: Agent, url: string, method: string, body: unknown, options: CallOptions): Promise<ApiAnswer> {
  const { token, contentType = "application/json", accept = "application/json" } = options;
  const headers = { authorization: `Bearer ${token}`, accept, "content-type": contentType };
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { method, agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body: parse(Buffer.concat(chunks).toString("utf8")) });
      });
    });
    request.on("error", reject);
    request.end(payload);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function kubeconfig(url: string, ca: string, token: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "test", cluster: { server: url, "certificate-authority-data": Buffer.from(ca).toString("base64") } },
    ],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}
