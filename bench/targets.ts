/**
 * Which targets are there, and how does one get from "not started" to "answers"?
 */

import type { ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { processTree } from "./measure.ts";
import { start, stop, TARGET_CORE } from "./processes.ts";
import { nginx } from "./targets/nginx.ts";
import { CLIENT_KEY, tandem } from "./targets/tandem.ts";
import { PATHS, requestBody } from "./traffic.ts";

/** What a target gets to live in. */
export interface Place {
  /** An empty folder of its own. */
  readonly folder: string;
  readonly port: number;
  readonly adminPort: number;
  readonly upstreamPort: number;
  /** Write a CPU profile into the folder on exit (Tandem alone). */
  readonly profile: boolean;
}

export type Launch =
  | { readonly argv: readonly string[] /** Standard output goes into this file. */; readonly output?: string }
  | { readonly unavailable: string };

/** Same path and key for all; only Tandem looks at them. */
export const PATH = PATHS.chat;
export const HEADERS = { authorization: `Bearer ${CLIENT_KEY}`, "content-type": "application/json" } as const;
export const DIRECT = "direct";

const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 5;
const PROBE_BODY = requestBody({ bytes: 300, messages: 1, modelAt: "first", stream: false });

function script(file: string): (place: Place) => Launch {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return ({ upstreamPort, port }) => ({ argv: [process.execPath, path, String(upstreamPort), String(port)] });
}

/** In the order of the report. */
export const TARGETS: Readonly<Record<string, (place: Place) => Launch>> = {
  nginx,
  undici: script("targets/undici-proxy.ts"),
  hpm: script("targets/hpm.ts"),
  tandem: (place) => tandem(place),
};

/** A target that answers. `pids` is empty when its processes are not known. */
export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly pids: readonly number[];
  readonly readySeconds: number | undefined;
  /** Where its access log goes, when it has one. */
  readonly accessLog: string | undefined;
  close(): Promise<void>;
}

export class Unavailable extends Error {}

/** @throws Unavailable with the reason when it cannot run here. */
export function startTarget(name: string, folder: string, upstreamPort: number, profile = false): Promise<Target> {
  const launched = TARGETS[name];
  if (launched === undefined) throw new Unavailable(`no such target; there are ${Object.keys(TARGETS).join(", ")}`);
  return startLaunched(name, launched, folder, upstreamPort, profile);
}

/** The same of a target that is not in the list. */
export async function startLaunched(
  name: string,
  launched: (place: Place) => Launch,
  folder: string,
  upstreamPort: number,
  profile = false,
): Promise<Target> {
  mkdirSync(folder, { recursive: true });
  const [port, adminPort] = await freePorts();
  const launch = launched({ folder, port, adminPort, upstreamPort, profile });
  if ("unavailable" in launch) throw new Unavailable(launch.unavailable);
  const errorFile = join(folder, "stderr.log");
  const begun = performance.now();
  const child = launchInto(launch, errorFile);
  try {
    await answers(port, child);
  } catch (error) {
    await stop(child);
    throw new Unavailable(
      `${(error as Error).message}: ${readFileSync(errorFile, "utf8").trim().slice(0, 500) || "it wrote no error"}`,
    );
  }
  const readySeconds = (performance.now() - begun) / 1000;
  const pids = processTree(child.pid as number);
  return {
    name,
    host: "127.0.0.1",
    port,
    path: PATH,
    pids,
    readySeconds,
    accessLog: launch.output,
    close: () => stop(child),
  };
}

function launchInto(launch: Extract<Launch, { argv: readonly string[] }>, errorFile: string): ChildProcess {
  const output = launch.output === undefined ? undefined : openSync(launch.output, "w");
  const errors = openSync(errorFile, "w");
  const env = { NODE_ENV: "production" };
  const child = start(launch.argv, { core: TARGET_CORE, stdio: ["ignore", output ?? "ignore", errors], env });
  if (output !== undefined) closeSync(output);
  closeSync(errors);
  return child;
}

async function freePorts(): Promise<[number, number]> {
  const servers = [net.createServer(), net.createServer()] as const;
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port));
        }),
    ),
  );
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return [ports[0] as number, ports[1] as number];
}

/** Ready is when a request is answered with 200, not when a port is open. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  const until = performance.now() + READY_TIMEOUT_MS;
  let last = "nothing listens";
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode} before it was ready`);
    last = await probe(port);
    if (last === "200") return;
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
  throw new Error(`not ready after ${READY_TIMEOUT_MS / 1000} s (last answer: ${last})`);
}

function probe(port: number): Promise<string> {
  return new Promise((resolve) => {
    const headers = { ...HEADERS, "content-length": PROBE_BODY.length };
    const request = http.request({
      host: "127.0.0.1",
      port,
      path: PATH,
      method: "POST",
      headers,
      agent: false,
      timeout: 2_000,
    });
    request.on("response", (response) => {
      response.resume();
      resolve(String(response.statusCode));
    });
    request.on("timeout", () => request.destroy(new Error("no answer in 2 s")));
    request.on("error", (error) => resolve(error.message));
    request.end(PROBE_BODY);
  });
}

/** `name=url` or `name=url#pid`: a rival that somebody else started. @throws Error naming the fix. */
export function externalTarget(text: string): Target {
  const match = /^([\w-]+)=(http:\/\/.+)$/.exec(text);
  const url = match === null ? null : URL.parse(match[2] as string);
  if (match === null || url === null)
    throw new Error(`--target ${text}: write it as name=http://host:port/path or name=http://host:port/path#pid`);
  const pid = Number(url.hash.slice(1));
  return {
    name: match[1] as string,
    host: url.hostname,
    port: Number(url.port || 80),
    path: url.pathname === "/" ? PATH : url.pathname,
    pids: pid > 0 ? processTree(pid) : [],
    readySeconds: undefined,
    accessLog: undefined,
    close: async () => {},
  };
}
