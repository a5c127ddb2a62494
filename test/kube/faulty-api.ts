/**
 * How do tests break the network between Tandem and a real API server?
 *
 * A reverse proxy in front of it that terminates TLS with the API server's own certificate, so that a kubeconfig for it
 * differs in the port alone. It passes everything on until it is told otherwise, and remembers what was asked.
 */

import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Agent, createServer, request as httpsRequest } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import type { ApiServer } from "../control-plane/api-server.ts";

export type Kind = "list" | "watch" | "get" | "write";

export interface SeenRequest {
  readonly kind: Kind;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string;
  /** Of performance.now(). */
  readonly at: number;
}

export type Match = Kind | ((request: SeenRequest) => boolean);

/** What happens instead of the API server's answer. */
export type Fault =
  /** A metav1.Status. */
  | { readonly status: number; readonly reason?: string; readonly retryAfterSeconds?: number }
  /** 200 and nothing else, as of a watch whose time is over. */
  | "close-at-once"
  /** The connection is reset. */
  | "reset"
  /** Neither an answer nor an end. */
  | "hang";

export interface FaultyApi {
  readonly url: string;
  kubeconfig(token?: string): string;
  /** All requests so far, the refused ones too. */
  readonly requests: readonly SeenRequest[];
  count(match: Match): number;
  /** Watches that stand open now. */
  readonly openWatches: number;
  /** From now on, for so many requests; answers what lifts it. The youngest fault that fits counts. */
  fail(match: Match, fault: Fault, times?: number): () => void;
  /** Ends all open watches as the server's own time-out does. */
  endWatches(): void;
  /** Tells all open watches that their version is too old, and ends them. */
  expireWatches(): void;
  /** Resets all connections. */
  reset(): void;
  /** On the watches that are open now nothing comes any more, and no end. What came meanwhile is lost to them. */
  silenceWatches(): void;
  /** Swallows the events of these types on all watches, while bookmarks still pass; answers what lifts it. */
  swallowEvents(): () => void;
  /** The next event of any open watch is cut in its middle, and the connection reset. */
  cutNextEvent(): void;
  /** Nobody listens, and no connection is left. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

interface Rule {
  readonly match: Match;
  readonly fault: Fault;
  left: number;
}

interface OpenWatch {
  readonly response: ServerResponse;
  isSilent: boolean;
}

/** A watch's line up to its middle. */
const CUT_AT = 0.5;

export async function startFaultyApi(server: ApiServer): Promise<FaultyApi> {
  const file = (name: string) => readFile(join(server.folder, "certs", name));
  const [cert, key] = await Promise.all([file("apiserver.crt"), file("apiserver.key")]);
  const agent = new Agent({ ca: server.ca, keepAlive: true });
  const requests: SeenRequest[] = [];
  const rules: Rule[] = [];
  const watches = new Set<OpenWatch>();
  const sockets = new Set<Socket>();
  let swallowing = 0;
  let isCutting = false;

  const faultFor = (seen: SeenRequest): Fault | undefined => {
    const rule = rules.findLast((one) => one.left > 0 && matches(one.match, seen));
    if (rule === undefined) return undefined;
    rule.left--;
    return rule.fault;
  };

  /** Line by line, so that events can be swallowed and cut. */
  const relayWatch = (answer: IncomingMessage, response: ServerResponse) => {
    const watch: OpenWatch = { response, isSilent: false };
    watches.add(watch);
    response.on("close", () => watches.delete(watch));
    response.flushHeaders();
    let begun = "";
    answer.setEncoding("utf8");
    answer.on("data", (text: string) => {
      const lines = (begun + text).split("\n");
      begun = lines.pop() ?? "";
      for (const line of lines) {
        const isBookmark = line.startsWith('{"type":"BOOKMARK"');
        if (watch.isSilent || response.writableEnded || (swallowing > 0 && !isBookmark)) continue;
        if (isCutting && !isBookmark) {
          isCutting = false;
          response.write(line.slice(0, Math.floor(line.length * CUT_AT)), () => response.socket?.destroy());
          return;
        }
        response.write(`${line}\n`);
      }
    });
    answer.on("end", () => {
      if (!watch.isSilent) response.end();
    });
  };

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const seen = seenOf(request);
    requests.push(seen);
    const fault = faultFor(seen);
    if (fault !== undefined) return answerWith(fault, request, response);
    const upstream = httpsRequest(
      `${server.url}${request.url}`,
      { method: request.method, headers: request.headers, agent },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        if (seen.kind === "watch" && answer.statusCode === 200) return relayWatch(answer, response);
        answer.pipe(response);
      },
    );
    upstream.on("error", () => request.socket.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  };

  const front = createServer({ cert, key }, handle);
  // Below TLS, so that a reset is a reset.
  front.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      front.once("error", reject);
      front.listen(port, "127.0.0.1", resolve);
    });
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const goAway = async () => {
    const closed = new Promise<void>((resolve) => front.close(() => resolve()));
    reset();
    front.closeAllConnections();
    await closed;
  };
  await listen(0);
  const { port } = front.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;

  return {
    url,
    kubeconfig: (token) => server.kubeconfig(token).replace(server.url, url),
    requests,
    count: (match) => requests.filter((request) => matches(match, request)).length,
    get openWatches() {
      return watches.size;
    },
    fail: (match, fault, times = Number.POSITIVE_INFINITY) => {
      const rule = { match, fault, left: times };
      rules.push(rule);
      return () => {
        rule.left = 0;
      };
    },
    endWatches: () => {
      for (const { response } of watches) response.end();
    },
    expireWatches: () => {
      const event = { type: "ERROR", object: statusObject(410, "Expired") };
      for (const { response } of watches) response.end(`${JSON.stringify(event)}\n`);
    },
    reset,
    silenceWatches: () => {
      for (const watch of watches) watch.isSilent = true;
    },
    swallowEvents: () => {
      swallowing++;
      return () => {
        swallowing--;
      };
    },
    cutNextEvent: () => {
      isCutting = true;
    },
    goAway,
    comeBack: () => listen(port),
    stop: async () => {
      if (front.listening) await goAway();
      agent.destroy();
    },
  };
}

function matches(match: Match, request: SeenRequest): boolean {
  return typeof match === "function" ? match(request) : match === request.kind;
}

function seenOf(request: IncomingMessage): SeenRequest {
  const { pathname: path, searchParams: query } = new URL(request.url ?? "/", "https://localhost");
  const method = request.method ?? "GET";
  const kind = method !== "GET" ? "write" : query.get("watch") === "true" ? "watch" : isOne(path) ? "get" : "list";
  const { authorization = "" } = request.headers;
  return { kind, method, path, query, authorization, at: performance.now() };
}

/** Of one object: `/api/v1/namespaces/NS/PLURAL/NAME`, or `/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME`. */
function isOne(path: string): boolean {
  const [, root, ...rest] = path.split("/");
  const within = rest.slice(root === "api" ? 1 : 2);
  return within[0] === "namespaces" && within.length > 2 ? within.length > 3 : within.length > 1;
}

function answerWith(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
  if (fault === "hang") return;
  if (fault === "reset") {
    request.socket.destroy();
    return;
  }
  if (fault === "close-at-once") {
    response.writeHead(200, { "content-type": "application/json" }).end();
    return;
  }
  const { status, reason = "", retryAfterSeconds } = fault;
  const retryAfter = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
  response.writeHead(status, { "content-type": "application/json", ...retryAfter });
  response.end(JSON.stringify(statusObject(status, reason)));
}

function statusObject(code: number, reason: string): object {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: `a fault of the test: ${code}`,
    reason,
    code,
  };
}
