/** A provider of which a test has the connections themselves in hand: for what no HTTP server would do. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after } from "node:test";

/** One request that has come whole. */
export interface RawRequest {
  readonly socket: Socket;
  /** Counted from 1: of all connections, and of this one. */
  readonly connection: number;
  readonly onConnection: number;
  readonly method: string;
  readonly body: string;
}

export type RawAnswer = (request: RawRequest) => void;

export class RawProvider {
  readonly seen: RawRequest[] = [];
  answer: RawAnswer = rawChat("raw");
  connections = 0;
  readonly #server: Server = createServer((socket) => this.#serve(socket));

  async start(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    after(() => this.#server.close());
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Requests but for health checks. */
  get calls(): readonly RawRequest[] {
    return this.seen.filter(({ method }) => method === "POST");
  }

  #serve(socket: Socket): void {
    const connection = ++this.connections;
    let text = "";
    let onConnection = 0;
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk.toString();
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0);
      if (end === -1 || Buffer.byteLength(text) < end + 4 + length) return;
      const request = { socket, connection, onConnection: ++onConnection, method: text.split(" ", 1)[0] ?? "" };
      const whole = { ...request, body: text.slice(end + 4) };
      text = "";
      this.seen.push(whole);
      if (whole.method === "GET") rawJson('{"data":[]}')(whole);
      else this.answer(whole);
    });
  }
}

export function rawJson(body: string, ...headers: string[]): RawAnswer {
  const head = ["HTTP/1.1 200 OK", "content-type: application/json", `content-length: ${Buffer.byteLength(body)}`];
  return ({ socket }) => void socket.write(`${[...head, ...headers].join("\r\n")}\r\n\r\n${body}`);
}

export function rawChat(content: string, ...headers: string[]): RawAnswer {
  const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
  return rawJson(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices }), ...headers);
}

/** The connection is reset, as by a process that is gone. */
export const rawReset: RawAnswer = ({ socket }) => void socket.resetAndDestroy();
/** The connection is closed, as by a server whose keep-alive time was over when the request came. */
export const rawClose: RawAnswer = ({ socket }) => void socket.end();
