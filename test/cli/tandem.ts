/** The real command in a process of its own, and what it says. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../cli/bin.js", import.meta.url));
export const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
export const QUICKSTART = join(EXAMPLES, "quickstart");
export const DEMO_KEY = "tdm-demo-key-for-trying-out";

/** Milliseconds until a command that hangs is a failure. */
const PATIENCE = 20_000;

const children = new Set<ChildProcess>();
const folders: string[] = [];

after(async () => {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Gone when the test file has ended. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-cli-test-"));
  folders.push(folder);
  return folder;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout(): string;
  stderr(): string;
  /** Waits until standard error matches. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
}

type Env = Readonly<Record<string, string>>;

export function start(args: readonly string[], env: Env = {}): Started {
  return startProgram(CLI, args, env);
}

/** Only what the test gives is in the environment: a developer's own keys must not matter. */
export function startProgram(file: string, args: readonly string[], env: Env): Started {
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: tmpdir(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      children.delete(child);
      resolve({ code, stdout, stderr });
    });
  });
  const says = (pattern: RegExp) => {
    return new Promise<RegExpExecArray>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${why} before it said ${pattern}: ${stderr}`));
      const timer = setTimeout(() => fail("time was up"), PATIENCE);
      const look = () => {
        const match = pattern.exec(stderr);
        if (!match) return;
        clearTimeout(timer);
        child.stderr.off("data", look);
        resolve(match);
      };
      child.stderr.on("data", look);
      child.once("close", () => {
        look();
        clearTimeout(timer);
        fail("the command ended");
      });
      look();
    });
  };
  return { child, ended, stdout: () => stdout, stderr: () => stderr, says };
}

/** Runs a command to its end. */
export async function tandem(args: readonly string[], env: Env = {}): Promise<Ended> {
  const { child, ended } = start(args, env);
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  const result = await ended;
  clearTimeout(timer);
  return result;
}

export interface RunningGateway extends Started {
  readonly url: string;
  readonly adminUrl: string;
}

/** `tandem run` on free ports, once it is ready. */
export async function startGatewayCommand(args: readonly string[], env: Env = {}): Promise<RunningGateway> {
  const state = await temporaryFolder();
  const started = start(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--state", state, ...args], env);
  const [, url = "", adminUrl = ""] = await started.says(/ready\b[^\n]*?(http:[^\s)]+)\/v1\b[^\n]*?(http:[^\s)]+)/);
  return { ...started, url, adminUrl };
}

export interface Answer {
  readonly status: number;
  readonly provider: string | null;
  readonly body: { readonly error?: { readonly code?: string } };
}

/** A chat on `gpt-4o`, by default with the demo's key. */
export async function chat(url: string, key: string = DEMO_KEY): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Who are you?" }] }),
  });
  const body = (await response.json()) as Answer["body"];
  return { status: response.status, provider: response.headers.get("x-tandem-provider"), body };
}

export interface Status {
  readonly table: { readonly hash: string } | null;
  readonly lastReload: {
    readonly result: string;
    readonly error?: {
      readonly message: string;
      readonly file?: string;
      readonly line?: number;
      readonly field?: string;
    };
  } | null;
}

export async function statusOf(adminUrl: string): Promise<Status> {
  const response = await fetch(`${adminUrl}/status`, { headers: { connection: "close" } });
  return (await response.json()) as Status;
}

/** Milliseconds. */
const POLL = { first: 20, last: 200 };

/** Milliseconds until the question is answered with yes; fails after `within` of them. */
export async function waitFor(what: string, within: number, question: () => Promise<boolean>): Promise<number> {
  const began = performance.now();
  for (;;) {
    const asked = performance.now() - began;
    if (await question()) return performance.now() - began;
    if (asked > within) throw new Error(`${what}: not within ${within} ms`);
    // The longer it takes, the less a moment matters, and most questions cost both sides a request.
    const pause = Math.min(Math.max(POLL.first, asked / 10), POLL.last);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
