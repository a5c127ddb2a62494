/**
 * How does the program's own log read at a terminal?
 *
 * One line a message, without JSON: `error: what happened (provider=ai/openai, status=401)`.
 */
import { createLogger, type Logger } from "../proxy/telemetry/log.ts";
import { place } from "./tell.ts";

/** Said by the line itself, or of no use to a person who sits there. */
const NOT_SHOWN = new Set(["level", "time", "msg", "message", "file", "line", "field"]);

interface Entry extends Readonly<Record<string, unknown>> {
  readonly level: string;
  readonly msg?: string;
  /** Of a configuration that was refused. */
  readonly message?: string;
  readonly file?: string;
  readonly line?: number;
}

/** Warnings and errors. */
export function createPlainLogger(write: (line: string) => void): Logger {
  return createLogger({ write: (line) => write(plain(JSON.parse(line) as Entry)) }, "warn");
}

function plain(entry: Entry): string {
  const { level, msg = "", message } = entry;
  const said = message === undefined ? msg : `${place(entry)}${message}; ${msg}`;
  const facts = Object.entries(entry).filter(([name, value]) => !NOT_SHOWN.has(name) && value !== undefined);
  const rest = facts.map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return `${level}: ${said}${rest.length > 0 ? ` (${rest.join(", ")})` : ""}`;
}
