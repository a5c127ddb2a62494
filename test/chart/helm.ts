/** How do tests run the real Helm, of both majors? */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findBinaries } from "../../cluster/binaries.ts";
import { KUBERNETES_VERSION } from "../../cluster/programs.ts";

export const CHART = fileURLToPath(new URL("../../charts/tandem", import.meta.url));

/** What every install needs and no test is about. */
export const IMAGE = ["--set", "image.repository=registry.example/tandem"];

const COMMAND_TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 16 * 1024 ** 2;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Helm {
  /** `helm v3.22`. */
  readonly name: string;
  readonly major: number;
  /** Runs it with a home of its own, and with this kubeconfig when one is given. */
  run(args: readonly string[], kubeconfig?: string): Promise<Outcome>;
  /** The objects that `helm template` prints, as text. Throws when it refuses. */
  template(...args: readonly string[]): Promise<string>;
}

export type Found = { readonly helms: readonly Helm[] } | { readonly missing: string };

/** The newest of both majors, or those that TANDEM_HELM names, as PATH names folders. */
export async function findHelm(): Promise<Found> {
  const named = (process.env.TANDEM_HELM ?? "").split(delimiter).filter((path) => path !== "");
  if (named.length > 0) return { helms: await Promise.all(named.map(helmAt)) };
  const found = await findBinaries(["helm", "helm4"]);
  if ("missing" in found) return found;
  return { helms: await Promise.all(Object.values(found.binaries).map(helmAt)) };
}

async function helmAt(path: string): Promise<Helm> {
  const run: Helm["run"] = (args, kubeconfig) => runAt(path, args, kubeconfig);
  const version = (await run(["version", "--short"])).stdout.trim();
  return {
    name: `helm ${version}`,
    major: Number(/^v(\d+)/.exec(version)?.[1]),
    run,
    async template(...args) {
      // Without a version a Helm that `go install` made takes the cluster for an old one.
      const { code, stdout, stderr } = await run(["template", "--kube-version", KUBERNETES_VERSION, ...args]);
      if (code !== 0) throw new Error(stderr);
      return stdout;
    },
  };
}

function runAt(path: string, args: readonly string[], kubeconfig = "/dev/null"): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), "tandem-helm-"));
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    KUBECONFIG: kubeconfig,
    HELM_CACHE_HOME: home,
    HELM_CONFIG_HOME: home,
    HELM_DATA_HOME: home,
  };
  const options = { env, timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  return new Promise((resolve) => {
    execFile(path, args, options, (error, stdout, stderr) => {
      rmSync(home, { recursive: true, force: true });
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}
