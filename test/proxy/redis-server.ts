/** A real Redis of the test's own: started, killed, stopped in its tracks, and started anew with nothing in it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const MISSING =
  "redis-server is not on the PATH, and these tests need a real one: install Redis (apt-get install redis-server) or Valkey";

export class RedisServer {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
  }

  get url(): string {
    return `redis://:not-to-be-told@127.0.0.1:${this.port}/0`;
  }

  /** Empty: it keeps nothing on a disk. */
  async start(): Promise<void> {
    const options = ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const child = spawn("redis-server", [...options, "--dir", this.#folder, "--requirepass", "not-to-be-told"], {
      stdio: "ignore",
    });
    this.#process = child;
    const failed = new Promise<never>((_, reject) => {
      child.once("error", (error: NodeJS.ErrnoException) => {
        reject(error.code === "ENOENT" ? new Error(MISSING) : error);
      });
    });
    await Promise.race([failed, this.#listens()]);
  }

  /** As a node that dies takes it. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  /** It keeps its connections and says nothing. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async #listens(): Promise<void> {
    for (;;) {
      const isThere = await new Promise<boolean>((resolve) => {
        const socket = connect(this.port, "127.0.0.1");
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      });
      if (isThere) return;
      await sleep(20);
    }
  }
}

/** Running; gone when the tests of the file have ended. Rejects with one sentence where there is no Redis. */
export async function startRedis(): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "tandem-redis-"));
  const redis = new RedisServer(await freePort(), folder);
  after(async () => {
    await redis.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  await redis.start();
  return redis;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
