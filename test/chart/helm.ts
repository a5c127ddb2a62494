/** How do tests run the real Helm, of both majors? */
import { execFile } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { KUBERNETES_VERSION } from "../control-plane/binaries.ts";

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
  /** Runs it with a home of its own, and with this kubeconfig when one is given. */
  run(args: readonly string[], kubeconfig?: string): Promise<Outcome>;
  /** The objects that `helm template` prints, as text. Throws when it refuses. */
  template(...args: readonly string[]): Promise<string>;
}

export type Found = { readonly helms: readonly Helm[] } | { readonly missing: string };

/** TANDEM_HELM lists programs, as PATH lists folders; without it, `helm` of PATH. */
export async function findHelm(): Promise<Found> {
  const named = (process.env.TANDEM_HELM ?? "").split(delimiter).filter((path) => path !== "");
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "helm"));
  const paths = named.length > 0 ? named : onPath.filter(isProgram).slice(0, 1);
  if (paths.length > 0) return { helms: await Promise.all(paths.map(helmAt)) };
  const missing = "Helm is missing: install it (https://helm.sh), or set TANDEM_HELM to the path of a helm 3 and of a helm 4";
  if (process.env.CI === "true") throw new Error(missing);
  return { missing };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function helmAt(path: string): Promise<Helm> {
  const run: Helm["run"] = (args, kubeconfig) => runAt(path, args, kubeconfig);
  const version = (await run(["version", "--short"])).stdout.trim();
  return {
    name: `helm ${version}`,
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
