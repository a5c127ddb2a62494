/** Which command is meant? Each is loaded only when it is: starting fast is part of the job. */
import { type Command, CommandError, helpOf, readCommandLine, UsageError } from "./command.ts";

const COMMANDS: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  demo: {
    summary: "the gateway over two simulated providers, with the quickstart's manifests",
    load: async () => (await import("./demo.ts")).demo,
  },
  run: {
    summary: "the gateway over manifests, without a cluster",
    load: async () => (await import("./run.ts")).run,
  },
  simulate: {
    summary: "simulated OpenAI and Azure OpenAI, with faults on request",
    load: async () => (await import("./simulate.ts")).simulate,
  },
  compile: {
    summary: "the routing table of manifests, and the verdict on every object",
    load: async () => (await import("./compile.ts")).compileCommand,
  },
  explain: {
    summary: "for one hypothetical request: who would be asked, in which order, and who not and why",
    load: async () => (await import("./explain.ts")).explainCommand,
  },
  check: {
    summary: "one tiny real request to each backend",
    load: async () => (await import("./check.ts")).check,
  },
  rollout: {
    summary: "where a rollout stands, on with it, or back to stable",
    load: async () => (await import("./rollout.ts")).rollout,
  },
  rollback: {
    summary: "puts the routes of a former table back in force, and holds them there",
    load: async () => (await import("./rollback.ts")).rollback,
  },
  convert: {
    summary: "a gateway's YAML of old to manifests",
    load: async () => (await import("./convert.ts")).convert,
  },
  proxy: {
    summary: "the gateway over what the operator publishes in a cluster",
    load: async () => (await import("./proxy.ts")).proxy,
  },
  operator: {
    summary: "watches Tandem's objects in a cluster and publishes what its proxies run",
    load: async () => (await import("./operator.ts")).operator,
  },
};

const EXIT_USAGE = 2;
const NAME_COLUMN = 12;

function overview(): string {
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(NAME_COLUMN)}${summary}`);
  return `tandem: OpenAI and Azure OpenAI behind one endpoint\n\n${rows.join("\n")}\n\ntandem COMMAND --help tells more.\n`;
}

function isHelp(arg: string | undefined): boolean {
  return arg === "--help" || arg === "-h";
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(overview());
    return EXIT_USAGE;
  }
  if (isHelp(name) || name === "help") {
    process.stdout.write(overview());
    return 0;
  }
  const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!known) throw new UsageError(`there is no command '${name}': tandem --help lists them`);
  const command = await known.load();
  if (rest.some(isHelp)) {
    process.stdout.write(helpOf(command));
    return 0;
  }
  return command.run(readCommandLine(command, rest, process.env));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof CommandError)) throw error;
  process.stderr.write(`tandem: ${error.message}\n`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
}
