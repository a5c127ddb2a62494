/** A provider's end of a realtime socket that does exactly what a test says. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { after } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";

export class FakeRealtime {
  readonly sockets: WebSocket[] = [];
  readonly requests: IncomingMessage[] = [];
  /** What a new socket gets; replace it before a client connects. */
  greet: (socket: WebSocket) => void = () => undefined;
  /** Takes the connection before any handshake: for refusals and silence. True: it is taken. */
  intercept: ((socket: Duplex) => boolean) | undefined;
  readonly #ws: WebSocketServer;
  /** To what is no upgrade. */
  answer: (response: ServerResponse) => void = (response) => response.end("{}");
  readonly #server = createServer((_request, response) => this.answer(response));
  readonly #open = new Set<Duplex>();

  constructor(options: { autoPong?: boolean } = {}) {
    this.#ws = new WebSocketServer({ noServer: true, ...options });
    this.#server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#open.delete(socket));
      this.requests.push(request);
      if (this.intercept?.(socket)) return;
      this.#ws.handleUpgrade(request, socket, head, (accepted) => {
        accepted.on("error", () => undefined);
        this.sockets.push(accepted);
        this.greet(accepted);
      });
    });
  }

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    after(() => {
      for (const socket of this.#open) socket.destroy();
      this.#server.close();
    });
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The newest socket. */
  get socket(): WebSocket {
    return this.sockets.at(-1) as WebSocket;
  }

  closed(socket = this.socket): Promise<{ readonly code: number; readonly reason: string }> {
    return new Promise((resolve) => {
      socket.once("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }
}
