/** What does a running process hold, when all that nobody needs is collected? Asked of Node's own inspector. */
import { readdir } from "node:fs/promises";
import type { Started } from "../cli/tandem.ts";

export interface Held {
  /** Bytes. */
  readonly heap: number;
  readonly resident: number;
  readonly timers: number;
  /** Files, sockets, pipes. */
  readonly descriptors: number;
  readonly sockets: number;
}

/** For the process that is looked into. */
export const INSPECTABLE = { NODE_OPTIONS: "--inspect=127.0.0.1:0" };

const READ = `JSON.stringify({...process.memoryUsage(), resources: process.getActiveResourcesInfo()})`;

interface Reply {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: string } };
}

export class Inside {
  readonly #pid: number;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #last = 0;

  private constructor(pid: number, socket: WebSocket) {
    this.#pid = pid;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const reply = JSON.parse(String(data)) as Reply;
      if (reply.id === undefined) return;
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  static async of({ child, says }: Started): Promise<Inside> {
    const [, url = ""] = await says(/Debugger listening on (ws:\S+)/);
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", reject);
    });
    return new Inside(child.pid ?? 0, socket);
  }

  async held(): Promise<Held> {
    // What finalizers let go of falls to the second collection.
    for (let i = 0; i < 2; i++) await this.#ask("HeapProfiler.collectGarbage");
    const { result } = await this.#ask("Runtime.evaluate", { expression: READ });
    const { heapUsed, external, rss, resources } = JSON.parse(result?.result?.value ?? "") as NodeJS.MemoryUsage & {
      resources: string[];
    };
    return {
      heap: heapUsed + external,
      resident: rss,
      timers: resources.filter((name) => name === "Timeout" || name === "Immediate").length,
      sockets: resources.filter((name) => name.startsWith("TCP")).length,
      descriptors: (await readdir(`/proc/${this.#pid}/fd`)).length,
    };
  }

  /**
   * The process is busy so many times, each for so many milliseconds in which it does nothing else; what is due has its
   * turn in between. It starts the next time itself: one that is asked for from here may be taken up before what is due.
   */
  async busyFor(milliseconds: number, times: number): Promise<void> {
    const expression = `new Promise((done) => {
      let left = ${times};
      const turn = () => {
        for (const end = performance.now() + ${milliseconds}; performance.now() < end; );
        if (--left === 0) done(); else setTimeout(turn);
      };
      turn();
    })`;
    await this.#ask("Runtime.evaluate", { expression, awaitPromise: true });
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string, params: object = {}): Promise<Reply> {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}
