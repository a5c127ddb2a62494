/**
 * How does Tandem talk to an API server?
 *
 * client-node reads the kubeconfig or the pod's service account, refreshes tokens and knows the authorities; requests
 * are plain HTTP. Errors carry the API's own sentence and never a credential.
 */
import { createInterface } from "node:readline";
import { HttpMethod, KubeConfig, RequestContext } from "@kubernetes/client-node";
import { type Dispatcher, request as send } from "undici";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  /** Milliseconds for the whole request. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** One line of a watch. */
export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

export interface WatchOptions {
  readonly query: Readonly<Record<string, string>>;
  /** Milliseconds without a byte after which the connection counts as dead. */
  readonly inactivityMs: number;
  readonly signal: AbortSignal;
  onEvent(event: WatchEvent): void;
}

export interface KubeClient {
  /** The parsed answer. Rejects with an ApiError when the server refuses. */
  request<T>(method: Method, path: string, options?: RequestOptions): Promise<T>;
  /** Resolves when the server ends the watch, rejects when it breaks or cannot begin. */
  watch(path: string, options: WatchOptions): Promise<void>;
}

/** The API server's refusal, in its words. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** As in `metav1.Status`, such as `Conflict`. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

const REQUEST_TIMEOUT = 10_000;
/** Milliseconds until a watch must have begun. */
const WATCH_BEGIN_TIMEOUT = 15_000;
const MAX_ERROR_CHARACTERS = 16_384;
const MILLISECONDS = 1_000;

/** Of a file, else of the pod's service account, else of `KUBECONFIG` or `~/.kube/config`. Throws with one sentence. */
export function loadClient(options: { readonly kubeconfig?: string | undefined } = {}): KubeClient {
  const config = new KubeConfig();
  try {
    if (options.kubeconfig !== undefined) config.loadFromFile(options.kubeconfig);
    else if (process.env.KUBERNETES_SERVICE_HOST) config.loadFromCluster();
    else config.loadFromDefault();
  } catch (error) {
    throw new Error(`--kubeconfig ${options.kubeconfig ?? "(default)"} cannot be used: ${(error as Error).message}`);
  }
  if (config.getCurrentCluster() === null) {
    throw new Error(
      `--kubeconfig ${options.kubeconfig ?? "(default)"} names no current context: choose one with kubectl config use-context`,
    );
  }
  return new Client(config);
}

class Client implements KubeClient {
  readonly #config: KubeConfig;
  readonly #server: string;

  constructor(config: KubeConfig) {
    this.#config = config;
    this.#server = (config.getCurrentCluster()?.server ?? "").replace(/\/$/, "");
  }

  async request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    const { body, contentType = "application/json", timeoutMs = REQUEST_TIMEOUT } = options;
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    const headers = body === undefined ? {} : { "content-type": contentType };
    const answer = await this.#send(method, path, options.query ?? {}, {
      headers,
      signal,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw errorOf(answer.statusCode, text, answer.headers);
    return JSON.parse(text) as T;
  }

  async watch(path: string, { query, inactivityMs, signal: stop, onEvent }: WatchOptions): Promise<void> {
    const controller = new AbortController();
    const signal = AbortSignal.any([stop, controller.signal]);
    const silence = new Error(`nothing came over the watch of ${path} for too long`);
    const timer = setTimeout(() => controller.abort(silence), WATCH_BEGIN_TIMEOUT);
    try {
      const answer = await this.#send("GET", path, { ...query, watch: "true" }, { signal, bodyTimeout: 0 });
      if (answer.statusCode >= 300) throw errorOf(answer.statusCode, await answer.body.text(), answer.headers);
      timer.close();
      const alive = setTimeout(() => controller.abort(silence), inactivityMs);
      try {
        answer.body.on("data", () => alive.refresh());
        for await (const line of createInterface(answer.body)) {
          if (line !== "") onEvent(eventIn(line));
        }
        signal.throwIfAborted();
      } finally {
        clearTimeout(alive);
      }
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  }

  async #send(
    method: Method,
    path: string,
    query: Readonly<Record<string, string>>,
    options: Partial<Dispatcher.RequestOptions>,
  ) {
    const url = new URL(this.#server + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    // Signs anew each time: a service account's token changes every hour.
    const context = new RequestContext(url.href, HttpMethod.GET);
    await this.#config.applySecurityAuthentication(context);
    const dispatcher = context.getDispatcher();
    const headers = {
      ...context.getHeaders(),
      accept: "application/json",
      ...(options.headers as Record<string, string>),
    };
    return send(url, { ...options, method, headers, ...(dispatcher !== undefined && { dispatcher }) } as Parameters<
      typeof send
    >[1]);
  }
}

/** Throws an ApiError when the server ends the watch with a reason (410: start over). */
function eventIn(line: string): WatchEvent {
  const event = JSON.parse(line) as WatchEvent;
  if (event.type !== "ERROR") return event;
  const {
    code = 500,
    reason = "Unknown",
    message = "",
  } = event.object as { code?: number; reason?: string; message?: string };
  throw new ApiError(code, reason, message);
}

function errorOf(status: number, text: string, headers: Readonly<Record<string, unknown>>): ApiError {
  const seconds = Number(headers["retry-after"]);
  const retryAfter = Number.isFinite(seconds) ? seconds * MILLISECONDS : undefined;
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string };
    return new ApiError(status, reason ?? "Unknown", message ?? `The API server answered ${status}.`, retryAfter);
  } catch {
    const said = text.slice(0, MAX_ERROR_CHARACTERS).trim();
    return new ApiError(
      status,
      "Unknown",
      `The API server answered ${status}${said === "" ? "" : `: ${said}`}.`,
      retryAfter,
    );
  }
}
