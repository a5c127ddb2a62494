/**
 * Which way do requests to a provider go, and with how many connections?
 *
 * The first of these that applies: --connect-to, a forward proxy, straight.
 */
import type { SecureContext } from "node:tls";
import type { Redacted } from "../../routing/secrets.ts";
import { type Backbone, ClientPool } from "./client-pool.ts";
import { ConnectError } from "./connect-error.ts";
import { connectedInstead } from "./connect-to.ts";
import type { ConnectionsOptions, DispatchHandler, DispatchOptions, Endpoint } from "./connections.ts";
import * as make from "./connectors.ts";
import type { EgressGuard } from "./egress.ts";
import { forwardProxyFor } from "./proxy-choice.ts";

/** Connects nothing yet. What is wrong with the provider fails every request with a ConnectError. */
export function makeBackbone(
  provider: Endpoint,
  ca: Redacted | undefined,
  options: ConnectionsOptions,
  guard: EgressGuard,
): Backbone {
  const url = new URL(provider.endpoint);
  const timeout = provider.timeouts.connect;
  const tls = provider.tls ? { secureContext: () => trustOf(provider, ca) } : {};
  const instead = connectedInstead(url, options.connectTo);
  if (instead) {
    // The Host header is the origin's: scheme of the target, authority of the provider.
    return pool(`${instead.protocol}//${url.host}`, make.redirected(make.socketStep(tls), instead), timeout);
  }
  const refused = guard.checkLiteral(url);
  if (refused) return pool(url.origin, make.failing(refused), timeout);
  const proxy = proxyFor(url, options);
  if (proxy instanceof ConnectError) return pool(url.origin, make.failing(proxy), timeout);
  if (!proxy) {
    return pool(url.origin, make.socketStep({ ...tls, lookup: guard.lookup(options.lookup) }), timeout);
  }
  if (url.protocol === "http:") return new ForwardingPool(url, proxy, timeout);
  return pool(url.origin, make.tunnelled(make.socketStep(tls), proxy), timeout);
}

function pool(origin: string, step: make.Step, timeoutMs: number): ClientPool {
  return new ClientPool(origin, make.connector(step, timeoutMs));
}

function proxyFor(url: URL, { egress, env }: ConnectionsOptions): URL | undefined | ConnectError {
  try {
    return forwardProxyFor(url, egress.proxyURL, env ?? process.env);
  } catch (error) {
    return new ConnectError("proxy", "PROXY_INVALID", error instanceof Error ? error.message : "the proxy is invalid");
  }
}

function trustOf(provider: Endpoint, ca: Redacted | undefined): SecureContext {
  const source = `tls.caSecretRef of AIProvider ${provider.key}`;
  if (ca === undefined) throw new ConnectError("tls", "CA_MISSING", `${source} has no value`);
  return make.trusting(ca.reveal(), source);
}

/** Plain http through a forward proxy: the proxy is asked for the whole URL (RFC 9112, 3.2.2). */
class ForwardingPool implements Backbone {
  readonly #pool: ClientPool;
  readonly #origin: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: URL, proxy: URL, timeoutMs: number) {
    this.#pool = pool(proxy.origin, make.socketStep({}), timeoutMs);
    this.#origin = url.origin;
    this.#headers = { host: url.host, ...make.proxyAuthorization(proxy) };
  }

  dispatch(options: DispatchOptions, handler: DispatchHandler): boolean {
    const { headers } = options;
    const own = this.#headers;
    const all = Array.isArray(headers) ? [...headers, ...Object.entries(own).flat()] : { ...headers, ...own };
    return this.#pool.dispatch({ ...options, path: this.#origin + options.path, headers: all }, handler);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  destroy(): Promise<void> {
    return this.#pool.destroy();
  }
}
