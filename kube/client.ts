/** How does Tandem ask an API server for something? */

import { createSecureContext } from "node:tls";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import { type Access, fromKubeconfig, inCluster, type Kubeconfig, type Tls } from "./access.ts";
import { Deadline } from "./deadline.ts";
import { ApiError, apiErrorOfAnswer, apiErrorOfEvent, describe } from "./errors.ts";
import type { KubeObject } from "./objects.ts";
import { linesOf, textOf } from "./streams.ts";

export type { Kubeconfig } from "./access.ts";
export { ApiError } from "./errors.ts";

const REQUEST_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** The API server sends a watch's headers at once, when it has not put it into a queue. */
const WATCH_OPEN_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_PROBE_MS = 30_000;
/** A page of 500 objects, each at its usual size at most. */
const LARGEST_ANSWER_BYTES = 256 * 1024 * 1024;
/** etcd keeps objects up to 1.5 MiB. */
const LARGEST_EVENT_BYTES = 16 * 1024 * 1024;

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Readonly<Record<string, string>>;

export interface RequestSettings {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` by default; a patch needs its own. */
  readonly contentType?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: KubeObject;
}

export interface WatchSettings {
  readonly query?: Query;
  /** Give up when nothing came for so long. */
  readonly inactivityMs: number;
  readonly signal: AbortSignal;
  /** The API server has accepted the watch. */
  onOpen?(): void;
  /** What it throws ends the watch. */
  onEvent(event: WatchEvent): void;
}

export interface KubeClient {
  /** The parsed answer. Throws ApiError when the API server says no, and an Error when it cannot be reached. */
  request<T>(method: Method, path: string, options?: RequestSettings): Promise<T>;
  /** Resolves when the API server ends the watch; throws as `request` does, also for an ERROR event. */
  watch(path: string, options: WatchSettings): Promise<void>;
  /** Ends all connections and what goes on over them. */
  close(): Promise<void>;
}

export interface ClientOptions {
  /** Without it the service account of the pod. */
  readonly kubeconfig?: Kubeconfig | undefined;
  /** The kubeconfig's current one by default. */
  readonly context?: string | undefined;
  /** Where a pod finds its service account; for tests. */
  readonly serviceAccount?: string | undefined;
}

/** Throws, with the remedy, when there is no way to an API server; whether it answers is not asked yet. */
export function loadClient({ kubeconfig, context, serviceAccount }: ClientOptions = {}): KubeClient {
  return new HttpClient(kubeconfig === undefined ? inCluster(serviceAccount) : fromKubeconfig(kubeconfig, context));
}

class HttpClient implements KubeClient {
  readonly #access: Access;
  readonly #server: URL;
  #dispatcher: Promise<Dispatcher> | undefined;

  constructor(access: Access) {
    this.#access = access;
    this.#server = new URL(access.server);
  }

  async request<T>(method: Method, path: string, options: RequestSettings = {}): Promise<T> {
    const { query, body, contentType = "application/json", timeoutMs = REQUEST_TIMEOUT_MS, signal } = options;
    const deadline = new Deadline(signal);
    deadline.set(timeoutMs, `no answer within ${timeoutMs / 1000} s`);
    try {
      const sent = { method, path: withQuery(path, query), headers: { "content-type": contentType } };
      const answer = await this.#send(
        body === undefined ? sent : { ...sent, body: JSON.stringify(body) },
        deadline.signal,
      );
      const text = await textOf(answer.body, LARGEST_ANSWER_BYTES);
      if (answer.statusCode < 200 || answer.statusCode > 299) {
        throw apiErrorOfAnswer(`${method} ${path}`, answer.statusCode, text, answer.headers["retry-after"]);
      }
      return parse(text) as T;
    } catch (error) {
      throw told(error, `${method} ${path}`, signal);
    } finally {
      deadline.end();
    }
  }

  async watch(path: string, { query, inactivityMs, signal, onOpen, onEvent }: WatchSettings): Promise<void> {
    const deadline = new Deadline(signal);
    const openMs = Math.min(inactivityMs, WATCH_OPEN_TIMEOUT_MS);
    deadline.set(openMs, `no answer within ${openMs / 1000} s`);
    const name = `WATCH ${path}`;
    try {
      const sent = { method: "GET" as const, path: withQuery(path, { ...query, watch: "true" }), headers: {} };
      const answer = await this.#send(sent, deadline.signal);
      if (answer.statusCode !== 200) {
        const text = await textOf(answer.body, LARGEST_EVENT_BYTES);
        throw apiErrorOfAnswer(name, answer.statusCode, text, answer.headers["retry-after"]);
      }
      deadline.set(inactivityMs, `nothing came for ${inactivityMs / 1000} s`);
      onOpen?.();
      for await (const line of linesOf(answer.body, LARGEST_EVENT_BYTES)) {
        deadline.renew();
        const event = parse(line) as { type: WatchEvent["type"] | "ERROR"; object: KubeObject };
        if (event.type === "ERROR") throw apiErrorOfEvent(name, event.object);
        onEvent({ type: event.type, object: event.object });
      }
    } catch (error) {
      throw told(error, name, signal);
    } finally {
      deadline.end();
    }
  }

  async close(): Promise<void> {
    const dispatcher = await this.#dispatcher?.catch(() => undefined);
    await dispatcher?.destroy();
  }

  async #send(
    sent: { method: Method; path: string; headers: Record<string, string>; body?: string },
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const dispatcher = await this.#connections();
    const once = async () =>
      dispatcher.request({
        ...sent,
        origin: this.#server.origin,
        // Some API servers stand below a path, such as Rancher's.
        path: `${this.#server.pathname.replace(/\/$/, "")}${sent.path}`,
        headers: {
          accept: "application/json",
          "user-agent": "tandem",
          ...(await this.#access.headers()),
          ...sent.headers,
        },
        signal,
      });
    const answer = await once();
    if (answer.statusCode !== 401) return answer;
    // The token was renewed since it was read.
    await answer.body.dump();
    this.#access.forget();
    return once();
  }

  #connections(): Promise<Dispatcher> {
    this.#dispatcher ??= this.#access.tls().then(
      (tls) => dispatcherFor(tls, this.#access.proxyUrl),
      (error) => {
        this.#dispatcher = undefined;
        throw error;
      },
    );
    return this.#dispatcher;
  }
}

/**
 * HTTP/1.1, with as many connections as there are watches: on the one connection of HTTP/2 the API server allows a
 * hundred streams or so, and when it falls silent, everything does, lease and all.
 */
function dispatcherFor(tls: Tls, proxyUrl: string | undefined): Dispatcher {
  const { ca, cert, key, ...rest } = tls;
  // One for all connections: a context of its own for each costs more memory than the connection.
  const secureContext = createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  const connect = {
    ...rest,
    secureContext,
    timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
  };
  // Our own deadlines rule, and a watch may be silent for longer than undici allows.
  const options = { allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
  if (proxyUrl !== undefined) return new ProxyAgent({ ...options, uri: proxyUrl, requestTls: connect });
  return new Agent({ ...options, connect });
}

function withQuery(path: string, query: Query | undefined): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? path : `${path}?${text}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // V8's message would quote the text, which may hold a secret.
    throw new Error("the answer is not JSON");
  }
}

/** The error with the request's name, or the caller's own when it was the caller who gave up. */
function told(error: unknown, request: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof ApiError) return error;
  if (signal?.aborted) return signal.reason;
  return new Error(`${request}: ${describe(error)}`, { cause: error });
}
