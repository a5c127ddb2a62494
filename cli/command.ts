/**
 * How is a command line read?
 *
 * Every command declares its options in one table. A value comes from its flag, else from `TANDEM_<NAME>`, else from
 * the default; what cannot be read is one clear line and exit code 2.
 */
import { parseArgs } from "node:util";

export interface Option {
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** Shown in the help; absent: a switch. */
  readonly value?: string;
  /** May be given several times, and take several values at once. */
  readonly many?: boolean;
  readonly required?: boolean;
  readonly default?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Positional arguments by their names; every one is required. */
  readonly positionals?: readonly string[];
  readonly options: readonly Option[];
  readonly examples: readonly string[];
  /** The exit code. */
  run(given: Given): Promise<number>;
}

/** What was given, by the options' names. */
export class Given {
  readonly positionals: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>, positionals: readonly string[], env: NodeJS.ProcessEnv) {
    this.#values = values;
    this.positionals = positionals;
    this.env = env;
  }

  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  isOn(name: string): boolean {
    return this.#values.has(name);
  }
}

/** What the caller typed cannot be used: one line, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Something outside is not as it should be: one line, exit code 1. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export function readCommandLine(command: Command, args: readonly string[], env: NodeJS.ProcessEnv): Given {
  const { values, positionals } = parse(command, repeated(command, args));
  const found = new Map<string, readonly string[]>();
  for (const option of command.options) {
    const value = values[option.name] ?? fromEnvironment(option, env) ?? option.default;
    if (value === undefined || value === false) {
      if (option.required) throw new UsageError(`--${option.name} ${option.value} is missing`);
      continue;
    }
    found.set(option.name, Array.isArray(value) ? value.map(String) : [String(value)]);
  }
  const wanted = command.positionals ?? [];
  const missing = wanted[positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  if (positionals.length > wanted.length)
    throw new UsageError(`'${positionals[wanted.length]}' is one argument too many`);
  return new Given(found, positionals, env);
}

function parse(command: Command, args: string[]) {
  const options = Object.fromEntries(
    command.options.map(({ name, short, value, many }) => [
      name,
      {
        type: value === undefined ? ("boolean" as const) : ("string" as const),
        multiple: many ?? false,
        ...(short && { short }),
      },
    ]),
  );
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    // The parser's advice is of no use here: "To specify a positional argument starting with a '-', …".
    const [sentence = ""] = (error as Error).message.split(/\n|\. To specify/);
    throw new UsageError(`${sentence.replace(/\.$/, "")}: tandem ${command.name} --help lists the options`);
  }
}

/** `--manifests a b` becomes `--manifests=a --manifests=b`. */
function repeated(command: Command, args: readonly string[]): string[] {
  const many = new Set(command.options.filter((option) => option.many).map((option) => `--${option.name}`));
  const out: string[] = [];
  let current: string | undefined;
  for (const [i, arg] of args.entries()) {
    const [flag = ""] = arg.split("=", 1);
    const isFlag = arg.startsWith("-");
    if (isFlag) current = many.has(flag) ? flag : undefined;
    const hasValue = args[i + 1] !== undefined && !args[i + 1]?.startsWith("-");
    if (!isFlag && current !== undefined) out.push(`${current}=${arg}`);
    else if (arg !== current || !hasValue) out.push(arg);
  }
  return out;
}

function fromEnvironment(option: Option, env: NodeJS.ProcessEnv): string | readonly string[] | boolean | undefined {
  const value = env[environmentName(option)];
  if (value === undefined || value === "") return undefined;
  if (option.value === undefined) return isOn(option, value);
  return option.many ? value.split(",").map((part) => part.trim()) : value;
}

function isOn(option: Option, value: string): boolean {
  if (value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw new UsageError(`${environmentName(option)}=${value}: choose 1 or 0`);
}

function environmentName(option: Option): string {
  return `TANDEM_${option.name.toUpperCase().replaceAll("-", "_")}`;
}

const HELP_COLUMN = 34;

export function helpOf(command: Command): string {
  const positionals = (command.positionals ?? []).map((name) => ` ${name}`).join("");
  const rows = command.options.map((option) => {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    const flag = `  ${short}--${option.name}${option.value === undefined ? "" : ` ${option.value}${option.many ? "…" : ""}`}`;
    const fallback = option.default === undefined ? "" : ` (default ${option.default})`;
    const gap = flag.length < HELP_COLUMN ? " ".repeat(HELP_COLUMN - flag.length) : `\n${" ".repeat(HELP_COLUMN)}`;
    return `${flag}${gap}${option.help}${fallback}`;
  });
  return [
    `tandem ${command.name}: ${command.summary}`,
    "",
    `Usage: tandem ${command.name}${positionals} [options]`,
    "",
    ...(rows.length > 0 ? ["Options (each also as TANDEM_<NAME> in the environment):", ...rows, ""] : []),
    "Examples:",
    ...command.examples.map((example) => `  ${example}`),
    "",
  ].join("\n");
}
