/**
 * Where do log lines go, and what happens when nobody reads them fast enough?
 *
 * Lines are collected and written by a thread pool: at 256 KiB or after 250 ms, whichever is first. Behind a reader that
 * has stopped, at most 4 MiB wait; further lines are dropped and counted (`tandem_log_lines_dropped_total`), never
 * waited for. Content and secrets are kept out by those who log: fields are named one by one, never whole objects of a
 * request.
 */
import { writeSync } from "node:fs";
import pino from "pino";

/** Handing a batch to the thread pool costs as much as writing ten lines, and wakes another thread: larger batches are cheaper. */
const WRITE_AT_CHARACTERS = 256 * 1024;
const WRITE_AT_MS = 250;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** One write may take all that has gathered while the one before was under way. */
const MAX_WRITE_BYTES = 1024 * 1024;

/** The program's own log: `log.info({ route }, "message")`. */
export type Logger = Pick<pino.BaseLogger, "fatal" | "error" | "warn" | "info" | "debug">;

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "silent";

/** A file descriptor or file that takes lines without making anybody wait. */
export class LogDestination {
  readonly #stream: ReturnType<typeof pino.destination>;
  readonly #writeOnExit = () => this.#writeNow();
  #lines: string[] = [];
  #characters = 0;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;
  #closed = false;

  /** `dest`: a file descriptor (1 is standard output) or a file's path. */
  constructor(dest: number | string) {
    process.on("exit", this.#writeOnExit);
    this.#stream = pino.destination({ dest, sync: false, maxLength: MAX_WAITING_BYTES, maxWrite: MAX_WRITE_BYTES });
    this.#stream.on("drop", (batch: string) => {
      this.#dropped += batch.split("\n").length - 1;
    });
    // The reader is gone (EPIPE) or the disk is full: serving goes on without a log.
    this.#stream.on("error", () => this.#stop());
  }

  /** Lines that were not kept. */
  get dropped(): number {
    return this.#dropped;
  }

  /** One line, with its line end. */
  write(line: string): void {
    if (this.#closed) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#characters >= WRITE_AT_CHARACTERS) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), WRITE_AT_MS);
  }

  /** Writes what waits and closes; gives up after `timeoutMs`. Lines that come later are dropped. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closed) return;
    this.#write();
    this.#stop();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#stream.once("close", done);
      this.#stream.once("error", done);
      this.#stream.end();
    });
  }

  #write(): void {
    const batch = this.#take();
    if (batch !== "") this.#stream.write(batch);
  }

  /** The process is ending: nothing asynchronous would happen any more. What the stream holds, pino writes. */
  #writeNow(): void {
    const batch = this.#take();
    try {
      // sonic-boom's typings leave out the descriptor that it has opened.
      const { fd } = this.#stream as unknown as { fd: number };
      if (batch !== "") writeSync(fd, batch);
    } catch {
      // A reader that is gone or full must not turn an exit into a crash.
    }
  }

  #take(): string {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#lines.join("");
    this.#lines = [];
    this.#characters = 0;
    return batch;
  }

  #stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    process.off("exit", this.#writeOnExit);
  }
}

/** JSON lines with `time`, `level` and `msg`, like those of the access log. */
export function createLogger(destination: { write(line: string): void }, level: LogLevel = "info"): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: describeError },
  };
  return pino(options, { write: (line: string) => destination.write(escapeControls(line)) });
}

/** An error without its own properties: those of HTTP clients carry whole requests, with their headers. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = (error as NodeJS.ErrnoException).code;
  const cause = error.cause instanceof Error ? error.cause.message : undefined;
  return { type: error.name, message: error.message, code, cause, stack: error.stack };
}

/**
 * JSON leaves DEL, C1 controls and bidirectional overrides as they are, but a terminal obeys them. The line stays
 * the same JSON value.
 */
const TERMINAL_CONTROLS = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const ALL_TERMINAL_CONTROLS = new RegExp(TERMINAL_CONTROLS, "g");

export function escapeControls(json: string): string {
  if (!TERMINAL_CONTROLS.test(json)) return json;
  return json.replace(ALL_TERMINAL_CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
