/**
 * How does somebody on the host reach an address inside the machine?
 *
 * A port of the host's loopback is opened here and handed to a process inside: a socket stays in the network where it was
 * opened, so that process accepts outside and connects inside. Run as a program this file is that process.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { logOf } from "./daemons.ts";
import type { Machine } from "./machine.ts";

interface Target {
  readonly host: string;
  readonly port: number;
}

/** Opens a port, answers its number. It ends with the machine. */
export async function forward(machine: Machine, target: Target): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const output = openSync(logOf(machine.folder, "forward"), "a");
  const [program = "", ...args] = [...machine.enter, process.execPath, fileURLToPath(import.meta.url)];
  const child = spawn(program, args, { detached: true, stdio: ["ignore", output, output, "ipc"] });
  closeSync(output);
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error("the port could not be handed into the cluster; see log/forward.log")));
    child.once("message", () => resolve());
    child.send(target, server, (error) => {
      if (error !== null) reject(error);
    });
  });
  child.disconnect();
  child.unref();
  server.close();
  return port;
}

function connectBoth(outside: Socket, target: Target): void {
  const inside = connect(target);
  for (const [from, to] of [
    [outside, inside],
    [inside, outside],
  ] as const) {
    // A stream's parts are small, and somebody waits for each.
    from.setNoDelay(true);
    from.pipe(to);
    // A connection that broke must not look like one that ended.
    from.once("error", () => to.resetAndDestroy());
  }
}

if (import.meta.main) {
  process.once("message", (target: Target, server: Server) => {
    server.on("connection", (socket) => connectBoth(socket, target));
    process.send?.("ready");
  });
}
