/**
 * Does a provider answer when nobody asks it anything?
 *
 * A GET of `health.path` every `health.interval`. 2xx and 429 are healthy; 401 and 403 are not, with reason AuthFailed;
 * `failureThreshold` failed checks in a row make a provider unhealthy, one good check makes it healthy again. A check
 * proves key and network, not that a deployment exists or has quota: it never touches a breaker.
 */
import type { Credentials } from "../../routing/secrets.ts";
import type { HealthCheck, ObjectKey, Provider } from "../../routing/table.ts";
import type { Availability, Health } from "./availability.ts";
import { ConnectError } from "./connect-error.ts";
import type { Connections, DispatchController, Dispatcher } from "./connections.ts";
import { UNKNOWN_HEALTH } from "./handle.ts";
import { perProvider } from "./per-provider.ts";

/** What a check sends: a GET of this path at the provider's origin with these headers (auth included). */
export interface ProbeRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Why a check cannot be made, which is a failed one. */
export interface NoProbe {
  readonly reason: string;
  readonly detail: string;
}

export interface HealthOptions {
  readonly connections: Connections;
  readonly availability: Availability;
  readonly request: (
    provider: Provider,
    credentials: Credentials,
  ) => ProbeRequest | NoProbe | Promise<ProbeRequest | NoProbe>;
  /** 0 ≤ x < 1. The first check comes within an interval, so that a fleet of proxies does not ask at once. */
  readonly rng: () => number;
}

/** The answer's body does not matter, but a connection can be used again only when it has been read. */
const DRAINED_BYTES = 1024 * 1024;
/** The first checks come within this, or within the interval where that is shorter. */
const FIRST_CHECK_WITHIN_MS = 1_000;

export class HealthChecks {
  readonly #options: HealthOptions;
  readonly #checks = new Map<string, Check>();

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Checks exactly these providers from now on. One whose way to be checked did not change keeps its rhythm. */
  apply(providers: Iterable<Provider>, credentials: Credentials): void {
    const wanted = new Map<string, readonly [Provider, HealthCheck]>();
    for (const provider of providers)
      if (provider.health) wanted.set(identityOf(provider), [provider, provider.health]);
    for (const [identity, check] of this.#checks) {
      if (wanted.has(identity)) continue;
      check.stop();
      this.#checks.delete(identity);
    }
    for (const [identity, [provider, settings]] of wanted) {
      const running = this.#checks.get(identity);
      if (running) running.adopt(provider, credentials);
      else this.#checks.set(identity, new Check(this.#options, provider, settings, credentials));
    }
  }

