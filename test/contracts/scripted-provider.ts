/** A provider that keeps every byte it is asked with, and answers what it is told. */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Told {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: Buffer | string;
}

const NOTHING: Told = { status: 200, type: "application/json", body: "{}" };

export class ScriptedProvider {
  asked: Asked[] = [];
  answer: Told = NOTHING;

  /** Its URL. Closes itself when the tests of the file have ended. */
  async start(): Promise<string> {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const { method = "", url = "", headers } = request;
      const isHealthCheck = /^[^?]*\/models(\?|$)/.test(url);
      if (!isHealthCheck) this.asked.push({ method, url, headers, body: Buffer.concat(chunks) });
      const { status, type, body } = isHealthCheck ? NOTHING : this.answer;
      response.writeHead(status, type === undefined ? {} : { "content-type": type }).end(body);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    after(() => {
      server.closeAllConnections();
      server.close();
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
}
