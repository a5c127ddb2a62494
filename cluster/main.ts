/** What does `npm run cluster` do? `up` (which may be left out), `env`, `down`. */

import { rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { stateFolder } from "./folders.ts";
import { forward } from "./forward.ts";
import { applyQuickstart, CHART, createSecrets, gatewayOf, installTandem, startSimulators } from "./install.ts";
import { isLocked, withLock } from "./lock.ts";
import { destroyMachine, findMachine } from "./machine.ts";
import { importImage } from "./node.ts";
import {
  buildClusterImage,
  clientOf,
  findPrograms,
  kubeconfigFile,
  programFolder,
  runningCluster,
  startCluster,
  writeState,
} from "./up.ts";

const USAGE = `npm run cluster [up]         a Kubernetes on this machine, with Tandem from this checkout; again: Tandem anew
npm run -s cluster env       what a shell must know: eval "$(npm run -s cluster env)"
npm run cluster down         removes every trace

npm run cluster -- --install       install the Debian packages that are missing
npm run cluster -- --chart FOLDER  another chart than charts/tandem
`;
const EXIT_USAGE = 2;
const FOLDER = stateFolder("cluster");

interface Options {
  readonly mayInstall: boolean;
  readonly chart: string;
}

const startedAt = performance.now();

function progress(line: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stderr.write(`${seconds.padStart(6)} s  ${line}\n`);
}

async function up(options: Options): Promise<number> {
  const found = await findPrograms(options.mayInstall, progress);
  if ("missing" in found) return complain(found.missing);
  return await withLock(`${FOLDER}.lock`, async () => {
    const former = await runningCluster(FOLDER);
    if (former === undefined) await startCluster(FOLDER, found.programs, progress);
    else await renewImage();
    await install(options);
    return 0;
  });
}

/** On a cluster that runs already: Tandem as it is in the checkout now. */
async function renewImage(): Promise<void> {
  const running = await runningCluster(FOLDER);
  if (running === undefined) return;
  const image = await buildClusterImage(FOLDER);
  if (image.name !== running.state.image) await importImage(running.machine, image.file);
  await writeState(FOLDER, { ...running.state, image: image.name });
  progress(`a cluster runs already; the image ${image.name} is there`);
}

async function install({ chart }: Options): Promise<void> {
  const running = await runningCluster(FOLDER);
  if (running === undefined) throw new Error("the cluster has ended");
  const { machine, state } = running;
  const cluster = clientOf(FOLDER, state.image);
  const [key] = await Promise.all([createSecrets(cluster, state.key), startSimulators(cluster)]);
  await installTandem(cluster, { chart });
  progress("the chart is installed");
  await applyQuickstart(cluster);
  const port = await forward(machine, await gatewayOf(cluster));
  await writeState(FOLDER, { image: state.image, url: `http://127.0.0.1:${port}`, key });
  progress("the routes are Ready");
  process.stderr.write(WHAT_NEXT);
}

const WHAT_NEXT = `
eval "$(npm run -s cluster env)"
kubectl get aiproviders,airoutes,aiclients -n ai -o wide
curl -i "$TANDEM_URL/v1/chat/completions" -H "Authorization: Bearer $TANDEM_KEY" -H 'content-type: application/json' \\
  -d '{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}'
npm run cluster down
`;

async function printEnvironment(): Promise<number> {
  const running = await runningCluster(FOLDER);
  if (running === undefined) return complain("no cluster runs: npm run cluster starts one");
  const { url, key } = running.state;
  const variables = {
    PATH: [programFolder(FOLDER), ...pathOfTheShell()].join(":"),
    KUBECONFIG: kubeconfigFile(FOLDER),
    ...(url !== undefined && key !== undefined && { TANDEM_URL: url, TANDEM_KEY: key }),
  };
  for (const [name, value] of Object.entries(variables)) process.stdout.write(`export ${name}=${quoted(value)}\n`);
  return 0;
}

/** npm puts folders of its own first; they are not the shell's. */
function pathOfTheShell(): string[] {
  const isNpms = /\/node_modules\/\.bin$|\/node-gyp-bin$/;
  const former = (process.env.PATH ?? "").split(":");
  return former.filter((folder) => !isNpms.test(folder) && folder !== programFolder(FOLDER));
}

function quoted(value: string): string {
  return /^[\w./:=+@-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}

/** The tests' cluster too, when the tests that it belonged to have ended. */
async function down(): Promise<number> {
  const ofTests = stateFolder("cluster-of-tests");
  for (const folder of [FOLDER, ofTests]) {
    if (folder === ofTests && (await isLocked(`${folder}.lock`))) continue;
    const wasRunning = (await findMachine(folder)) !== undefined;
    await destroyMachine(folder);
    if (wasRunning) progress("the cluster is gone");
  }
  // Others may keep something beside it.
  await rmdir(dirname(FOLDER)).catch(() => {});
  return 0;
}

function complain(line: string): number {
  process.stderr.write(`${line}\n`);
  return 1;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      install: { type: "boolean", default: process.env.npm_config_install === "true" },
      chart: { type: "string", default: CHART },
      help: { type: "boolean", short: "h" },
    },
  });
  const [command = "up", ...rest] = positionals;
  const commands: Readonly<Record<string, () => Promise<number>>> = {
    up: () => up({ mayInstall: values.install, chart: values.chart }),
    env: printEnvironment,
    down,
  };
  const chosen = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (values.help || chosen === undefined || rest.length > 0) {
    process.stderr.write(USAGE);
    return values.help ? 0 : EXIT_USAGE;
  }
  return await chosen();
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = complain(error instanceof Error ? error.message : String(error));
}
