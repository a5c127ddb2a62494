/** In which order does a cluster of our own start, and what remains of one that did not? */

import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packLayer, writeArchive } from "./archive.ts";
import { type Binaries, findBinaries } from "./binaries.ts";
import { type Cluster, clusterClient } from "./client.ts";
import {
  API_PORT,
  API_SERVICE_IP,
  askAt,
  startApiServer,
  startControllers,
  waitForApiServer,
} from "./control-plane.ts";
import { forward } from "./forward.ts";
import { buildImage, type Image } from "./image.ts";
import { destroyMachine, findMachine, type Machine, NODE_IP, startMachine, stopMachine } from "./machine.ts";
import { importImage, PAUSE_IMAGE, startContainerd, startNode, waitForNode } from "./node.ts";
import { kubeconfigOf, makeKeys } from "./pki.ts";
import { WHOLE_CLUSTER } from "./programs.ts";
import { missingRequirement, networkPluginFolder } from "./requirements.ts";

type Progress = (line: string) => void;
type Programs = Binaries<(typeof WHOLE_CLUSTER)[number]>;

const LOOPBACK = "127.0.0.1";
/** Digits of the image's digest that make its tag: another content is another tag, so that pods are rolled. */
const TAG_DIGITS = 12;

/** What others, later, must know of a cluster that runs. */
export interface ClusterState {
  readonly image: string;
  /** Once Tandem is installed: where it answers on this host, and the key for it. */
  readonly url?: string;
  readonly key?: string;
}

/** The programs, or one line that says what is missing and what to type. Where `CI` is `true`, it throws that line. */
export async function findPrograms(
  mayInstall: boolean,
  progress: Progress,
): Promise<{ readonly programs: Programs } | { readonly missing: string }> {
  const missing = await missingRequirement(mayInstall || process.env.CI === "true", progress);
  if (missing !== undefined) {
    if (process.env.CI === "true") throw new Error(missing);
    return { missing };
  }
  const found = await findBinaries(WHOLE_CLUSTER, progress);
  return "missing" in found ? found : { programs: found.binaries };
}

/** Starts it anew; what another run left in the folder goes first. Nothing is installed in it, but the image is there. */
export async function startCluster(folder: string, programs: Programs, progress: Progress): Promise<Cluster> {
  await destroyMachine(folder);
  await mkdir(join(folder, "log"), { recursive: true, mode: 0o700 });
  try {
    return await start(folder, programs, progress);
  } catch (error) {
    await stopMachine(folder);
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}\nall logs: ${join(folder, "log")}`);
  }
}

async function start(folder: string, programs: Programs, progress: Progress): Promise<Cluster> {
  const image = buildClusterImage(folder);
  // It is awaited further down, maybe after something else has failed.
  image.catch(() => {});
  await mkdir(join(folder, "pki"), { mode: 0o700 });
  const keys = makeKeys(join(folder, "pki"), [LOOPBACK, NODE_IP, API_SERVICE_IP]);
  const [machine] = await Promise.all([startMachine(folder, programs.pause), keys]);
  progress("namespaces and keys are made");

  const apiServer = startApiServer(machine, programs);
  const images = startContainerd(machine, (await networkPluginFolder()) ?? "").then(() =>
    importImages(machine, programs, image),
  );
  images.catch(() => {});
  const apiPort = await forward(machine, { host: LOOPBACK, port: API_PORT });
  const ask = await askAt(folder, apiPort);
  await waitForApiServer(apiServer, ask);
  progress("the API server is ready");

  await startControllers(machine, programs);
  const kubelet = await startNode(machine, programs);
  const { name } = await images;
  progress(`the image ${name} is there`);
  await waitForNode(kubelet, ask);
  progress("the node is Ready");

  await linkPrograms(folder, programs);
  const kubeconfig = await kubeconfigOf(join(folder, "pki"), "admin", `https://${LOOPBACK}:${apiPort}`);
  await writeFile(kubeconfigFile(folder), kubeconfig, { mode: 0o600 });
  await writeState(folder, { image: name });
  return clientOf(folder, name);
}

async function importImages(machine: Machine, programs: Programs, image: Promise<Image>): Promise<Image> {
  const pause = await buildPauseImage(machine.folder, programs.pause);
  await importImage(machine, pause);
  const built = await image;
  await importImage(machine, built.file);
  await Promise.all([pause, built.file].map((file) => rm(file)));
  return built;
}

/** Of the checkout as it is now. */
export function buildClusterImage(folder: string): Promise<Image> {
  return buildImage(join(folder, "image.tar"), (digest) => `tandem.local/tandem:${digest.slice(0, TAG_DIGITS)}`);
}

async function buildPauseImage(folder: string, pause: string): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), "tandem-pause-"));
  try {
    await cp(pause, join(work, "tree", "pause"));
    await packLayer(join(work, "tree"), join(work, "layer.tar"));
    const file = join(folder, "pause.tar");
    await writeArchive(file, [join(work, "layer.tar")], { Entrypoint: ["/pause"] }, () => PAUSE_IMAGE);
    return file;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The cluster of this folder, when it runs and is whole. */
export async function runningCluster(
  folder: string,
): Promise<{ readonly machine: Machine; readonly state: ClusterState; readonly cluster: Cluster } | undefined> {
  const machine = await findMachine(folder);
  const state = await readState(folder);
  if (machine === undefined || state === undefined) return undefined;
  return { machine, state, cluster: clientOf(folder, state.image) };
}

/** `kubectl` and `helm` only: the rest is nobody's to call. */
export function programFolder(folder: string): string {
  return join(folder, "bin");
}

export function kubeconfigFile(folder: string): string {
  return join(folder, "kubeconfig");
}

async function linkPrograms(folder: string, programs: Programs): Promise<void> {
  await mkdir(programFolder(folder));
  for (const name of ["kubectl", "helm"] as const) await symlink(programs[name], join(programFolder(folder), name));
}

export function clientOf(folder: string, image: string): Cluster {
  return clusterClient({
    kubeconfig: kubeconfigFile(folder),
    image,
    kubectl: join(programFolder(folder), "kubectl"),
    helm: join(programFolder(folder), "helm"),
    cache: join(folder, "kube-cache"),
  });
}

export async function writeState(folder: string, state: ClusterState): Promise<void> {
  await writeFile(join(folder, "state.json"), JSON.stringify(state), { mode: 0o600 });
}

async function readState(folder: string): Promise<ClusterState | undefined> {
  const text = await readFile(join(folder, "state.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as ClusterState);
}