  /** Checks these now: what kept them from being asked has gone. */
  hurry(providers: readonly ObjectKey[]): void {
    for (const check of this.#checks.values()) if (providers.includes(check.provider)) check.hurry();
  }

  close(): void {
    for (const check of this.#checks.values()) check.stop();
    this.#checks.clear();
  }
}

const identityOf = perProvider(({ key, type, endpoint, apiVersion, auth, tls, health, timeouts }) =>
  JSON.stringify([key, type, endpoint, apiVersion, auth, tls?.ca, health, timeouts.connect]),
);

/** The checks of one provider: never two at a time. */
class Check {
  readonly #options: HealthOptions;
  readonly #settings: HealthCheck;
  #provider: Provider;
  #credentials: Credentials;
  #failures = 0;
  #timer: NodeJS.Timeout;
  #stopped = false;
  #abort: (() => void) | undefined;
  #running = false;

  constructor(options: HealthOptions, provider: Provider, settings: HealthCheck, credentials: Credentials) {
    this.#options = options;
    this.#settings = settings;
    this.#provider = provider;
    this.#credentials = credentials;
    const first = options.rng() * Math.min(settings.interval, FIRST_CHECK_WITHIN_MS);
    this.#timer = setTimeout(() => void this.#run(), first);
    this.#timer.unref();
  }

  get provider(): ObjectKey {
    return this.#provider.key;
  }

  hurry(): void {
    if (this.#running || this.#stopped) return;
    clearTimeout(this.#timer);
    void this.#run();
  }

  /** The same check under a newer table. */
  adopt(provider: Provider, credentials: Credentials): void {
    this.#provider = provider;
    this.#credentials = credentials;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort?.();
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    this.#running = true;
    const result = await this.#ask();
    this.#running = false;
    if (this.#stopped) return;
    this.#judge(result);
    const wait = Math.max(0, this.#settings.interval - (performance.now() - startedAt));
    this.#timer = setTimeout(() => void this.#run(), wait);
    this.#timer.unref();
  }

  #judge(result: Health): void {
    this.#failures = result.state === "healthy" ? 0 : this.#failures + 1;
    if (this.#failures > 0 && this.#failures < this.#settings.failureThreshold) return;
    this.#options.availability.setHealth(this.#provider, result);
  }

  async #ask(): Promise<Health> {
    const request = await this.#options.request(this.#provider, this.#credentials);
    if ("reason" in request) return unhealthy(request.reason, request.detail);
    if (this.#stopped) return UNKNOWN_HEALTH;
    const dispatcher = this.#options.connections.dispatcherFor(this.#provider, this.#credentials);
    // As the attempt loop sends it: undici would close a TLS connection whose Host header comes and goes.
    const headers = { ...request.headers, host: new URL(this.#provider.endpoint).host };
    const { promise, abort } = get(dispatcher, { path: request.path, headers }, this.#settings.timeout);
    this.#abort = abort;
    return promise.finally(() => {
      this.#abort = undefined;
    });
  }
}

const HEALTHY: Health = { state: "healthy", reason: "", detail: "" };

function unhealthy(reason: string, detail: string): Health {
  return { state: "unhealthy", reason, detail };
}

/** Judges by the status alone; the body is read and dropped. */
function verdictOn(status: number): Health {
  if ((status >= 200 && status < 300) || status === 429) return HEALTHY;
  const reason = status === 401 || status === 403 ? "AuthFailed" : "UnexpectedStatus";
  return unhealthy(reason, `the check was answered with ${status}`);
}

function verdictOnError(error: Error): Health {
  if (error instanceof ConnectError) return unhealthy("ConnectFailed", error.message);
  return unhealthy("RequestFailed", `the check broke off: ${(error as NodeJS.ErrnoException).code ?? error.message}`);
}

/** One GET with a limit on time and size. Never rejects. */
function get(dispatcher: Dispatcher, request: ProbeRequest, timeoutMs: number) {
  const { promise, resolve } = Promise.withResolvers<Health>();
  let controller: DispatchController | undefined;
  let ended = false;
  const end = (health: Health): void => {
    ended = true;
    clearTimeout(timer);
    resolve(health);
    controller?.abort(new Error("the check is over"));
  };
  const timer = setTimeout(() => end(unhealthy("Timeout", `no whole answer within ${timeoutMs} ms`)), timeoutMs);
  let status = 0;
  let drained = 0;
  const options = { method: "GET", path: request.path, headers: request.headers } as const;
  dispatcher.dispatch(options, {
    onRequestStart(started) {
      controller = started;
      if (ended) started.abort(new Error("the check is over"));
    },
    onResponseStart(_controller, code) {
      status = code;
    },
    onResponseData(_controller, chunk) {
      drained += chunk.length;
      if (drained > DRAINED_BYTES) end(verdictOn(status));
    },
    onResponseEnd() {
      // The connection belongs to the next request now: nothing to break off.
      controller = undefined;
      end(verdictOn(status));
    },
    onResponseError(_controller, error) {
      controller = undefined;
      end(verdictOnError(error));
    },
  });
  return { promise, abort: () => end(unhealthy("Stopped", "the check was stopped")) };
}
