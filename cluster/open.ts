/**
 * On which cluster do the tests run?
 *
 * On the one that KUBECONFIG names; else on one of their own, which starts with `openCluster` and is gone after `close`.
 * It is never the one of `npm run cluster`.
 */

import { findBinaries } from "./binaries.ts";
import { type Cluster, clusterClient } from "./client.ts";
import { stateFolder } from "./folders.ts";
import { takeLock } from "./lock.ts";
import { destroyMachine } from "./machine.ts";
import { findPrograms, startCluster } from "./up.ts";

export type { Cluster, PodOptions } from "./client.ts";

/**
 * What keeps `openCluster` from working here, for a test's `skip`; false when nothing does. Brings the programs when they
 * are missing, which takes minutes. Where `CI` is `true` it throws instead: there a skip is a failure.
 */
export async function clusterProblem(): Promise<string | false> {
  if (process.env.KUBECONFIG) {
    const problem = otherImage() === undefined ? IMAGE_MISSING : undefined;
    if (problem !== undefined && process.env.CI === "true") throw new Error(problem);
    return problem ?? false;
  }
  const found = await findPrograms(false, printLine);
  return "missing" in found ? found.missing : false;
}

/** Test files that are run side by side wait for each other. */
export async function openCluster(progress: (line: string) => void = () => {}): Promise<Cluster> {
  const kubeconfig = process.env.KUBECONFIG;
  if (kubeconfig) return await otherCluster(kubeconfig);
  const found = await findPrograms(false, printLine);
  if ("missing" in found) throw new Error(found.missing);
  const folder = stateFolder("cluster-of-tests");
  const release = await takeLock(`${folder}.lock`);
  try {
    const cluster = await startCluster(folder, found.programs, progress);
    const close = async () => {
      await destroyMachine(folder);
      await release();
    };
    return { ...cluster, close };
  } catch (error) {
    await release();
    throw error;
  }
}

const IMAGE_MISSING =
  "KUBECONFIG names a cluster: set TANDEM_IMAGE too, to REPOSITORY:TAG of an image of this checkout that it can get " +
  "(npm run image, then docker push or kind load image-archive); or unset KUBECONFIG for a cluster of our own";

function otherImage(): string | undefined {
  return process.env.TANDEM_IMAGE || undefined;
}

async function otherCluster(kubeconfig: string): Promise<Cluster> {
  const image = otherImage();
  if (image === undefined) throw new Error(IMAGE_MISSING);
  const found = await findBinaries(["kubectl", "helm"]);
  if ("missing" in found) throw new Error(found.missing);
  return clusterClient({ kubeconfig, image, ...found.binaries });
}

function printLine(line: string): void {
  process.stderr.write(`${line}\n`);
}
