/** How is a program run to its end, and what is said when it fails? */

import { spawn } from "node:child_process";
import { basename } from "node:path";

const MAX_SHOWN_CHARS = 4_000;

export interface RunOptions {
  /** Written to its standard input. */
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Answers what it printed. The error names the program and holds the end of what it complained about. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { input, ...rest } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...rest, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
    const output: Buffer[] = [];
    let complaints = "";
    child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => {
      complaints = `${complaints}${chunk}`.slice(-MAX_SHOWN_CHARS);
    });
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const text = Buffer.concat(output).toString("utf8");
      if (code === 0) return resolve(text);
      const said = complaints.trim() || text.slice(-MAX_SHOWN_CHARS).trim();
      const what = [basename(program), ...args.slice(0, 2)].join(" ");
      reject(new Error(`${what} ended with ${code ?? signal}${said === "" ? "" : `: ${said}`}`));
    });
    // A program that ended early has closed the pipe.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
