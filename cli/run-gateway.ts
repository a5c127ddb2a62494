/**
 * How do files, compiler and gateway come together on a laptop?
 *
 * The manifests play the API server and their source the operator; every change that compiles is put in force. What
 * people read goes to standard error, the access log to standard output.
 */
import { randomBytes } from "node:crypto";
import { ManifestError } from "../manifests/load.ts";
import { ManifestSource, type Update } from "../manifests/source.ts";
import { type Gateway, startGateway } from "../proxy/gateway.ts";
import type { GatewaySettings } from "../proxy/settings.ts";
import type { LogDestination } from "../proxy/telemetry/log.ts";
import { Redacted } from "../routing/secrets.ts";
import { isAccepted } from "../routing/verdict.ts";
import { listenProblem, readAddress } from "./addresses.ts";
import { CommandError } from "./command.ts";
import { readIDKeys } from "./id-keys.ts";
import { KeptRollouts } from "./kept-rollouts.ts";
import { LaptopRollouts } from "./laptop-rollouts.ts";
import { LastTable } from "./last-table.ts";
import { createPlainLogger } from "./plain-log.ts";
import { linesOf, place, tell } from "./tell.ts";
import { UsageFile } from "./usage-file.ts";

const LOOPBACK = /^(127\.|::1$|localhost$)/;
const PEPPER_BYTES = 32;

export interface RunOptions {
  readonly manifests: readonly string[];
  readonly settings: GatewaySettings;
  /** Of the server that counts clients' limits for all proxies; absent: there is none. */
  readonly sharedState?: { readonly url: Redacted } | undefined;
  readonly listen: string;
  readonly admin: string;
  /** A folder for what outlives a restart. */
  readonly state: string;
  readonly dev: boolean;
  readonly connectTo: ReadonlyMap<string, string>;
  readonly allowAnonymous: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Whether what the compiler notes about accepted objects is told. */
  readonly showVerdicts: boolean;
  /** Undefined: nowhere. */
  readonly accessLog: LogDestination | undefined;
}

export interface RunningGateway {
  readonly url: string;
  readonly adminUrl: string;
  close(options: { drainMs: number }): Promise<void>;
}

/** Listening, and with a table in force. Throws CommandError when there is nothing to serve with. */
export async function runGateway(options: RunOptions): Promise<RunningGateway> {
  const listen = readAddress("listen", options.listen);
  const admin = readAddress("admin", options.admin);
  if (options.allowAnonymous !== undefined && !LOOPBACK.test(listen.host)) {
    tell(`warning: anybody who reaches ${options.listen} may spend the providers' money (--allow-anonymous)`);
  }
  const log = createPlainLogger(tell);
  let rollouts: LaptopRollouts | undefined;
  const started = { ...options, listen, admin, log, source: () => ({ rollouts: rollouts?.status() ?? {} }) };
  const gateway = await startGateway(started).catch((error: Error) => {
    throw new CommandError(listenProblem(error));
  });
  const memory = new LastTable(options.state, options.manifests, (message) => tell(`warning: ${message}`));
  const idKeys = await readIDKeys(options.state, (message) => tell(`warning: ${message}`));
  const warn = (message: string) => tell(`warning: ${message}`);
  const usage = new UsageFile({
    folder: options.state,
    manifests: options.manifests,
    budgets: gateway.budgets,
    clock: Date.now,
    onProblem: warn,
  });
  let source: ManifestSource | undefined;
  rollouts = new LaptopRollouts({
    gateway,
    kept: new KeptRollouts(options.state, options.manifests, warn),
    onMove: () => source?.refresh(),
    tell,
  });
  await rollouts.start();
  await usage.start().catch(async (error: Error) => {
    await gateway.close({ drainMs: 0 });
    throw new CommandError(error.message);
  });
  const kept = { memory, usage, rollouts };
  source = await startSource(options, gateway, kept, idKeys).catch(async (error: unknown) => {
    await gateway.close({ drainMs: 0 });
    await usage.close();
    throw error instanceof ManifestError ? new CommandError(`${place(error)}${error.message}`) : error;
  });
  return {
    url: gateway.url,
    adminUrl: gateway.adminUrl,
    close: async ({ drainMs }) => {
      // First of all, and at once: nobody new is let in once it was said that the gateway stops.
      const drained = gateway.close({ drainMs });
      await rollouts?.close();
      await source?.close();
      await memory.close();
      await drained;
      await usage.close();
    },
  };
}

/** What outlives a restart, and follows what is in force. */
interface Kept {
  readonly memory: LastTable;
  readonly usage: UsageFile;
  readonly rollouts: LaptopRollouts;
}

async function startSource(
  options: RunOptions,
  gateway: Gateway,
  { memory, usage, rollouts }: Kept,
  idKeys: readonly Redacted[],
): Promise<ManifestSource> {
  let told: ReadonlySet<string> = new Set();
  const source = new ManifestSource({
    paths: options.manifests,
    env: options.env,
    dev: options.dev,
    pepper: new Redacted(randomBytes(PEPPER_BYTES).toString("base64")),
    lastTable: await memory.read(),
    rollouts: () => rollouts.positions,
    history: () => memory.history(),
    onConfiguration(update) {
      if (!gateway.apply({ ...update, idKeys }).ok) return;
      memory.keep(update.table, update.published.hash, update.loaded.objects);
      usage.follow(update.table.clients);
      if (options.showVerdicts) told = tellNews(update, told);
    },
    // After it is in force: what a step waits for may be there already.
    onObjects: (update) => rollouts.follow(update),
    // On the terminal through the gateway's log, and in /status.
    onProblem: ({ object, ...problem }) =>
      gateway.reportConfigError(problem, object === undefined ? undefined : "everything else is in force"),
  });
  await source.start();
  return source;
}

/** What was told of the configuration before is not told again. */
function tellNews({ verdicts, loaded }: Update, told: ReadonlySet<string>): ReadonlySet<string> {
  // What is not accepted is told as a problem.
  const lines = verdicts.filter(isAccepted).flatMap((verdict) => linesOf(verdict, loaded));
  for (const line of lines) if (!told.has(line)) tell(line);
  return new Set(lines);
}
