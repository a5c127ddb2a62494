/** How does a test take the API server away from a proxy, and give it back? A cable on loopback that can be pulled. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after } from "node:test";

export class Cable {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #isPulled = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
  }

  /** To a port of this machine. */
  static async to(port: number): Promise<Cable> {
    const server = createServer();
    const cable = new Cable(server, port);
    server.on("connection", (socket) => cable.#join(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    after(() => {
      cable.pull();
      server.close();
    });
    return cable;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Everything breaks, and nothing new comes through. */
  pull(): void {
    this.#isPulled = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend(): void {
    this.#isPulled = false;
  }

  #join(near: Socket): void {
    if (this.#isPulled) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(this.#port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
