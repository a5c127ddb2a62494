/** Which outside worlds do the tests stand up? Providers, forward proxies and private CAs, all on loopback. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net, { type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Running {
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: () => number;
  readonly open: () => number;
  readonly close: () => Promise<void>;
}

export async function listening(server: net.Server, host = "127.0.0.1", port = 0): Promise<Running> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("connection", (socket: Socket) => {
    count++;
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    open: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type Handler = http.RequestListener;

/** Answers with what it was asked. */
export const echo: Handler = (request, response) => {
  const { method, url, headers } = request;
  request.resume();
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ method, url, headers, local: request.socket.localAddress }));
};

export function provide(handler: Handler = echo, host?: string, port?: number): Promise<Running> {
  return listening(http.createServer({ keepAliveTimeout: 60_000 }, handler), host, port);
}

export interface Certificates {
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

/** A CA made for this run and a certificate of it for `host`; below 0 days it is over. Undefined where there is no openssl. */
export function certificatesFor(host: string, days = 2): Certificates | undefined {
  const folder = mkdtempSync(join(tmpdir(), "tandem-ca-"));
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  try {
    openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA");
    openssl("req", ...newKey, "-keyout", "key.pem", "-out", "request.pem", "-subj", `/CN=${host}`);
    writeFileSync(join(folder, "names"), `subjectAltName=DNS:${host}\n`);
    const sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days), "-extfile", "names"];
    openssl("x509", "-req", "-in", "request.pem", ...sign, "-out", "cert.pem");
    const read = (name: string) => readFileSync(join(folder, name), "utf8");
    return { ca: read("ca.pem"), key: read("key.pem"), cert: read("cert.pem") };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function provideTLS({ key, cert }: Certificates, handler: Handler = echo): Promise<Running> {
  return listening(https.createServer({ key, cert }, handler));
}

export interface ForwardProxy extends Running {
  /** `METHOD target proxy-authorization`, in order. */
  readonly seen: string[];
}

/** A forward proxy that knows one upstream, whatever it is asked for. `refuse` is the status it answers CONNECT with. */
export async function forwardProxy(upstreamPort: number, refuse?: number): Promise<ForwardProxy> {
  const seen: string[] = [];
  const note = (request: http.IncomingMessage) =>
    seen.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
  const server = http.createServer((request, response) => {
    note(request);
    const { pathname, search } = new URL(request.url ?? "");
    const { "proxy-authorization": _, ...headers } = request.headers;
    const options = { host: "127.0.0.1", port: upstreamPort, method: request.method, path: pathname + search, headers };
    const onward = http.request(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward.on("error", () => response.destroy()));
  });
  server.on("connect", (request, client: Socket) => {
    note(request);
    if (refuse !== undefined) {
      client.end(`HTTP/1.1 ${refuse} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const onward = net.connect(upstreamPort, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(onward).pipe(client);
    });
    onward.on("error", () => client.destroy());
    client.on("error", () => onward.destroy()).on("close", () => onward.destroy());
  });
  return { ...(await listening(server)), seen };
}
